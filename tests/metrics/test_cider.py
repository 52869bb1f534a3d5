"""CIDEr and CIDEr-D; tests/oracle compares the latter with the COCO caption scorer."""

import math

import numpy as np
import pytest

from tinyvlm.metrics.cider import cider, cider_d

REFERENCES = [
    ["a red circle left of a star", "there is a red circle"],
    ["a blue square above a cross", "a small blue square"],
]
SAME = [several[0] for several in REFERENCES]


def test_golden_values():
    """Of pycocoevalcap."""
    total, each = cider_d(SAME, REFERENCES)
    assert total == pytest.approx(6.152421, abs=1e-6)
    np.testing.assert_allclose(each, [6.316847, 5.987995], atol=1e-6)
    assert cider_d(SAME[::-1], REFERENCES)[0] == 0


def test_one_picture_alone_scores_nothing():
    """The trap of the docstring: every n-gram is in every picture."""
    assert cider_d(["a red circle"], [["a red circle"]])[0] == 0
    assert cider_d(["a b"] * 3, [["a b"]] * 3)[0] == 0


def test_the_same_caption_is_ten_and_one():
    """With one reference each, of at least four words, and no word in common."""
    references = [["one big red star"], ["two tiny blue dogs"]]
    candidates = [several[0] for several in references]
    assert cider_d(candidates, references)[0] == pytest.approx(10)
    assert cider(candidates, references)[0] == pytest.approx(1)


def test_what_d_adds():
    """Saying the rare word again pays in CIDEr and not in CIDEr-D; too long costs in the latter."""
    references = [["a red star"], ["a blue dog"]]
    once, again = "red thing here", "red red red"
    assert cider([again, ""], references)[0] > cider([once, ""], references)[0]
    assert cider_d([again, ""], references)[0] < cider_d([once, ""], references)[0]


def test_a_missing_reference_word_weighs_as_if_in_one_picture():
    """By hand, unigrams: c = (red, thing) and r = (a 0, red, star) with idf ln 2, so 1 / 2."""
    references = [["a red star"], ["a blue dog"]]
    each = cider_d(["red thing", "x"], references)[1]
    assert each[0] == pytest.approx(10 / 4 * 1 / 2 * math.exp(-1 / 72))


def test_stems_are_the_same_word_in_cider_only():
    references = [["dogs running"], ["blue stars"]]
    assert cider(["dog runs", "blue star"], references)[0] == pytest.approx(0.5)  # of 4 n-grams, 2
    assert cider_d(["dog runs", "red star"], references)[0] == 0


def twin(candidates, references):
    """CIDEr with dense vectors, of words that are their own stems."""
    totals = np.zeros(len(candidates))
    sentences = [*candidates, *(reference for several in references for reference in several)]
    for n in range(1, 5):

        def grams(sentence, n=n):
            words = sentence.split()
            return [" ".join(words[k : k + n]) for k in range(len(words) - n + 1)]

        known = sorted({g for s in sentences for g in grams(s)})

        def vector(sentence, known=known, grams=grams):
            return np.array([grams(sentence).count(g) for g in known], float)

        seen = np.array([np.any([vector(r) for r in several], axis=0) for several in references])
        idf = np.log(len(references) / np.maximum(seen.sum(axis=0), 1))
        for k, (candidate, several) in enumerate(zip(candidates, references, strict=True)):
            c = vector(candidate) * idf
            for reference in several:
                r = vector(reference) * idf
                lengths = np.linalg.norm(c) * np.linalg.norm(r)
                totals[k] += (c @ r / lengths if lengths else 0) / len(several) / 4
    return totals


def test_cider_is_its_dense_twin():
    rng = np.random.default_rng(0)
    words = ["red", "dog", "star", "on", "big", "cat"]

    def draw():
        return " ".join(rng.choice(words, rng.integers(0, 8)))

    for _ in range(20):
        references = [[draw() for _ in range(rng.integers(1, 4))] for _ in range(4)]
        candidates = [draw() for _ in range(4)]
        expected = twin(candidates, references)
        np.testing.assert_allclose(cider(candidates, references)[1], expected, atol=1e-12)


def test_the_order_of_pictures_does_not_count():
    order = [1, 0]
    turned = cider_d([SAME[i] for i in order], [REFERENCES[i][::-1] for i in order])
    np.testing.assert_allclose(turned[1], cider_d(SAME, REFERENCES)[1][order], rtol=1e-12)
