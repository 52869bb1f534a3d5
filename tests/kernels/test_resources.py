"""Registers and shared memory against the committed table: how it is read, and NVRTC if there."""

import json
from pathlib import Path

import pytest

from tinyvlm.errors import InputError
from tinyvlm.kernels import nvrtc, resources
from tinyvlm.kernels.resources import Job, Use

LOG = """ptxas info    : 0 bytes gmem
ptxas info    : Compiling entry function 'second' for 'sm_80'
ptxas info    : Function properties for second
    8 bytes stack frame, 4 bytes spill stores, 8 bytes spill loads
ptxas info    : Used 40 registers, used 1 barriers, 8 bytes cumulative stack size, 392 bytes cmem[0]
ptxas info    : Compile time = 1.2 ms
ptxas info    : Compiling entry function 'first' for 'sm_80'
ptxas info    : Function properties for first
    0 bytes stack frame, 0 bytes spill stores, 0 bytes spill loads
ptxas info    : Used 255 registers, used 1 barriers, 33792 bytes smem, 400 bytes cmem[0]
"""
JOB = Job("matmul/03_shared_tile.cu", 90)
GOOD = [Use("matmul_shared_tile", 32, 2048, 0)]
TABLE = {str(JOB): {"matmul_shared_tile": [32, 2048]}}


@pytest.fixture
def compiler():
    try:
        return nvrtc.find()
    except InputError:
        pytest.skip("no NVRTC")


def test_the_log_as_numbers():
    assert resources.read_log(LOG) == [Use("first", 255, 33792, 0), Use("second", 40, 0, 12)]


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        ("// Architecture: any.", [75, 80, 90]),
        ("// Architecture: any. Shared memory: 2 KB.", [75, 80, 90]),
        ("// Rung.\n// Architecture: sm_80.", [80, 90]),
        ("// Architecture: sm_90a, for wgmma.", [90]),
    ],
)
def test_the_architectures_that_a_comment_names(line, expected):
    assert resources.architectures_of(line, "x.cu") == expected


def test_a_file_that_names_no_architecture():
    with pytest.raises(InputError, match=r"x.cu: its first comment has no line: // Architecture"):
        resources.architectures_of("// Fast.", "x.cu")


@pytest.mark.parametrize(
    ("use", "complaint"),
    [
        (Use("matmul_shared_tile", 33, 2048, 0), "33 registers, 32 in resources.json"),
        (Use("matmul_shared_tile", 32, 2052, 0), "2052 bytes of shared memory, 2048 in"),
        (Use("matmul_shared_tile", 32, 2048, 4), "4 bytes of registers are spilled to memory"),
        (Use("matmul_new", 1, 2048, 0), "matmul_new is not in resources.json; --write"),
    ],
)
def test_what_is_worse_is_named(use, complaint):
    assert resources.complaints(JOB, GOOD, TABLE) == []
    (found,) = resources.complaints(JOB, [use], TABLE)
    assert found.startswith("matmul/03_shared_tile.cu sm_90")
    assert complaint in found


def test_what_is_better_is_no_complaint():
    assert resources.complaints(JOB, [Use("matmul_shared_tile", 30, 2048, 0)], TABLE) == []


def test_what_a_comment_says_of_shared_memory():
    assert resources.said_of_shared("// Shared memory: 16.5 KB.", "") == 16896
    assert resources.said_of_shared("// Shared memory: 1 KB + 32 K bytes.", "") == 1024 + 32 * 64
    wide = resources.said_of_shared("// Shared memory: 1 KB + 32 K bytes.", "HEAD_WIDTH=128")
    assert wide == 1024 + 32 * 128
    assert resources.said_of_shared("// Nothing.", "") is None


def test_a_comment_that_says_something_else_is_named():
    """The comment is about one of a matrix product's layouts."""
    turned = Job(JOB.file, 90, "TRANSPOSED_A=1")
    assert resources.false_comments({JOB: GOOD, turned: [Use("x", 9, 1024, 0)]}) == []
    for shared in (1024, 4096):
        (found,) = resources.false_comments({JOB: [Use("x", 32, shared, 0)]})
        wanted = f"{JOB.file}: its comment says 2048 bytes of shared memory, not {shared}"
        assert found == wanted


def test_the_table_is_written_as_it_is_read():
    jobs = {JOB: GOOD, Job("a/01_b.cu", 80, "X=1"): [Use("b", 1, 2, 0), Use("c", 3, 4, 0)]}
    text = resources.written(jobs)
    assert json.loads(text) == {**TABLE, "a/01_b.cu sm_80 X=1": {"b": [1, 2], "c": [3, 4]}}
    assert len(text.splitlines()) == 4


def test_the_table_has_every_rung():
    """Without NVRTC too: a new rung, or one that is gone, needs --write."""
    assert set(resources.read_table()) == {str(job) for job in resources.jobs()}


def test_wrong_words_print_how_it_is_used(capsys):
    assert resources.main(["--wrote"]) == 2
    assert "--write" in capsys.readouterr().err


def test_without_nvrtc_a_sentence_says_how_to_get_it(monkeypatch, tmp_path, capsys):
    monkeypatch.setenv(nvrtc.VARIABLE, str(tmp_path))
    assert resources.main([]) == 2
    assert "pip install nvidia-cuda-nvrtc" in capsys.readouterr().err


def test_a_rung_compiles(compiler):
    """One of them, quickly; python -m tinyvlm.kernels.resources compiles them all."""
    uses = resources.compile_job(compiler, JOB)
    assert resources.complaints(JOB, uses, resources.read_table()) == []


def test_a_compile_error_has_the_files_own_line(compiler):
    with pytest.raises(
        nvrtc.NvrtcError, match=r'my.cu\(2\): error: identifier "flout" is undefined'
    ):
        compiler.compile("\n__global__ void f() { flout x; }", "my.cu", ["-arch=sm_80"])


@pytest.mark.parametrize("architecture", [80, 90])
def test_the_wrappers_of_ptx_compile(compiler, architecture):
    """What the emulator runs as C++ is PTX that NVIDIA's compiler takes."""
    file = Path(__file__).parent / "emulator" / "tensor_cores.cu"
    options = [f"-arch=sm_{architecture}", f"-I{resources.FOLDER}"]
    log = compiler.compile(file.read_text(encoding="utf-8"), file.name, options)
    kernels = {use.kernel: use for use in resources.read_log(log)}
    assert {"mma_by_ldmatrix", "sum_in_flight", "wmma_bfloat16"} <= set(kernels)
    assert not any(use.spilled for use in kernels.values())
