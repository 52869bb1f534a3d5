"""METEOR on captions worked out by hand; tests/oracle compares it with the published program."""

from itertools import permutations, product

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tinyvlm.metrics.meteor import align, meteor


def one(candidate, *references, **more):
    return meteor([candidate], [references], **more)[0]


def f(precision, recall):
    return 1 / (0.15 / precision + 0.85 / recall)


def test_by_hand():
    """dog runs | dog: one pair of two content words and of one; one chunk of one pair."""
    assert one("dog runs", "dog") == pytest.approx(f(1 / 2, 1) * (1 - 0.6))
    assert one("red dog", "dog red") == pytest.approx(1 - 0.6)  # two chunks of two pairs
    expected = f(3 / 4, 1) * (1 - 0.6 * (2 / 3) ** 0.2)
    assert one("big red old dog", "big red dog") == pytest.approx(expected)


def test_the_same_sentence_is_one_and_nothing_in_common_is_zero():
    assert one("a red dog", "a red dog") == 1
    assert one("dogs", "cats") == one("", "a") == one("a", "") == one("", "") == 0


def test_a_function_word_counts_a_third():
    """delta is .75 for a content word and .25 for a function word."""
    assert one("the dog", "the cat") == pytest.approx(0.25 * (1 - 0.6))
    assert one("the dog", "red dog") == pytest.approx(f(0.75, 0.5) * (1 - 0.6))


def test_stems_and_synonyms_are_worth_less():
    assert one("dogs", "dog") == pytest.approx(0.6)
    assert one("dogs", "dog", modules=["exact"]) == 0
    more = {"modules": ("exact", "stem", "synonym"), "synonyms": [{"big", "large"}, {"big", "fat"}]}
    assert one("large", "big", **more) == one("big", "fat", **more) == pytest.approx(0.8)
    assert one("large", "fat", **more) == 0  # in no group together


def test_the_best_reference_counts_and_a_corpus_is_summed():
    assert one("a red dog", "a cat", "a red dog") == 1
    total, each = meteor(["dog", "cat bird"], [["dog"], ["fish bird"]])
    np.testing.assert_allclose(each, [1, 0.5 * 0.4])
    chunks, pairs = 1, 2  # a whole sentence counts no chunk
    assert total == pytest.approx(2 / 3 * (1 - 0.6 * (chunks / pairs) ** 0.2))


def test_an_exact_pair_comes_before_fewer_chunks():
    """ "run runs" is paired crosswise with "runs run", though stems would make it one chunk."""
    assert one("run runs", "runs run") == pytest.approx(0.4)


options = st.lists(
    st.dictionaries(st.integers(0, 3), st.integers(0, 1), max_size=3), min_size=1, max_size=4
)


def cost(pairs):
    chunks = sum((i - 1, j - 1) not in {(i, j) for i, j, _ in pairs} for i, j, _ in pairs)
    return -len(pairs), sum(m for *_, m in pairs), chunks, sum(abs(i - j) for i, j, _ in pairs)


@settings(deadline=None)
@given(options)
def test_the_alignment_is_the_best_of_all(fits):
    """The twin: try every alignment."""
    costs = []
    for use in product([False, True], repeat=len(fits)):
        words = [i for i, used in enumerate(use) if used]
        for places in permutations(range(4), len(words)):
            pairs = [(i, j, fits[i].get(j)) for i, j in zip(words, places, strict=True)]
            if all(module is not None for *_, module in pairs):
                costs.append(cost(pairs))
    assert cost(align(fits)) == min(costs)


def test_a_caption_that_says_one_word_forever():
    """The search is cut off, and stays quick; it still pairs all that can be paired."""
    assert one(" ".join(["a"] * 40), " ".join(["a"] * 40)) == 1
    assert len(align([dict.fromkeys(range(20), 0)] * 40)) == 20


def test_the_order_of_pictures_does_not_count():
    candidates, references = ["a red dog", "two cats"], [["a dog"], ["a cat", "cats"]]
    total, each = meteor(candidates, references)
    turned = meteor(candidates[::-1], references[::-1])
    np.testing.assert_allclose(turned[1], each[::-1])
    assert turned[0] == pytest.approx(total)


def test_wrong_arguments():
    with pytest.raises(ValueError, match="modules are of exact, stem, synonym"):
        one("a", "b", modules=["wordnet"])
    with pytest.raises(ValueError, match="come together"):
        one("a", "b", modules=["exact", "synonym"])
    with pytest.raises(ValueError, match="come together"):
        one("a", "b", synonyms=[{"a", "b"}])
