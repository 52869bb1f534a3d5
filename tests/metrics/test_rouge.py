"""ROUGE-L on captions worked out by hand; tests/oracle compares it with the COCO caption scorer."""

from itertools import combinations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tinyvlm.metrics.rouge import longest_common_subsequence, rouge_l


def one(candidate, *references):
    return rouge_l([candidate], [references])[0]


def test_by_hand():
    """Golden value of pycocoevalcap; 5 of 6 words and 5 of 8 have beta 1.2 between them."""
    reference = "a red circle is on the top left"
    assert one("a red big circle on top", reference, "circle") == pytest.approx(0.924242, abs=1e-6)
    expected = 2.44 * (5 / 6) * (5 / 8) / (5 / 8 + 1.44 * 5 / 6)
    assert one("a red big circle on top", reference) == pytest.approx(expected)


def test_the_best_precision_and_recall_may_be_of_two_references():
    """Precision 1 by the long reference, recall 1 by the short one: together 1."""
    assert one("a b", "a c b", "b") == 1
    assert one("a b", "a c b") < 0.9
    assert one("a b", "b") < 0.9


def test_order_counts_and_gaps_do_not():
    assert one("a b c d", "a x b c y d", "a b c d e") > one("d c b a", "a b c d")
    assert one("a b", "c d") == 0


def test_empty_sentences_are_one_empty_word():
    """A quirk of the COCO scorer: two empty sentences are the same sentence."""
    assert one("", "") == 1
    assert one("", "a b") == one("a b", "") == 0


def test_the_mean_and_the_order_of_pictures():
    total, each = rouge_l(["a b", "c"], [["a b"], ["d"]])
    assert total == 0.5
    np.testing.assert_array_equal(each, [1, 0])
    np.testing.assert_array_equal(rouge_l(["c", "a b"], [["d"], ["a b"]])[1], [0, 1])


words = st.lists(st.sampled_from("abc"), max_size=6)


@given(words, words)
def test_the_longest_common_subsequence_is_the_longest_of_all(a, b):
    """The twin: try every selection of places."""

    def selections(sentence):
        n = len(sentence)
        places = [p for k in range(n + 1) for p in combinations(range(n), k)]
        return {tuple(sentence[i] for i in p) for p in places}

    longest = max(map(len, selections(a) & selections(b)))
    assert longest_common_subsequence(a, b) == longest
