"""Every planted mistake is named: the kind, the line, the thread and the block."""

import re
from pathlib import Path

import numpy as np
import pytest

from tinyvlm.kernels.emulator import EmulatedModule, KernelMistake

pytestmark = pytest.mark.usefixtures("kernel_cache")

PLANTED = Path(__file__).parent / "planted.cu"
X = np.arange(64, dtype=np.float32)
TWO_BLOCKS = ((2,), (64,))
ONE_BLOCK = ((1,), (64,))

# kernel -> (launch, arguments after x and y)
WITH_X = {
    "missing_barrier": (ONE_BLOCK, ()),
    "missing_second_barrier": (ONE_BLOCK, ()),
    "warp_without_sync": (ONE_BLOCK, ()),
    "blocks_without_atomic": (TWO_BLOCKS, ()),
    "return_before_barrier": (ONE_BLOCK, (np.int32(50),)),
    "no_bounds": (TWO_BLOCKS, (np.int32(64),)),
    "read_too_far": (ONE_BLOCK, (np.int32(64),)),
    "misaligned_float4": (ONE_BLOCK, ()),
    "copy_not_waited_for": (ONE_BLOCK, ()),
    "waits_for_too_few": (ONE_BLOCK, ()),
    "never_committed": (ONE_BLOCK, ()),
    "waited_without_barrier": (ONE_BLOCK, ()),
    "refilled_too_early": (ONE_BLOCK, ()),
    "copy_of_odd_rows": (ONE_BLOCK, ()),
    "copy_past_the_end": (ONE_BLOCK, ()),
}
WITHOUT_X = [
    "two_barriers",
    "shared_overrun",
    "half_written",
    "full_mask_in_half_a_warp",
    "collective_left_out",
    "lane_outside_mask",
    "loops_for_ever",
    "waits_for_a_later_block",
    "too_much_shared",
    "wild_pointer",
    "ldmatrix_of_odd_rows",
    "ldmatrix_by_a_wrong_lane",
    "ldmatrix_of_global_memory",
    "mma_in_half_a_warp",
    "wmma_of_odd_rows",
    "wmma_without_sync",
]
OF_INTEGERS = {"waits_for_a_later_block": np.int32} | {
    name: np.uint32 for name in WITHOUT_X if name.startswith("ldmatrix")
}
FOUND_IN_FAST_MODE_TOO = [
    "return_before_barrier",
    "two_barriers",
    "full_mask_in_half_a_warp",
    "collective_left_out",
    "lane_outside_mask",
    "loops_for_ever",
    "waits_for_a_later_block",
    "too_much_shared",
    "mma_in_half_a_warp",
]


def marks():
    """kernel -> (kind, lines), read from the marks in planted.cu."""
    found, kernel = {}, None
    for number, line in enumerate(PLANTED.read_text(encoding="utf-8").splitlines(), start=1):
        if match := re.search(r"__global__ void (\w+)", line):
            kernel = match.group(1)
        if kernel and (match := re.search(r"// \[([a-z ]+)\]$", line)):
            kind, lines = found.get(kernel, (match.group(1), set()))
            found[kernel] = (kind, lines | {number})
    return found


MARKS = marks()


@pytest.fixture(scope="module")
def checked():
    return EmulatedModule(PLANTED, check=True, seconds=0.3)


@pytest.fixture(scope="module")
def fast():
    return EmulatedModule(PLANTED, seconds=0.3)


def mistake_of(module, name):
    (grid, block), more = WITH_X.get(name, (ONE_BLOCK, ()))
    y = np.zeros(64, OF_INTEGERS.get(name, np.float32))
    args = (X, y, *more) if name in WITH_X else (y,)
    with pytest.raises(KernelMistake) as caught:
        module.get_function(name)(grid, block, args)
    if module.check:
        assert not y.any(), "a launch that failed leaves the arrays as they were"
    return caught.value


def lines_of(mistake):
    """A race is told by the lines of both accesses, any other mistake by its own."""
    places = [mistake.place, mistake.other] if mistake.kind == "race" else [mistake.place]
    return {place.line for place in places}


