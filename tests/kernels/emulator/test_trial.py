"""A kernel file's first comment: read, its formulas evaluated, and the kernel run by it."""

from pathlib import Path

import numpy as np
import pytest

import tinyvlm
from tinyvlm.errors import InputError
from tinyvlm.kernels.emulator import bfloat16, explain, expression, header, source, trial
from tinyvlm.kernels.emulator.problems import Attention, Matmul, Problem, problem_for

KERNELS = Path(tinyvlm.__file__).parent / "kernels"
RUNGS = sorted(KERNELS.glob("*/[0-9][0-9]_*.cu"))

ADD = """// Adds a multiple of x to y. One thread a value.
//
// x, y (N), N = 100, a = -2.5
// Launch: block HALF, grid (ceil(N / HALF)), shared 4 HALF bytes
// Expect: y = a * x + y
#define HALF (64 / 2)  // threads
extern "C" __global__ void add_multiple(const float *x, float *y, float a, int N) {
    int i = blockIdx.x * blockDim.x + threadIdx.x;
    if (i < N) y[i] += a * x[i];
}
extern "C" __global__ void another(float *y) {}
"""
NAMES = ["add_multiple", "another"]


def test_what_a_first_comment_says():
    read = header.parse(ADD, "add.cu", NAMES)
    assert read.idea == "Adds a multiple of x to y."
    assert read.shapes["x"] == read.shapes["y"] == ("N",)
    assert (read.values["N"], read.values["a"], read.values["HALF"]) == (100, -2.5, 32)
    assert read.expects == {"y": "a * x + y"}
    (line,) = read.launches
    assert (line.kernel, line.block, line.grid) == ("add_multiple", ("HALF",), ("ceil(N / HALF)",))
    assert read.whole(line.grid[0], read.values) == 4
    assert read.whole(line.shared, read.values) == 128


def test_several_launches_are_named():
    text = "/* Two.\n Launch: another  block (2, 3), grid (4)\n  add_multiple block 5, grid 6 */"
    lines = header.parse(text, "two.cu", NAMES).launches
    assert [(line.kernel, line.block, line.grid) for line in lines] == [
        ("another", ("2", "3"), ("4",)),
        ("add_multiple", ("5",), ("6",)),
    ]


@pytest.mark.parametrize(
    ("before", "after", "message"),
    [
        ("Launch: block", "Launch block", "has no line as: Launch: block 128"),
        ("Launch: block", "Launch: other block", "launches other, and the file's kernels are add_"),
        ("// Adds", "int one;\n// Adds", "has no line as: Launch"),
    ],
)
def test_what_is_missing_is_named(before, after, message):
    with pytest.raises(InputError, match=message) as caught:
        header.parse(ADD.replace(before, after), "add.cu", NAMES)
    assert "\n" not in str(caught.value)


def test_no_kernel_at_all():
    with pytest.raises(InputError, match=r"none\.cu has no kernel"):
        header.parse("// Nothing.", "none.cu", [])


@pytest.mark.parametrize("path", RUNGS, ids=lambda path: f"{path.parent.name}/{path.stem}")
def test_every_rung_says_how_it_is_launched(path):
    """Every formula of its launches has a value, and every array of the first one a shape."""
    text = path.read_text(encoding="utf-8")
    parameters = source.prepare(text, path.name, path.parent).parameters
    read = header.parse(text, path.name, list(parameters))
    names = {name for line in read.launches for name in parameters[line.kernel]}
    problem = problem_for(read, names, {})
    assert isinstance(problem, Matmul if path.parent.name == "matmul" else Problem)
    for line in read.launches:
        for formula in (*line.grid, *line.block, line.shared):
            assert read.whole(formula, problem.values) >= 0
    assert read.idea.startswith(f"Rung {int(path.name[:2])}, ")


def test_formulas():
    x = np.arange(6.0).reshape(2, 3)
    names = {"x": x, "n": 5, "B": 2, "H": 3}
    assert expression.whole("ceil(n / 2)", names) == 3
    assert expression.whole("ceil(B H n / 8)", names) == 4
    assert expression.whole("4 n", names) == 20
    np.testing.assert_array_equal(expression.evaluate("x @ x.T", names), x @ x.T)
    np.testing.assert_array_equal(expression.evaluate("x[:, ::-1]", names), x[:, ::-1])
    relu = expression.evaluate("where(x > 2, x, 0 * x)", names)
    np.testing.assert_array_equal(relu, np.where(x > 2, x, 0))
    softmax = expression.evaluate("exp(x - max(x)) / sum(exp(x - max(x)))", names)
    assert softmax.sum() == pytest.approx(1)


