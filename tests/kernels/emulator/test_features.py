"""Shuffles, votes, atomics, vectors, 16-bit floats: results against NumPy, in both modes."""

from pathlib import Path

import numpy as np
import pytest

from tinyvlm.errors import InputError
from tinyvlm.kernels.emulator import EmulatedModule
from tinyvlm.kernels.emulator.bfloat16 import from_bits, to_bits

pytestmark = pytest.mark.usefixtures("kernel_cache")

FEATURES = Path(__file__).parent / "features.cu"
rng = np.random.default_rng(0)


@pytest.fixture(
    scope="module", params=["fast", "fast, last thread first", "fast, shuffled", "check"]
)
def module(request):
    order = {"fast, last thread first": 1, "fast, shuffled": 5}.get(request.param, 0)
    return EmulatedModule(FEATURES, check=request.param == "check", thread_order=order)


def test_shuffles(module):
    x = rng.standard_normal(32).astype(np.float32)
    y = np.zeros((32, 3), np.float32)
    module.get_function("sum_by_shuffles")((1,), (32,), (x, y))
    np.testing.assert_allclose(y[:, 0], x.sum(), rtol=1e-5)
    np.testing.assert_array_equal(y[:, 1], x.reshape(-1, 2)[:, ::-1].ravel())
    before = x.reshape(-1, 8)[:, [0, 0, 1, 2, 3, 4, 5, 6]].ravel()
    np.testing.assert_array_equal(y[:, 2], before)


def test_votes_of_a_whole_and_a_partial_warp(module):
    for threads in (32, 20):
        x = np.array([1, 0, 1, 1] * 8, np.int32)
        y = np.zeros(4, np.uint32)
        module.get_function("votes")((1,), (threads,), (x, y))
        assert y[0] == sum(1 << i for i in range(threads) if x[i])
        np.testing.assert_array_equal(y[1:], [0, 1, x[:threads].sum()])


def test_matches_and_sums_of_a_warp(module):
    x = (np.arange(32, dtype=np.int32) * 7) % 5 + 2
    y = np.zeros(193, np.int32)
    module.get_function("more_collectives")((1,), (32,), (x, y))
    same = (x[:, None] == x).astype(np.uint64) @ (1 << np.arange(32, dtype=np.uint64))
    np.testing.assert_array_equal(y[:32].view(np.uint32), same)
    np.testing.assert_array_equal(y[32:64], 0)  # not all are equal
    np.testing.assert_array_equal(y[64:96], 0)  # all are: 0xffffffff + 1
    np.testing.assert_array_equal(y[96:128], x.sum())
    np.testing.assert_array_equal(y[128:160], x.min() + 100 * x.max())
    bits = [f.reduce(x) for f in (np.bitwise_or, np.bitwise_and, np.bitwise_xor)]
    np.testing.assert_array_equal(y[160:192], bits[0] + 100 * bits[1] + 10000 * bits[2])
    assert y[192] == 32


def test_half_a_warp_with_a_mask_of_its_own(module):
    x = rng.standard_normal(32).astype(np.float32)
    y = np.zeros_like(x)
    module.get_function("halves_apart")((1,), (32,), (x, y))
    odd = np.arange(1, 32, 2)
    np.testing.assert_array_equal(y[odd], x[odd ^ 2])
    np.testing.assert_allclose(y[::2], x[::2].sum(), rtol=1e-5)


def test_counting_at_a_barrier(module):
    x = np.arange(40, dtype=np.int32) % 4
    for value in (x, np.zeros(40, np.int32), x + 1):
        y = np.zeros(40, np.int32)
        module.get_function("counted_at_a_barrier")((1,), (40,), (value, y))
        expected = 100 * (value > 0).sum() + 10 * (value == 3).any() + (value < 4).all()
        np.testing.assert_array_equal(y, expected)


def test_every_atomic_operation(module):
    y = np.array([100, 0, 0, 15, 0, 0, 1], np.int32)
    u, d, l = np.zeros(2, np.uint32), np.zeros(1), np.zeros(1, np.uint64)
    module.get_function("all_atomics")((1,), (10,), (y, u, d, l))
    # t = 0..9 meets bits 0 and 1 of the last three words three times, bits 2 and 3 twice.
    np.testing.assert_array_equal(y, [100 - 45, -9, 5, 0, 15, 0b0011, 3**10])
    np.testing.assert_array_equal(u, [0, 4])  # 0..9 and round; 6 5 4 3 2 1 0 6 5 4 from 0
    assert (d[0], l[0]) == (2.5, 10 << 40)


