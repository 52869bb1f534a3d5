"""mma.sync, ldmatrix, cp.async and wmma, against NumPy on the rounded inputs."""

from pathlib import Path

import numpy as np
import pytest

from tinyvlm.kernels.emulator import EmulatedModule, profile
from tinyvlm.kernels.emulator.bfloat16 import from_bits, to_bits

pytestmark = pytest.mark.usefixtures("kernel_cache")

SOURCE = Path(__file__).parent / "tensor_cores.cu"
WARP = ((1,), (32,))
EXACT = 2e-6  # products of bfloat16 are exact in float32; what is left is the order of 16 additions


@pytest.fixture(scope="module", params=["fast", "fast, shuffled", "check"])
def module(request):
    order = {"fast, shuffled": 3}.get(request.param, 0)
    return EmulatedModule(SOURCE, check=request.param == "check", thread_order=order)


def numbers(*shape, seed=0):
    """Random values as bfloat16 bits, and what the bits stand for."""
    bits = to_bits(np.random.default_rng(seed).standard_normal(shape))
    return bits, from_bits(bits).astype(np.float64)


def test_mma_in_the_layout_of_the_header(module):
    """Catches a register or a lane that stands for another element."""
    a_bits, a = numbers(16, 16)
    b_bits, b = numbers(8, 16, seed=1)
    c = np.random.default_rng(2).standard_normal((16, 8)).astype(np.float32)
    expected = c + a @ b.T
    module.get_function("mma_by_hand")(*WARP, (a_bits, b_bits, c))
    np.testing.assert_allclose(c, expected, atol=EXACT * 16)


def test_registers_of_ldmatrix(module):
    """Register n of lane 4 g + m: columns 2m, 2m+1 of row g of matrix n; transposed, the rows."""
    x = np.arange(256, dtype=np.uint16).reshape(32, 8)
    y = np.zeros((4, 32, 4), np.uint32)
    module.get_function("registers_of_ldmatrix")(*WARP, (x, y))
    matrices = x.reshape(4, 8, 8)
    for transposed in (0, 1):
        for lane in range(32):
            g, m = divmod(lane, 4)
            for n in range(4):
                matrix = matrices[n].T if transposed else matrices[n]
                low, high = (int(value) for value in matrix[g, 2 * m : 2 * m + 2])
                assert y[transposed, lane, n] == low | high << 16
                assert y[2 + transposed, lane, n] == (low | high << 16 if n < 2 else 0)


def test_a_product_by_ldmatrix_and_cp_async(module):
    a_bits, a = numbers(16, 16)
    b_bits, b = numbers(16, 16, seed=1)
    c = np.full((16, 16), np.nan, np.float32)
    module.get_function("mma_by_ldmatrix")(*WARP, (a_bits, b_bits, c))
    np.testing.assert_allclose(c, a @ b, atol=EXACT * 16)


@pytest.mark.parametrize("n", [1, 2, 5])
def test_two_copies_in_flight(module, n):
    x = np.random.default_rng(0).standard_normal((n, 128)).astype(np.float32)
    y = np.zeros(128, np.float32)
    module.get_function("sum_in_flight")(*WARP, (x, y, np.int32(n)))
    np.testing.assert_allclose(y, x.sum(axis=0), atol=1e-6)


def test_what_lies_outside_arrives_as_zero(module):
    x, y = np.arange(1, 50, dtype=np.float32), np.full(64, np.nan, np.float32)
    module.get_function("padded")((1,), (64,), (x, y, np.int32(49)))
    np.testing.assert_array_equal(y[::-1], [*x, *[0] * 15])


def test_wmma_of_bfloat16(module):
    a_bits, a = numbers(16, 32)
    b_bits, b = numbers(16, 32, seed=1)
    c = np.random.default_rng(2).standard_normal((16, 16)).astype(np.float32)
    expected = 2 * (c + a @ b.T)
    module.get_function("wmma_bfloat16")(*WARP, (a_bits, b_bits, c))
    np.testing.assert_allclose(c, expected, atol=EXACT * 64)


def test_wmma_of_half(module):
    """The accumulator lies column after column here."""
    rng = np.random.default_rng(0)
    a, b = rng.standard_normal((2, 16, 32)).astype(np.float16)
    c = rng.standard_normal((16, 16)).astype(np.float32)
    expected = 2 * (c.T + a.astype(np.float64) @ b.T.astype(np.float64))
    module.get_function("wmma_half")(*WARP, (a, b, c))
    np.testing.assert_allclose(c.T, expected, atol=EXACT * 64)


def test_wmma_of_another_shape(module):
    a_bits, a = numbers(16, 8)
    b_bits, b = numbers(16, 32, seed=1)
    c = np.full((8, 32), np.nan, np.float32)
    module.get_function("wmma_wide")(*WARP, (a_bits, b_bits, c))
    np.testing.assert_allclose(c, a.T @ b, atol=EXACT * 16)


def test_the_profile_of_ldmatrix_and_cp_async():
    """Rows of 48 bytes: eight of them, 16 bytes each, meet in no bank. A copy is one request to
    each memory, and counts once."""
    a, b = numbers(16, 16)[0], numbers(16, 16, seed=1)[0]
    kernel = EmulatedModule(SOURCE, check=True).get_function("mma_by_ldmatrix")
    rows = kernel.profile(*WARP, (a, b, np.zeros((16, 16), np.float32)))
    found = {(row.what, row.array): row for row in rows}
    load = found["shared load", "tile_a"]
    assert (load.requests, load.turns, load.conflict_degree) == (1, 4, 1)
    copy = found["global load", "a"], found["shared store", "tile_a"]
    assert [row.requests for row in copy] == [1, 1]
    assert copy[0].line == copy[1].line
    assert (copy[0].sectors, copy[0].used) == (16, 1)
    assert profile.table(rows)