@pytest.mark.parametrize(
    ("formula", "message"),
    [
        ("1 +", "is no formula"),
        ("m + 1", "needs a value for m"),
        ("n / 2", "is 2.5, not a whole number"),
        ("x.__class__", "is more than a formula"),
        ("(lambda: 1)()", "is more than a formula"),
        ("[i for i in x]", "is no formula"),
        ("__import__(n)", "needs a value for __import__"),
        ("'a' + n", "is more than a formula"),
        ("x @ n @ x", "can't be computed"),
        ("n / 0", "can't be computed: division by zero"),
    ],
)
def test_what_is_no_formula(formula, message):
    with pytest.raises(expression.FormulaError, match=message):
        expression.whole(formula, {"x": np.ones((2, 3)), "n": 5})


def test_bfloat16_bits():
    x = np.array([1.0, 1.00390625, -2.0, 3.0e38, 0.0], np.float32)
    bits = bfloat16.to_bits(x)
    np.testing.assert_array_equal(bits, [0x3F80, 0x3F80, 0xC000, 0x7F62, 0])
    np.testing.assert_array_equal(bfloat16.from_bits(bits)[:3], [1.0, 1.0, -2.0])


def read_matmul(**sizes):
    read = header.parse("// C.\n// Launch: block 1, grid 1", "c.cu", ["c"])
    return problem_for(read, set("ABCIJK"), sizes)


@pytest.mark.parametrize("turned", [{}, {"TRANSPOSED_A": 1}, {"TRANSPOSED_B": 1}, {"batch": 3}])
def test_the_matrix_product_of_every_layout(turned):
    problem = read_matmul(I=4, J=5, K=6, **turned)
    A, B = (problem.given(name).astype(np.float64) for name in "AB")
    axes_a = "zki" if "TRANSPOSED_A" in turned else "zik"
    axes_b = "zjk" if "TRANSPOSED_B" in turned else "zkj"
    expected = np.einsum(
        f"{axes_a},{axes_b}->zij", A.reshape(-1, *A.shape[-2:]), B.reshape(-1, *B.shape[-2:])
    )
    wanted = problem.wanted({"A": A, "B": B}, ())["C"]
    np.testing.assert_allclose(wanted.values.reshape(expected.shape), expected, rtol=1e-12)
    assert 0 < wanted.allowed < 1e-4
    assert (problem.values["step_a"], problem.values["step_b"]) == (
        (24, 30) if "batch" in turned else (0, 0)
    )


def test_the_attentions_gradients_are_those_of_its_output():
    """<dy, y'> along a direction is the gradients' product with it."""
    problem = problem_for(
        header.parse("// A.\n// Launch: block 1, grid 1", "a.cu", ["a"]),
        {"q", "k", "v", "y", "q_rank", "k_rank"},
        {"T": 5, "S": 5, "K": 3},
    )
    assert isinstance(problem, Attention)
    found = problem.results({})
    step = {
        name: np.random.default_rng(1).standard_normal(problem.arrays[name].shape) for name in "qkv"
    }
    y = [
        problem.results({name: problem.arrays[name] + h * step[name] for name in "qkv"})["y"]
        for h in (1e-5, -1e-5)
    ]
    slope = np.sum(problem.arrays["dy"] * (y[0] - y[1])) / 2e-5
    assert sum(np.sum(found[f"d{n}"] * step[n]) for n in "qkv") == pytest.approx(slope, rel=1e-6)
    np.testing.assert_allclose(found["delta"].sum(), np.sum(problem.arrays["dy"] * found["y"]))
    assert found["lse"].shape == (1, 2, 5)


