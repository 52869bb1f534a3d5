"""Run lengths: small masks by hand, both ways, and counts that fit no mask."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from tinyvlm.datasets import rle
from tinyvlm.errors import InputError

MASKS = arrays.arrays(bool, arrays.array_shapes(min_dims=2, max_dims=2, min_side=0, max_side=9))


def test_columns_come_first_and_zeros_come_first():
    mask = np.array([[0, 1, 1], [0, 0, 1]])
    assert rle.encode(mask) == [2, 1, 1, 2]
    assert rle.encode(1 - mask) == [0, 2, 1, 1, 2]
    np.testing.assert_array_equal(rle.decode([2, 1, 1, 2], 2, 3), mask)
    assert rle.decode([6], 2, 3).sum() == 0
    assert rle.decode([0, 6], 2, 3).sum() == 6


def test_strings_by_hand():
    """5 bits and a sign: 15 is one group, 16 needs two. The fourth is a difference to the second:
    3 - 16 = -13, in 5 bits 19."""
    assert rle.to_string([15]) == chr(48 + 15)
    assert rle.to_string([16]) == chr(48 + 32 + 16) + chr(48)
    assert rle.to_string([1, 16, 2, 3]) == "1" + "`0" + "2" + chr(48 + 19)
    assert rle.from_string("1`02C").tolist() == [1, 16, 2, 3]
    assert rle.from_string("").tolist() == []


@given(MASKS)
def test_there_and_back(mask):
    counts = rle.encode(mask)
    np.testing.assert_array_equal(rle.decode(counts, *mask.shape), mask)
    assert rle.from_string(rle.to_string(counts)).tolist() == counts
    assert all(counts[1:]), "only the first run may be empty"


@given(st.lists(st.integers(0, 1 << 40), max_size=30))
def test_strings_of_any_counts(counts):
    assert rle.from_string(rle.to_string(counts)).tolist() == counts


@given(st.text(max_size=30))
def test_any_text_is_counts_or_refused(text):
    try:
        counts = rle.from_string(text)
    except InputError as error:
        assert str(error).isprintable()
    else:
        assert rle.from_string(rle.to_string(counts.tolist())).tolist() == counts.tolist()


@pytest.mark.parametrize(
    "counts",
    [
        [5],
        [7],
        [-1, 7],
        [3, 2.0, 1],
        ["6"],
        [[6]],
        [[1], [2, 3]],
        [1 << 70],
        [1 << 62] * 4,
        None,
        "6",
        {"a": 6},
    ],
)
def test_counts_that_do_not_fill_the_mask(counts):
    with pytest.raises(InputError, match="counts") as error:
        rle.decode(counts, 2, 3)
    assert str(error.value).isprintable()


@pytest.mark.parametrize("text", ["/", "p", "`", "1P", "é", "`" * 12 + "1"])
def test_strings_that_are_none(text):
    with pytest.raises(InputError, match="no compressed run lengths"):
        rle.from_string(text)


def test_a_mask_of_any_claimed_size_is_not_made():
    with pytest.raises(InputError, match="more than 64,000,000 pixels"):
        rle.decode([10**12], 10**6, 10**6)


def test_encode_takes_a_mask():
    with pytest.raises(ValueError, match=r"mask must be \(Y, X\)"):
        rle.encode(np.zeros((1, 2, 3)))
