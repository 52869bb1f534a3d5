"""Ranks and recalls against cases worked out by hand and a loop over sorted lists."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from tinyvlm.metrics import retrieval

YES, NO = True, False


def test_ranks_by_hand():
    scores = np.array(
        [
            [0.9, 0.5, 0.1],  # the right one is first
            [0.9, 0.5, 0.1],  # ... second
            [-3.0, -2.0, -1.0],  # ... last, and all scores are negative
        ]
    )
    right = np.array([[YES, NO, NO], [NO, YES, NO], [YES, NO, NO]])
    np.testing.assert_array_equal(retrieval.ranks(scores, right), [1, 2, 3])


def test_the_best_of_several_right_answers_counts():
    """Catches a right answer that stands in the way of another one."""
    scores = np.array([[0.9, 0.8, 0.7, 0.6]] * 3)
    right = np.array([[NO, YES, NO, YES], [YES, YES, NO, NO], [NO, NO, YES, YES]])
    np.testing.assert_array_equal(retrieval.ranks(scores, right), [2, 1, 3])


def test_ties_count_against_us():
    """Catches a model that gives everything one score and is called perfect."""
    scores = np.zeros((2, 5))
    right = np.eye(2, 5, dtype=bool)
    np.testing.assert_array_equal(retrieval.ranks(scores, right), [5, 5])
    scores[0, 0] = scores[0, 3] = 1.0  # a tie with one wrong item at the top
    assert retrieval.ranks(scores, right)[0] == 2
    right[0, 3] = YES  # a tie between two right ones is none
    assert retrieval.ranks(scores, right)[0] == 1


def test_a_score_of_minus_infinity_is_last():
    scores = np.array([[-np.inf, 0.0, -np.inf]])
    np.testing.assert_array_equal(retrieval.ranks(scores, np.array([[YES, NO, NO]])), [3])


def test_recall_and_median():
    scores = np.array([[3.0, 2, 1, 0], [3, 2, 1, 0], [3, 2, 1, 0], [3, 2, 1, 0]])
    right = np.eye(4, dtype=bool)  # ranks 1, 2, 3, 4
    recalls = [retrieval.recall_at(k, scores, right) for k in (1, 2, 3, 4, 10)]
    assert recalls == [0.25, 0.5, 0.75, 1.0, 1.0]
    assert retrieval.median_rank(scores, right) == 2.5
    assert isinstance(recalls[0], float)


def test_queries_and_items_need_not_be_equally_many():
    """Text to image is the transpose: here 3 sentences, 2 pictures, two sentences of the first."""
    scores = np.array([[0.9, 0.2, 0.8], [0.1, 0.7, 0.3]])  # (pictures, sentences)
    right = np.array([[YES, NO, YES], [NO, YES, NO]])
    np.testing.assert_array_equal(retrieval.ranks(scores, right), [1, 1])
    np.testing.assert_array_equal(retrieval.ranks(scores.T, right.T), [1, 1, 1])
    right = np.array([[NO, YES, YES], [YES, NO, NO]])
    np.testing.assert_array_equal(retrieval.ranks(scores, right), [2, 3])
    np.testing.assert_array_equal(retrieval.ranks(scores.T, right.T), [2, 2, 1])


def test_wrong_arguments():
    right = np.array([[YES, NO], [NO, NO], [NO, NO]])
    with pytest.raises(ValueError, match="query 1 has no right item"):
        retrieval.ranks(np.zeros((3, 2)), right)
    with pytest.raises(ValueError, match=r"scores \(2, 3\) and right \(3, 2\) differ"):
        retrieval.ranks(np.zeros((2, 3)), right)


@given(arrays.arrays(np.int8, (4, 6), elements=st.integers(0, 3)), st.integers(1, 2**24 - 1))
def test_the_rank_is_the_place_in_a_list_sorted_against_us(scores, bits):
    """The twin: sort the items by falling score, wrong ones first within a tie, and look."""
    right = np.array([bits >> i & 1 for i in range(24)], bool).reshape(4, 6)
    right[:, 0] |= ~right.any(axis=1)
    for query, rank in enumerate(retrieval.ranks(scores.astype(float), right)):
        order = sorted(range(6), key=lambda i: (-scores[query, i], right[query, i]))
        assert rank == 1 + [bool(right[query, i]) for i in order].index(True)


def test_a_score_that_is_not_a_number_is_refused():
    """Catches perfect recall for a model whose weights went to NaN."""
    with pytest.raises(ValueError, match="not a number"):
        retrieval.ranks(np.array([[np.nan, 1.0]]), np.array([[False, True]]))
