"""`kernels`: the list, a rung run and profiled, a broken copy explained, wrong input in a line."""

import shutil
from pathlib import Path
from types import SimpleNamespace

import pytest

import tinyvlm
from tinyvlm.cli import doctor, kernels, main
from tinyvlm.kernels.emulator import compiler

LADDERS = Path(tinyvlm.__file__).parent / "kernels"
TILE = LADDERS / "matmul" / "03_shared_tile.cu"


@pytest.fixture(scope="session", autouse=True)
def kernel_folder(tmp_path_factory):
    """Nothing of the user's cache of compiled kernels is read or written."""
    patch = pytest.MonkeyPatch()
    patch.setenv(compiler.CACHE_VARIABLE, str(tmp_path_factory.mktemp("kernels_of_the_cli")))
    yield
    patch.undo()


needs_compiler = pytest.mark.skipif(shutil.which("g++") is None, reason="no g++")


def shown(capsys, *words, code=0):
    assert main(["kernels", *map(str, words)]) == code
    return capsys.readouterr()


def test_the_list_names_every_rung_and_its_idea(capsys):
    text = shown(capsys).out
    for path in LADDERS.glob("*/[0-9][0-9]_*.cu"):
        assert f"  {path.name[:2]}  " in text.partition(path.parent.name)[2]
    assert "\n  03  shared tile: a block fetches a tile of A and one of B once" in text
    assert "Rung" not in text
    assert all(len(line) < 100 for line in text.splitlines())
    assert shown(capsys, "list").out == text


@pytest.mark.parametrize(
    ("text", "file"),
    [
        ("03", "matmul/03_shared_tile.cu"),
        ("3", "matmul/03_shared_tile.cu"),
        ("03_shared_tile", "matmul/03_shared_tile.cu"),
        ("matmul/01", "matmul/01_naive.cu"),
        ("mine/03.cu", "mine/03.cu"),
    ],
)
def test_a_kernel_is_found_by_number_name_or_path(text, file):
    assert str(kernels.find(text)).endswith(file)


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["run"], "which kernel? kernels run takes a number"),
        (["profile"], "which kernel? kernels profile takes a number"),
        (["run", "99"], "there is no kernel '99'; python -m tinyvlm kernels lists them"),
        (["run", "conv/03"], "there is no ladder 'conv'; there are: matmul, "),
        (["run", "no_such.cu"], "can't read no_such.cu: No such file or directory"),
        (["run", "03", "--size", "I=many"], "--size I=many: 'many' is no number"),
        (["run", "03", "--size", "3=I"], "'3=I' is not NAME=VALUE"),
        (["run", "03", "--size", "I=0"], "I = 0: a size here is 1 to 4,096"),
        (["run", "03", "--define", "=2"], "'=2' is not NAME=VALUE"),
        (["run", TILE.parent], "can't read "),
    ],
)
def test_wrong_input_is_one_line(words, message, capsys):
    errors = shown(capsys, *words, code=2).err
    assert errors.startswith(f"tinyvlm: {message}")
    assert errors.count("\n") == 1


@pytest.mark.parametrize(
    "words", [["paint", "03"], ["run", "03", "--seconds", "0"], ["run", "03", "--size"]]
)
def test_words_it_does_not_know(words):
    with pytest.raises(SystemExit) as stopped:
        main(["kernels", *words])
    assert stopped.value.code == 2


@needs_compiler
def test_a_rung_runs_and_is_compared(capsys):
    lines = shown(capsys, "run", "03", "--size", "I=5", "J=18", "--define", "TILE=8").out
    lines = lines.splitlines()
    assert lines[1] == "A (5, 21), B (21, 18), C (5, 18)"
    assert lines[2] == "matmul_shared_tile: 3x1x1 blocks of 8x8 threads"
    for line, order in zip(lines[4:7], kernels.ORDERS.values(), strict=True):
        assert line.startswith(f"{order}: C is right, off by at most ")
    assert lines[7].startswith("the three orders agree to the bit")


