"""The matmul ladder on the emulator: odd sizes, layouts, batches, thread orders, check mode."""

import numpy as np
import pytest

from tinyvlm.kernels import launch
from tinyvlm.kernels.emulator import KernelMistake, bfloat16

pytestmark = pytest.mark.usefixtures("kernel_cache")

RUNGS = list(launch.MATMUL)
TILED = [rung for rung in RUNGS if rung > "03"]
SIZES = [(1, 1, 1), (17, 1, 33), (16, 32, 16), (33, 47, 21), (5, 70, 1)]  # I, J, K
PAST_ONE_TILE = [(65, 129, 19), (136, 72, 40)]  # the second one for vectors of 4 and 8


def operands(rung, I, J, K, layout="NN", batch=()):
    """A (.., I, K) and B (.., K, J) as the layout stores them, and a C that is NaN."""
    rng = np.random.default_rng(0)
    A = rng.standard_normal((*batch, *((K, I) if layout == "TN" else (I, K))), np.float32)
    B = rng.standard_normal((*batch, *((J, K) if layout == "NT" else (K, J))), np.float32)
    if launch.MATMUL[rung].inputs == "bfloat16":
        A, B = bfloat16.to_bits(A), bfloat16.to_bits(B)
    return A, B, np.full((*batch, I, J), np.nan, np.float32)


def assert_is_product(A, B, C, layout):
    """The bound on the error is that of a sum of K float32 products of the inputs as they are."""
    A, B = (bfloat16.from_bits(x) if x.dtype == np.uint16 else x for x in (A, B))
    A = A.astype(np.float64).swapaxes(-1, -2) if layout == "TN" else A.astype(np.float64)
    B = B.astype(np.float64).swapaxes(-1, -2) if layout == "NT" else B.astype(np.float64)
    bound = 4 * 2.0**-24 * np.sqrt(A.shape[-1]) * (abs(A) @ abs(B)).max()
    assert abs(C - A @ B).max() <= bound


@pytest.mark.parametrize("rung", RUNGS)
def test_rung(rung, any_mode):
    for I, J, K in SIZES + PAST_ONE_TILE * (rung in TILED):
        A, B, C = operands(rung, I, J, K)
        launch.run(launch.matmul(rung, A, B, C), any_mode)
        assert_is_product(A, B, C, "NN")


@pytest.mark.parametrize("layout", ["NT", "TN"])
@pytest.mark.parametrize("rung", RUNGS)
def test_a_transposed_operand(rung, layout, check_mode):
    for I, J, K in SIZES[:-1] + PAST_ONE_TILE * (rung in TILED):
        A, B, C = operands(rung, I, J, K, layout)
        launch.run(launch.matmul(rung, A, B, C, layout), check_mode)
        assert_is_product(A, B, C, layout)


@pytest.mark.parametrize("rung", RUNGS)
def test_a_batch_and_a_shared_operand(rung, check_mode):
    A, B, C = operands(rung, 18, 9, 7, batch=(3,))
    launch.run(launch.matmul(rung, A, B, C), check_mode)
    assert_is_product(A, B, C, "NN")
    for a, b in ((A[0].copy(), B), (A, B[0].copy())):
        C = np.full_like(C, np.nan)
        launch.run(launch.matmul(rung, a, b, C), check_mode)
        assert_is_product(a, b, C, "NN")


@pytest.mark.parametrize("rung", [rung for rung in RUNGS if rung > "05"])
def test_an_array_that_begins_between_two_vectors(rung, check_mode):
    """Rows of a length that is a multiple of 8, but the array's first address is none of 16."""
    A, B, C = operands(rung, 24, 40, 16)
    for shift in range(3):
        arrays = [A, B, C]
        moved = np.zeros(arrays[shift].size + 1, arrays[shift].dtype)
        moved[1:] = arrays[shift].ravel()
        arrays[shift] = moved[1:].reshape(arrays[shift].shape)
        launch.run(launch.matmul(rung, *arrays), check_mode)
        assert_is_product(*arrays, "NN")