def test_each_kernel_of_the_file_is_tested():
    assert set(MARKS) == {*WITH_X, *WITHOUT_X}
    assert len(MARKS) >= 30


@pytest.mark.parametrize("name", MARKS)
def test_check_mode_names_kind_and_line(checked, name):
    mistake = mistake_of(checked, name)
    assert (mistake.kind, lines_of(mistake)) == MARKS[name], str(mistake)
    assert mistake.place.file == "planted.cu"
    assert 0 <= mistake.place.thread[0] < 64
    assert str(mistake).startswith(f"planted.cu:{mistake.place.line}: {mistake.kind}: ")


@pytest.mark.parametrize("name", FOUND_IN_FAST_MODE_TOO)
def test_fast_mode_names_what_stops_a_block(fast, name):
    mistake = mistake_of(fast, name)
    assert (mistake.kind, lines_of(mistake)) == MARKS[name], str(mistake)


def test_a_race_names_both_accesses(checked):
    mistake = mistake_of(checked, "missing_second_barrier")
    assert "read after write, shared s, byte 124 of 256, no barrier between" in mistake.detail
    assert mistake.other.line == mistake.place.line - 2
    assert mistake.other.thread != mistake.place.thread
    assert mistake.other.block == mistake.place.block == (0, 0, 0)


def test_a_race_across_blocks_names_both_blocks(checked):
    mistake = mistake_of(checked, "blocks_without_atomic")
    assert "argument 2, byte 0 of 256, another block" in mistake.detail
    assert (mistake.other.block, mistake.place.block) == ((0, 0, 0), (1, 0, 0))


def test_an_overrun_names_the_array_and_the_first_thread_outside(checked):
    mistake = mistake_of(checked, "no_bounds")
    assert mistake.detail == "write of 4 bytes, argument 2, byte 256 of 256"
    assert (mistake.place.thread, mistake.place.block) == ((0, 0, 0), (1, 0, 0))
    shared = mistake_of(checked, "shared_overrun")
    assert shared.detail == "write of 4 bytes, shared a, byte 256 of 256"
    assert shared.place.thread == (63, 0, 0)


def test_a_copy_under_way_names_where_it_was_started(checked):
    mistake = mistake_of(checked, "copy_not_waited_for")
    assert (
        mistake.detail
        == "read of 4 bytes, shared s, byte 0 of 1024, while a copy to there is under way"
    )
    assert mistake.other.line == mistake.place.line - 3


def test_a_lane_of_ldmatrix_is_named_by_its_own_row(checked):
    wrong = mistake_of(checked, "ldmatrix_by_a_wrong_lane")
    assert "shared tile, byte 256 of 256" in wrong.detail
    assert wrong.place.thread == (16, 0, 0)
    odd = mistake_of(checked, "ldmatrix_of_odd_rows")
    assert odd.place.thread == (1, 0, 0)
    away = mistake_of(checked, "ldmatrix_of_global_memory")
    assert away.detail == "read from shared memory of 16 bytes, argument 1, byte 0 of 256"


def test_two_barriers_names_both(checked):
    mistake = mistake_of(checked, "two_barriers")
    assert mistake.other.line == mistake.place.line + 3
    assert mistake.other.thread == (32, 0, 0)


def test_a_missing_barrier_shows_in_fast_mode_under_another_order():
    """What check mode names, fast mode shows as results that depend on the order of threads."""
    x = np.arange(1, 65, dtype=np.float32)
    results = []
    for order in range(3):
        y = np.zeros(64, np.float32)
        module = EmulatedModule(PLANTED, thread_order=order)
        module.get_function("missing_second_barrier")(*ONE_BLOCK, (x, y))
        results.append(y)
    assert not np.array_equal(results[0], results[1])


def test_a_launch_after_a_mistake_is_whole(checked):
    """Nothing of a failed launch is left in the runtime."""
    for name in ("half_written", "loops_for_ever", "shared_overrun"):
        mistake_of(checked, name)
    y = np.zeros(50, np.float32)
    checked.get_function("return_before_barrier")((1,), (50,), (X, y, np.int32(50)))
    np.testing.assert_array_equal(y, X[:50][::-1])
