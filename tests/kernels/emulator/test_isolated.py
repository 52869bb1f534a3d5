"""A child process runs the kernel: its results come back, and a crash is a sentence."""

from pathlib import Path

import numpy as np
import pytest

from tinyvlm.errors import InputError
from tinyvlm.kernels.emulator import CompileError, KernelMistake, run_isolated

pytestmark = pytest.mark.usefixtures("kernel_cache")

PLANTED = Path(__file__).parent / "planted.cu"
FEATURES = Path(__file__).parent / "features.cu"


def test_results_come_back_in_place():
    x = np.arange(150, dtype=np.int32) % 4
    counts, total = np.zeros(5, np.int32), np.zeros(1, np.float32)
    run_isolated(FEATURES, "histogram", (3,), (64,), (x, counts, total, np.int32(150)))
    np.testing.assert_array_equal(counts, [38, 38, 37, 37, 3])
    assert total[0] == 75


def test_an_array_given_twice_stays_one():
    x = np.arange(32, dtype=np.float32)
    run_isolated(FEATURES, "double_by_four", (1,), (8,), (x, x))
    np.testing.assert_array_equal(x, 2 * np.arange(32))


def test_check_mode_is_the_default_and_its_report_is_whole():
    y = np.zeros(64, np.float32)
    with pytest.raises(KernelMistake) as caught:
        run_isolated(PLANTED, "shared_overrun", (1,), (64,), (y,))
    assert caught.value.kind == "out of bounds"
    assert caught.value.place.thread == (63, 0, 0)
    assert str(caught.value).startswith("planted.cu:")
    assert not y.any()


def test_a_crash_takes_only_the_child_down():
    with pytest.raises(
        KernelMistake, match="ended its process with SIGSEGV; check=True names"
    ) as caught:
        run_isolated(PLANTED, "wild_pointer", (1,), (64,), (np.zeros(64, np.float32),), check=False)
    assert caught.value.kind == "crash"


def test_other_errors_travel_too():
    y = np.zeros(64, np.float32)
    with pytest.raises(CompileError, match=r"kernel.cu:1:\d+: error: ") as caught:
        run_isolated("nonsense here;", "none", (1,), (1,), (y,))
    assert "nonsense" in caught.value.output
    with pytest.raises(InputError, match="has no kernel 'none'"):
        run_isolated(PLANTED, "none", (1,), (1,), (y,))
    with pytest.raises(KernelMistake, match="a Python int travels as int64"):
        run_isolated(PLANTED, "return_before_barrier", (1,), (64,), (y, y, 3))