@needs_compiler
def test_a_broken_copy_explains_itself(capsys, tmp_path):
    """What a student does first: take a rung, take out a barrier."""
    broken = TILE.read_text(encoding="utf-8").replace("__syncthreads();  // and", "// and")
    (tmp_path / "my.cu").write_text(broken, encoding="utf-8")
    line = 1 + broken[: broken.index("sum += tile_a")].count("\n")
    result = shown(capsys, "run", tmp_path / "my.cu", "--check", code=2)
    assert result.err.startswith(f"tinyvlm: my.cu:{line}: race: read after write, shared tile_a")
    assert result.err.count("\n") == 1
    assert f"> {line:4} |             sum += tile_a" in result.out
    assert "put __syncthreads()" in result.out.replace("\n", " ")
    result = shown(capsys, "run", tmp_path / "my.cu", code=2)
    assert result.err == "tinyvlm: my.cu: C is wrong; --check may name the line\n"
    assert "C is WRONG" in result.out


@needs_compiler
def test_a_compile_error_is_at_the_files_own_line(capsys, tmp_path):
    text = TILE.read_text(encoding="utf-8").replace("float sum = 0.0f;", "flout sum = 0.0f;")
    (tmp_path / "my.cu").write_text(text, encoding="utf-8")
    line = 1 + text[: text.index("flout")].count("\n")
    result = shown(capsys, "run", tmp_path / "my.cu", code=2)
    assert result.err.startswith(f"tinyvlm: my.cu:{line}:5: error: 'flout' was not declared in th")
    assert result.err.count("\n") == 1


@needs_compiler
def test_check_mode_says_what_it_looked_for(capsys):
    text = shown(capsys, "run", "01", "--check").out
    assert "check mode: C is right" in text
    assert "no race, no barrier left out, nothing out of bounds" in text


@needs_compiler
def test_a_profile(capsys):
    text = shown(capsys, "profile", "01", "--size", "I=32", "J=16", "K=8").out
    rows = [line.split() for line in text.splitlines() if line.startswith("01_naive.cu:")]
    assert [row[1:] for row in rows] == [
        ["global", "load", "A", "128", "16", "12%"],
        ["global", "load", "B", "128", "1", "25%"],
        ["global", "store", "C", "16", "16", "25%"],
    ]
    assert kernels.LEGEND in text


@needs_compiler
def test_a_kernel_without_an_expectation_shows_its_numbers(capsys, tmp_path):
    (tmp_path / "count.cu").write_text(
        "// Counts up.\n// y (N), N = 9\n// Launch: block N, grid 1\n"
        'extern "C" __global__ void count(int *y) { y[threadIdx.x] = 2 * threadIdx.x; }\n'
    )
    text = shown(capsys, "run", tmp_path / "count.cu").out
    assert "shuffled: y = 0, 2, 4, 6, 8, 10, 12, 14, ..." in text


def test_help_shows_how_a_file_says_how_it_is_run(capsys, tmp_path):
    """The comment in the help is one that works."""
    from tinyvlm.kernels.emulator import header

    with pytest.raises(SystemExit):
        main(["kernels", "--help"])
    text = capsys.readouterr().out
    start = text.index("  // Adds a multiple")
    code = "\n".join(line.strip() for line in text[start:].splitlines()[:4])
    read = header.parse(code, "my.cu", ["add_multiple"])
    assert (read.expects, read.values["a"]) == ({"y": "a * x + y"}, 2.5)


@pytest.mark.parametrize(
    ("found", "line"),
    [
        (
            {"g++": "g++ (Debian) 12.2"},
            "CUDA on CPU   fast, check and profile, by g++ (Debian) 12.2",
        ),
        ({"clang++": "clang version 19"}, "CUDA on CPU   fast mode only, by clang version 19"),
        ({"g++": "Apple clang 16"}, "CUDA on CPU   fast mode only, by Apple clang 16"),
        ({}, "CUDA on CPU   the CUDA emulator compiles kernels with g++, which is not installed"),
    ],
)
def test_doctor_says_which_modes_there_are(monkeypatch, found, line):
    monkeypatch.setattr(compiler.shutil, "which", lambda name: name if name in found else None)
    monkeypatch.setattr(
        compiler.subprocess,
        "run",
        lambda command, **_: SimpleNamespace(stdout=f"{found[command[0]]}\nCopyright"),
    )
    monkeypatch.setattr(compiler.platform, "system", lambda: "Linux")
    monkeypatch.setattr(compiler.platform, "machine", lambda: "x86_64")
    compiler.find_compiler.cache_clear()
    try:
        assert doctor.emulator_line().startswith(line)
    finally:
        monkeypatch.undo()
        compiler.find_compiler.cache_clear()
