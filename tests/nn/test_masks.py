"""Masks as ranks: every rule of who may look at whom, against its description."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as np_st

from tinyvlm.nn.masks import HIDDEN, Mask


def text(dense):
    """A mask as rows of letters, one a query: x where it may look."""
    return [" ".join("x" if seen else "." for seen in row) for row in dense]


def test_causal():
    assert text(Mask.causal(3).dense()[0]) == ["x . .", "x x .", "x x x"]


def test_a_mask_is_written_out_once():
    """All blocks of a model read one array; a mask that is replaced has its own."""
    mask = Mask.causal(3)
    assert mask.dense() is mask.dense()
    last = replace(mask, q_rank=mask.q_rank[:, -1:])
    assert text(last.dense()[0]) == ["x x x"]


def test_full_hides_padding_from_and_on_both_sides():
    """Catches padding that is looked at, and padding that looks."""
    present = np.array([[True, True, False], [False, True, True]])
    right, left = Mask.full(present).dense()
    assert text(right) == ["x x .", "x x .", ". . ."]
    assert text(left) == [". . .", ". x x", ". x x"]


def test_prefix_lm():
    """The prefix sees itself whole and nothing of the suffix; the suffix never looks ahead."""
    mask = Mask.prefix_lm(np.array([[False, False, True, True]]))
    assert text(mask.dense()[0]) == ["x x . .", "x x . .", "x x x .", "x x x x"]


def test_prefix_lm_with_padding_on_the_left():
    suffix = np.array([[False, False, True, True]])
    mask = Mask.prefix_lm(suffix, present=np.array([[False, True, True, True]]))
    assert text(mask.dense()[0]) == [". . . .", ". x . .", ". x x .", ". x x x"]


marks_and_present = st.integers(1, 6).flatmap(
    lambda T: st.tuples(
        np_st.arrays(int, (2, T), elements=st.integers(0, 1)), np_st.arrays(bool, (2, T))
    )
)


@given(marks_and_present)
@settings(deadline=None)
def test_marks_mean_what_they_say(drawn):
    """Catches an off-by-one of the cumulative sum: t may look ahead to s unless a token after t,
    up to s, is marked "earlier tokens may not look at me"."""
    marks, present = drawn
    dense = Mask.from_marks(marks, present).dense()
    for b, t, s in np.ndindex(dense.shape):
        allowed = s <= t or not marks[b, t + 1 : s + 1].any()
        assert dense[b, t, s] == (allowed and present[b, t] and present[b, s])


def test_all_marks_are_causal_and_no_marks_are_full():
    ones = np.ones((1, 4), int)
    np.testing.assert_array_equal(Mask.from_marks(ones).dense(), Mask.causal(4).dense())
    np.testing.assert_array_equal(
        Mask.from_marks(0 * ones).dense(), Mask.full(ones.astype(bool)).dense()
    )


def test_decoding_with_a_cache_is_the_last_row_of_causal():
    causal = Mask.causal(5)
    last = Mask(causal.q_rank[:, -1:], causal.k_rank)
    assert text(last.dense()[0]) == ["x x x x x"]
    np.testing.assert_array_equal(last.dense(), causal.dense()[:, -1:])


def test_equal_ranks_look_at_their_own_block():
    """Flamingo's rule: a word looks at the last picture before it; rank 0, before any, at none."""
    words, pictures = np.array([[0, 1, 1, 2]]), np.array([[1, 1, 2]])
    dense = Mask(words, pictures, equal=True).dense()[0]
    assert text(dense) == [". . .", "x x .", "x x .", ". . x"]


def test_one_row_of_ranks_serves_a_batch():
    k_rank = np.array([[0, HIDDEN], [0, 0]], np.int32)
    assert Mask(np.zeros((1, 3), np.int32), k_rank).dense().shape == (2, 3, 2)


@pytest.mark.parametrize(
    "mask",
    [
        Mask.causal(3),
        Mask.full(np.ones((1, 3), bool)),
        Mask.prefix_lm(np.array([[True, False]]), np.array([[True, False]])),
    ],
)
def test_ranks_are_int32(mask):
    """Catches ranks a CUDA kernel would read wrongly."""
    assert mask.q_rank.dtype == mask.k_rank.dtype == np.int32
    assert mask.dense().dtype == bool
