"""BLEU on captions worked out by hand; tests/oracle compares it with the COCO caption scorer."""

import numpy as np
import pytest

from tinyvlm.metrics.bleu import bleu


def one(candidate, *references):
    return bleu([candidate], [references])[0]


def test_by_hand():
    """Golden values of pycocoevalcap: 5 of 6 words, 1 of 5 pairs is right, and r is 8."""
    expected = [0.597109, 0.292523, 2.484e-6, 7.779e-9]
    got = one("a red big circle on top", "a red circle is on the top left")
    np.testing.assert_allclose(got, expected, rtol=1e-3)
    assert got[0] == pytest.approx(5 / 6 * np.exp(1 - 8 / 6))
    assert got[1] == pytest.approx(np.sqrt(5 / 6 * 1 / 5) * np.exp(1 - 8 / 6))


def test_the_same_sentence_is_one():
    np.testing.assert_allclose(one("a red circle on top", "a red circle on top"), 1, rtol=1e-8)


def test_three_words_have_no_four():
    """The trap of the docstring: (1e-15 / 1e-9) ^ 1/4."""
    np.testing.assert_allclose(one("a red circle", "a red circle"), [1, 1, 1, 10**-1.5], rtol=1e-6)


def test_a_word_counts_as_often_as_one_reference_has_it():
    """Catches references whose counts are added up instead."""
    assert one("the the the", "the cat", "the dog")[0] == pytest.approx(1 / 3)
    assert one("the the the", "the cat the", "the dog")[0] == pytest.approx(2 / 3)


def test_the_closest_reference_sets_the_length_and_the_shorter_wins_a_tie():
    assert one("a b c", "a b", "x x x x")[0] == pytest.approx(2 / 3)
    assert one("a b c", "a", "a b c d")[0] == pytest.approx(np.exp(1 - 4 / 3))


def test_a_corpus_is_summed_before_it_is_divided():
    corpus, each = bleu(["a b c d", "x y"], [["a b c d"], ["x z"]])
    assert corpus[0] == pytest.approx(5 / 6)
    np.testing.assert_allclose(each[:, 0], [1, 0.5], rtol=1e-8)
    np.testing.assert_array_equal(each, [one("a b c d", "a b c d"), one("x y", "x z")])


@pytest.mark.parametrize(("candidate", "reference"), [("", "a b"), ("a b", ""), ("", "")])
def test_nothing_scores_nothing(candidate, reference):
    assert one(candidate, reference).max() < 1e-6


def test_the_order_of_pictures_and_references_does_not_count():
    candidates = ["a red star", "a big blue circle on top", "two stars"]
    references = [["a red star", "a star"], ["a blue circle"], ["there are two stars", "stars"]]
    order = [2, 0, 1]
    corpus, each = bleu(candidates, references)
    turned = bleu([candidates[i] for i in order], [references[i][::-1] for i in order])
    np.testing.assert_allclose(turned[0], corpus, rtol=1e-12)
    np.testing.assert_allclose(turned[1], each[order], rtol=1e-12)
