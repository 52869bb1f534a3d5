"""The ladder's kernels on the emulator: odd sizes, three thread orders, check mode."""

from pathlib import Path

import numpy as np
import pytest

import tinyvlm
from tinyvlm.kernels.emulator import EmulatedModule, KernelMistake

pytestmark = pytest.mark.usefixtures("kernel_cache")

LADDER = Path(tinyvlm.__file__).parent / "kernels" / "matmul"
BLOCKS = {  # file -> block, and which axis of C its x counts
    "01_naive": ((16, 16), "rows"),
    "02_coalesced": ((32, 8), "columns"),
    "03_shared_tile": ((16, 16), "columns"),
}
SIZES = [(1, 1, 1), (17, 1, 33), (16, 32, 16), (33, 47, 21), (5, 70, 1)]
MODES = {"fast": {}, "last thread first": {"thread_order": 1}, "shuffled": {"thread_order": 7}}
MODES["check"] = {"check": True}


def run(rung, A, B, C, **mode):
    (I, K), J = A.shape, B.shape[1]
    block, x_counts = BLOCKS[rung]
    x, y = (I, J) if x_counts == "rows" else (J, I)
    grid = (-(-x // block[0]), -(-y // block[1]))
    kernel = EmulatedModule(LADDER / f"{rung}.cu", **mode).get_function(f"matmul_{rung[3:]}")
    kernel(grid, block, (A, B, C, np.int32(I), np.int32(J), np.int32(K)))


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("rung", BLOCKS)
def test_rung(rung, mode):
    """The bound on the error is that of a sum of K rounded float32 products."""
    rng = np.random.default_rng(0)
    for I, J, K in SIZES:
        A = rng.standard_normal((I, K), np.float32)
        B = rng.standard_normal((K, J), np.float32)
        C = np.full((I, J), np.nan, np.float32)
        run(rung, A, B, C, **MODES[mode])
        exact = A.astype(np.float64) @ B
        bound = 4 * 2.0**-24 * np.sqrt(K) * (abs(A).astype(np.float64) @ abs(B)).max()
        assert abs(C - exact).max() <= bound, (I, J, K)


BREAKS = {  # what is taken out of 03_shared_tile -> the kind of mistake that has to be named
    "first barrier": ("__syncthreads();  // the tiles", "// the tiles", "uninitialised"),
    "second barrier": ("__syncthreads();  // and everyone", "// and everyone", "race"),
    "bound of A": ("i < I && start + x < K;", "start + x < K;", "out of bounds"),
    "bound of B": ("start + y < K && j < J;", "start + y < K;", "out of bounds"),
    "bound of C": ("if (i < I && j < J) C[", "if (i < I) C[", "race"),
    "early return": ("float sum", "if (j >= J) return;\n    float sum", "barrier"),
}


@pytest.mark.parametrize("part", BREAKS)
def test_a_broken_shared_tile_is_named(part):
    """Check mode is silent about the rung because it is right, not because nobody looks."""
    before, after, kind = BREAKS[part]
    text = (LADDER / "03_shared_tile.cu").read_text(encoding="utf-8")
    assert text.count(before) == 1
    A, B = np.ones((21, 37), np.float32), np.ones((37, 19), np.float32)
    C = np.zeros((21, 19), np.float32)
    kernel = EmulatedModule(text.replace(before, after), check=True)
    sizes = (np.int32(21), np.int32(19), np.int32(37))
    with pytest.raises(KernelMistake) as caught:
        kernel.get_function("matmul_shared_tile")((2, 2), (16, 16), (A, B, C, *sizes))
    assert caught.value.kind == kind, str(caught.value)


def test_every_rung_is_tested():
    assert {path.stem for path in LADDER.glob("*.cu")} == set(BLOCKS)


@pytest.mark.parametrize("rung", BLOCKS)
def test_each_rung_opens_with_what_a_reader_needs(rung):
    text = (LADDER / f"{rung}.cu").read_text(encoding="utf-8")
    opening = text[: text.index('extern "C"')]
    for word in ("Improves on:", "Launch:", "Architecture:", "A (I, K)"):
        assert word in opening, word