def test_sizes_that_make_no_sense():
    for sizes, message in (
        ({"I": 0}, "I = 0: a size here is 1 to 4,096"),
        ({"J": -3}, "J = -3"),
        ({"K": 1 << 20}, "K = 1048576"),
        ({"K": 2.5}, "'K' is 2.5, not a whole number"),
    ):
        with pytest.raises(InputError, match=message):
            read_matmul(**sizes)
    read = header.parse("// A.\n// Launch: block 1, grid 1", "a.cu", ["a"])
    with pytest.raises(InputError, match="H = 3 query heads can't share G = 2"):
        problem_for(read, {"k", "v", "q_rank", "k_rank"}, {"H": 3, "G": 2})


@pytest.mark.usefixtures("kernel_cache")
class TestWithCompiler:
    def made(self, tmp_path, code=ADD, **sizes):
        (tmp_path / "add.cu").write_text(code, encoding="utf-8")
        return trial.prepare(tmp_path / "add.cu", sizes)

    def test_a_file_is_run_as_it_says(self, tmp_path):
        tried = self.made(tmp_path)
        (step,) = tried.steps
        assert (step.grid, step.block, step.shared) == ((4,), (32,), 128)
        (result,) = tried.compare(tried.run())
        assert (result.array, result.right) == ("y", True)
        assert 0 < result.error < 1e-6
        after = tried.run()
        x, y = tried.arrays["x"], tried.arrays["y"]
        np.testing.assert_allclose(after["y"], y - 2.5 * x, atol=1e-6)

    def test_a_wrong_result_is_wrong(self, tmp_path):
        tried = self.made(tmp_path, ADD.replace("y[i] +=", "y[i] ="))
        assert not tried.compare(tried.run())[0].right

    def test_what_nobody_writes_is_nan(self, tmp_path):
        code = ADD.replace("a * x + y", "a * x").replace("y[i] +=", "if (i != 7) y[i] =")
        tried = self.made(tmp_path, code)
        (result,) = tried.compare(tried.run())
        assert np.isnan(result.error)
        assert not result.right

    def test_sizes_come_from_outside_too(self, tmp_path):
        tried = self.made(tmp_path, N=33, a=1.0)
        assert tried.steps[0].grid == (2,)
        assert tried.arrays["x"].shape == (33,)

    @pytest.mark.parametrize(
        ("before", "after", "message"),
        [
            ("x, y (N)", "x (N)", "gives no shape for y, as in: y \\(N\\)"),
            (", a = -2.5", "", "gives no value for a, as in: a = 100"),
            ("a * x + y", "a * z", "'a \\* z' needs a value for z"),
            ("x, y (N)", "x (N), y (N, 2)", "expects y of shape|can't be computed"),
            ("N = 100,", "N = 100000000,", "shape \\(100000000,\\), of at most"),
        ],
    )
    def test_what_does_not_fit_is_one_line(self, tmp_path, before, after, message):
        with pytest.raises(InputError, match=message) as caught:
            tried = self.made(tmp_path, ADD.replace(before, after))
            tried.compare(tried.arrays)
        assert str(caught.value).startswith("add.cu: its first comment ")
        assert "\n" not in str(caught.value)

    @pytest.mark.parametrize(
        ("before", "after", "message"),
        [
            ("float a, int N", "float a, Own N", "no array can be made for a parameter of its own"),
            ("(const float *x, float *y, float a, int N)", "(ALL)", "come out of a macro"),
        ],
    )
    def test_parameters_that_nothing_can_be_made_for(self, tmp_path, before, after, message):
        ours = "struct Own { int n[3]; operator int() const { return n[0]; } };"
        ours += "\n#define ALL const float *x, float *y, float a, int N"
        code = ADD.replace(before, after).replace("#define HALF", f"{ours}\n#define HALF")
        with pytest.raises(InputError, match=message):
            self.made(tmp_path, code)

    def test_an_explanation_shows_both_lines_of_a_race(self, tmp_path):
        code = ADD.replace("if (i < N) y[i] +=", "y[0] +=").replace(
            "// Expect: y = a * x + y", "//"
        )
        tried = self.made(tmp_path, code)
        with pytest.raises(InputError) as caught:
            tried.run(check=True)
        text = explain.explain(caught.value, tmp_path)
        assert ">    9 |     y[0] += a * x[i];" in text
        assert "     8 |     int i =" in text
        assert "use an atomic operation" in text