def test_sizes_of_zero(check_mode):
    C = np.ones((3, 4), np.float32)
    empty = np.zeros((3, 0), np.float32), np.zeros((0, 4), np.float32)
    launch.run(launch.matmul("05", *empty, C), check_mode)
    np.testing.assert_array_equal(C, 0)
    launch.run(launch.matmul("05", C[:0], np.ones((4, 2), np.float32), C[:0, :2]), check_mode)


BREAKS = {  # what is taken out -> file, before, after, the kind of mistake that has to be named
    "first barrier": ("03", "__syncthreads();  // the tiles", "// the tiles", "uninitialised"),
    "second barrier": ("03", "__syncthreads();  // and everyone", "// and everyone", "race"),
    "bound of A": ("03", "i < I && start + x < K;", "start + x < K;", "out of bounds"),
    "bound of B": ("03", "start + y < K && j < J;", "start + y < K;", "out of bounds"),
    "bound of C": ("03", "if (i < I && j < J) C[", "if (i < I) C[", "race"),
    "early return": ("03", "float sum", "if (j >= J) return;\n    float sum", "barrier"),
    "bound of a row": ("06", "if (i >= I) continue;", "", "out of bounds"),
    "pitch": ("06", "tile_a[DEPTH][TILE + 4]", "tile_a[DEPTH][TILE + 3]", "misaligned"),
    "wait": ("07", "cp_async_wait<0>();", "cp_async_wait<1>();", "async copy"),
    "buffer": ("07", "tile_b[1 - now], B", "tile_b[now], B", "async copy"),
    "bound of a line": ("09", "if (line0 + line < lines)", "", "out of bounds"),
    "warp's place": ("08", "WARP_ROWS + lane", "WARP_COLUMNS + lane", "race"),
}


@pytest.mark.parametrize("part", BREAKS)
def test_a_broken_rung_is_named(part, broken):
    """Check mode is silent about the rungs because they are right, not because nobody looks."""
    rung, before, after, kind = BREAKS[part]
    sizes = (72, 24, 40) if rung == "10" else (71, 19, 37)  # copied asynchronously: by eight
    plan = launch.matmul(rung, *operands(rung, *sizes))
    with pytest.raises(KernelMistake) as caught:
        launch.run(plan, broken(plan[0].file, before, after))
    assert caught.value.kind == kind, str(caught.value)


@pytest.mark.parametrize(
    ("before", "after", "kind"),
    [
        ("bool inside = x0 + x < X && k0 + k < K;", "bool inside = k0 + k < K;", "out of bounds"),
        ("return row_length % 4 == 0 && ", "return row_length % 4 != 99 && ", "misaligned"),
    ],
)
def test_a_broken_fetch_is_named(before, after, kind, broken):
    rung = "05" if "inside" in before else "06"
    plan = launch.matmul(rung, *operands(rung, 65, 19, 38))
    with pytest.raises(KernelMistake) as caught:
        launch.run(plan, broken("matmul/fetch.cuh", before, after))
    assert caught.value.kind == kind, str(caught.value)
    assert caught.value.place.file == "fetch.cuh"


def test_every_rung_is_described():
    files = {f"{number}_{rung.name}" for number, rung in launch.MATMUL.items()}
    assert {path.stem for path in (launch.FOLDER / "matmul").glob("*.cu")} == files


@pytest.mark.parametrize("rung", RUNGS)
def test_each_rung_opens_with_what_a_reader_needs(rung):
    file = f"matmul/{rung}_{launch.MATMUL[rung].name}.cu"
    text = (launch.FOLDER / file).read_text(encoding="utf-8")
    opening = text[: text.index("#include")]
    for word in ("Improves on:", "Launch:", "Architecture:", "A (I, K)"):
        assert word in opening, word
