"""All caption metrics at once, and what none of them accepts."""

import pytest

from tinyvlm.metrics.bleu import bleu
from tinyvlm.metrics.captions import caption_scores
from tinyvlm.metrics.cider import cider, cider_d
from tinyvlm.metrics.meteor import meteor
from tinyvlm.metrics.rouge import rouge_l

REFERENCES = [["A big red star.", "A red star"], ["Two large, blue dogs!", "Dogs that are blue"]]


def test_the_table():
    scores = caption_scores(["a big red star", "two large blue dogs"], REFERENCES)
    names = ["BLEU-1", "BLEU-2", "BLEU-3", "BLEU-4", "ROUGE-L", "METEOR (exact+stem)", "CIDEr-D"]
    assert list(scores) == [*names, "exact"]
    for name in ("BLEU-1", "BLEU-4", "ROUGE-L", "exact"):
        assert scores[name] == pytest.approx(1)
    assert 0 < scores["CIDEr-D"] < 10


def test_sentences_are_cut_into_words_first():
    """Catches a caption with a full stop that is another word."""
    assert caption_scores(["A RED STAR.", "x"], REFERENCES)["exact"] == 0.5


def test_synonyms_are_named_in_the_table():
    with_table = caption_scores(["a large star", "x"], REFERENCES, synonyms=[{"big", "large"}])
    without = caption_scores(["a large star", "x"], REFERENCES)
    assert with_table["METEOR (exact+stem+synonym)"] > without["METEOR (exact+stem)"]


def test_a_caption_for_another_picture_scores_less():
    right, wrong = REFERENCES[0][0], REFERENCES[1][0]
    better = caption_scores([right, wrong], REFERENCES)
    worse = caption_scores([wrong, right], REFERENCES)
    assert all(worse[name] < better[name] for name in better)


@pytest.mark.parametrize("metric", [bleu, rouge_l, cider, cider_d, meteor])
def test_wrong_arguments(metric):
    for candidates, references, message in (
        (["a"], [["a"], ["b"]], "got 1 candidates and 2 lists"),
        ([], [], "got 0 candidates and 0 lists"),
        (["a", "b"], [["a"], []], "picture 1 has no list of references"),
        (["a"], ["a b c"], "picture 0 has no list of references, but 'a b c'"),
        (["a"], [["a", None]], "a sentence of picture 0 is no string"),
        ([3], [["a"]], "a sentence of picture 0 is no string"),
    ):
        with pytest.raises(ValueError, match=message):
            metric(candidates, references)