def test_arithmetic_of_16_bits(module):
    """Each operation rounds once, as NumPy's on float16 does; bfloat16 by its bits."""

    def rounded(value):
        return from_bits(to_bits(np.asarray(value, np.float32)))

    x = rounded(rng.standard_normal(64))
    h = rng.standard_normal((64, 2)).astype(np.float16)
    y, g = np.zeros(64, np.uint16), np.zeros((64, 2), np.float16)
    module.get_function("arithmetic_of_16_bits")((1,), (64,), (to_bits(x), h, y, g))
    total = rounded(rounded(x + rounded(3 * x)) - np.maximum(x, np.float32(0.5)))
    expected = np.where(x < total, rounded(x * total - x), rounded(total / x))
    np.testing.assert_array_equal(from_bits(y), expected)
    pair = h * np.float16(2)
    exact = pair.astype(np.float32) * h.astype(np.float32) + pair[:, ::-1].astype(np.float32)
    np.testing.assert_array_equal(g, exact.astype(np.float16))


def test_loads_and_stores_past_a_cache(module):
    x = rng.standard_normal(32).astype(np.float32)
    y, l = np.zeros((32, 2), np.float32), np.zeros((32, 2), np.int64)
    module.get_function("caches")((1,), (32,), (x, y, l))
    np.testing.assert_array_equal(y, np.stack([2 * x, x], axis=1))
    np.testing.assert_array_equal(l, np.stack([np.arange(32), np.full(32, 3)], axis=1))


def test_atomics_across_blocks(module):
    x = rng.integers(0, 4, 150).astype(np.int32)
    counts, total = np.zeros(5, np.int32), np.zeros(1, np.float32)
    args = (x, counts, total, np.int32(len(x)))
    module.get_function("histogram")((3,), (64,), args)
    np.testing.assert_array_equal(counts, [*np.bincount(x, minlength=4), 3])
    assert total[0] == 75


def test_float4_takes_a_float32_array(module):
    x = rng.standard_normal(32).astype(np.float32)
    y = np.zeros_like(x)
    module.get_function("double_by_four")((1,), (8,), (x, y))
    np.testing.assert_array_equal(y, 2 * x)


def test_16_bit_floats_round_as_numpy_and_the_hardware_do(module):
    x = np.concatenate([rng.standard_normal(500), rng.standard_normal(500) * 1e-6]).astype(
        np.float32
    )
    special = [
        0.0,
        -0.0,
        1.00390625,
        65504,
        65519,
        65520,
        1e30,
        np.inf,
        -np.inf,
        6e-8,
        2.9e-8,
        1e-30,
    ]
    x[: len(special)] = special
    bits, halves = np.zeros(1000, np.uint16), np.zeros(1000, np.float16)
    y = np.zeros((1000, 2), np.float32)
    module.get_function("through_16_bits")((1,), (1000,), (x, bits, halves, y))
    with np.errstate(over="ignore"):
        expected = x.astype(np.float16)
    np.testing.assert_array_equal(halves.view(np.uint16), expected.view(np.uint16))
    np.testing.assert_array_equal(y[:, 1], expected.astype(np.float32))
    wide = x.view(np.uint32).astype(np.uint64)
    rounded = ((wide + 0x7FFF + (wide >> 16 & 1)) >> 16).astype(np.uint16)
    np.testing.assert_array_equal(bits, rounded)
    np.testing.assert_array_equal(y[:, 0].view(np.uint32), rounded.astype(np.uint32) << 16)


def test_dynamic_shared_memory(module):
    x = rng.standard_normal(48).astype(np.float32)
    y = np.zeros_like(x)
    kernel = module.get_function("reverse_in_dynamic_shared")
    kernel((1,), (48,), (x, y), shared_mem=48 * 4)
    np.testing.assert_array_equal(y, x[::-1])


def test_three_dimensions_and_an_include(module):
    y = np.zeros((2 * 3 * 1, 4 * 2 * 3), np.int32)
    module.get_function("coordinates")((2, 3, 1), (4, 2, 3), (y,))
    block, thread = np.indices(y.shape)
    np.testing.assert_array_equal(y, 100 * thread + 10 * block + 7)


def test_neighbouring_bytes_are_no_race(module):
    y = np.zeros(64, np.uint8)
    module.get_function("bytes_side_by_side")((1,), (64,), (y,))
    np.testing.assert_array_equal(y, np.arange(64)[::-1])


def test_a_template_is_no_kernel(module):
    with pytest.raises(
        InputError, match=r"features.cu has no kernel 'no_kernel_by_itself'; it has: "
    ):
        module.get_function("no_kernel_by_itself")


def test_an_array_given_twice_is_one_memory(module):
    x = np.arange(32, dtype=np.float32)
    module.get_function("double_by_four")((1,), (8,), (x, x))
    np.testing.assert_array_equal(x, 2 * np.arange(32))
    part = np.arange(40, dtype=np.float32)
    module.get_function("double_by_four")((1,), (8,), (part[:32], part[:32]))
    np.testing.assert_array_equal(part, [*range(0, 64, 2), *range(32, 40)])
