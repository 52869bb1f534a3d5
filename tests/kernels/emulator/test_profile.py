"""The profile's numbers, on kernels where they are known by hand (requests.cu)."""

import re
from pathlib import Path

import numpy as np
import pytest

from tinyvlm.kernels.emulator import EmulatedModule, KernelMistake, profile, run_isolated

pytestmark = pytest.mark.usefixtures("kernel_cache")

REQUESTS = Path(__file__).parent / "requests.cu"
MARK = re.compile(r"// \[(?:(\d+) sectors|(\d+) turns / (\d+))\]$")
TWO_WARPS = {"coalesced", "strided", "half_a_warp"}
WHOLE_BLOCK = {"column", "column_of_a_padded_tile", "one_word_for_all"}


def marks():
    """kernel -> {line: (sectors, turns, least turns)}, read from the marks in requests.cu."""
    found, kernel = {}, None
    for number, line in enumerate(REQUESTS.read_text(encoding="utf-8").splitlines(), start=1):
        if match := re.search(r"__global__ void (\w+)", line):
            kernel = match.group(1)
            found[kernel] = {}
        if match := MARK.search(line):
            found[kernel][number] = tuple(int(n or 0) for n in match.groups())
    return found


MARKS = marks()


@pytest.fixture(scope="module")
def module():
    return EmulatedModule(REQUESTS, check=True)


def profiled(module, name):
    threads = 1024 if name in WHOLE_BLOCK else 64 if name in TWO_WARPS else 32
    kernel = module.get_function(name)
    dtype = {"b2": np.uint16, "u1": np.uint8, "i4": np.int32}
    args = [np.zeros(4096, dtype.get(p.element, np.float32)) for p in kernel.parameters]
    return kernel.profile((1,), (threads,), args), threads // 32


def test_the_marks_are_really_read():
    assert len(MARKS) == 14
    assert all(MARKS.values())


@pytest.mark.parametrize("name", MARKS)
def test_the_numbers_known_by_hand(module, name):
    rows, warps = profiled(module, name)
    by_line = {row.line: row for row in rows}
    for line, (sectors, turns, least) in MARKS[name].items():
        row = by_line[line]
        assert row.file == "requests.cu"
        per_request = (row.sectors, row.turns, row.least_turns)
        expected = tuple(n * row.requests for n in (sectors, turns, least))
        assert per_request == expected, row
        if name != "a_quarter_at_a_time":
            assert row.requests in (1, warps), row


def test_what_a_row_says(module):
    rows, _ = profiled(module, "strided")
    load, store = rows
    assert (load.what, load.array, load.requests) == ("global load", "x", 2)
    assert (load.sectors_per_request, load.used) == (32, 4 / 32)
    assert (store.what, store.array, store.sectors_per_request) == ("global store", "y", 1)
    read = profiled(module, "column")[0][1]
    assert (read.what, read.array, read.conflict_degree) == ("shared load", "s", 32)
    assert profiled(module, "column_of_a_padded_tile")[0][1].conflict_degree == 1


def test_lanes_are_put_together_again_after_each_collective(module):
    """Every lane reads once, but in four different steps: four requests of 8 lanes, not one."""
    row = next(r for r in profiled(module, "a_quarter_at_a_time")[0] if r.array == "x")
    assert (row.requests, row.bytes, row.sectors) == (4, 4 * 32, 16)


def test_a_view_starts_where_it_starts_on_a_gpu(module):
    """32 floats that begin 4 bytes into an allocation touch 5 sectors, wherever NumPy put them."""
    for offset, sectors in ((0, 4), (1, 5), (8, 4), (9, 5)):
        memory = np.zeros(100, np.float32)
        x, y = memory[offset : offset + 32], np.zeros(32, np.float32)
        rows = module.get_function("coalesced").profile((1,), (32,), (x, y))
        assert [row.sectors for row in rows] == [sectors, 4]


def test_a_profile_runs_the_kernel_and_checks_it(module):
    x, y = np.arange(32, dtype=np.float32), np.zeros(32, np.float32)
    module.get_function("coalesced").profile((1,), (32,), (x, y))
    np.testing.assert_array_equal(y, x)
    with pytest.raises(KernelMistake, match="out of bounds"):
        module.get_function("coalesced").profile((2,), (32,), (x, y))


def test_every_launch_counts_for_itself(module):
    first, again = (profiled(module, "column")[0] for _ in range(2))
    assert first == again


def test_blocks_add_up(module):
    x, y = np.zeros(256, np.float32), np.zeros(256, np.float32)
    rows = module.get_function("coalesced").profile((4,), (64,), (x, y))
    assert [(row.requests, row.sectors) for row in rows] == [(8, 32)] * 2


def test_fast_mode_has_no_profile():
    kernel = EmulatedModule(REQUESTS).get_function("coalesced")
    with pytest.raises(ValueError, match="check=True"):
        kernel.profile((1,), (32,), (np.zeros(32, np.float32),) * 2)


def test_the_table(module):
    text = profile.table(profiled(module, "column")[0])
    lines = [line.split() for line in text.splitlines()]
    assert lines[0][:5] == ["line", "what", "array", "requests", "sectors/request"]
    line = min(MARKS["column"]) + 2
    assert lines[2] == f"requests.cu:{line} shared load s 32 32-way".split()
    assert lines[3] == f"requests.cu:{line + 1} global store y 32 4 100%".split()


def test_in_a_child_process(module):
    x, y = np.arange(32, dtype=np.float32), np.zeros(32, np.float32)
    rows = run_isolated(REQUESTS, "coalesced", (1,), (32,), (x, y), profile=True)
    assert rows == module.get_function("coalesced").profile((1,), (32,), (x, y))
    np.testing.assert_array_equal(y, x)
