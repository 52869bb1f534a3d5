"""BLEU, ROUGE-L, CIDEr-D, METEOR, stems and words are those of the reference programs."""

import json
from pathlib import Path

import numpy as np
import pytest

from tinyvlm.metrics import cider, meteor, rouge
from tinyvlm.metrics.bleu import bleu
from tinyvlm.metrics.cider import cider_d
from tinyvlm.metrics.ptb import tokenize
from tinyvlm.metrics.rouge import rouge_l
from tinyvlm.metrics.stem import stem

HERE = Path(__file__).parent
with np.load(HERE / "caption_values.npz", allow_pickle=False) as file:
    WORDS, CAPTIONS = file["words"].tolist(), file["captions"].tolist()
    CORPUS, EACH = file["corpus"], file["each"]
TEXTS = json.loads((HERE / "caption_values.json").read_text(encoding="utf-8"))
COLUMNS = {"bleu": slice(0, 4), "rouge": 4, "cider": 5, "meteor": 6}

TOLERANCE = 1e-12  # measured 4e-15


def read_cases():
    """[[(candidate, references)]]; make_caption_values.py tells how they are stored."""
    cases, pictures, written, words = [], [], [], []
    for number in CAPTIONS:
        if number == 253:
            cases.append(pictures)
            pictures = []
        elif number == 254:
            pictures.append((written[0], written[1:]))
            written = []
        elif number == 255:
            written.append(" ".join(words))
            words = []
        else:
            words.append(WORDS[number])
    return cases


CASES = read_cases()


def differences(metric, column, cases=CASES):
    """How far the values of the cases, and of their pictures, are from the stored ones."""
    corpus, each = [], []
    for pictures in cases:
        whole, parts = metric(*zip(*pictures, strict=True))
        corpus.append(whole)
        each.append(parts)
    n = sum(map(len, cases))
    corpus, each = np.array(corpus) - CORPUS[: len(cases), column], np.concatenate(each)
    return np.abs(corpus), np.abs(each - EACH[:n, column])


@pytest.mark.parametrize(
    ("metric", "name"), [(bleu, "bleu"), (rouge_l, "rouge"), (cider_d, "cider")]
)
def test_scores_are_those_of_the_reference(metric, name):
    corpus, each = differences(metric, COLUMNS[name])
    assert corpus.max() < TOLERANCE
    assert each.max() < TOLERANCE


def test_meteor_is_that_of_the_program_but_for_two_alignments():
    """In two pictures its search misses the longest alignment: 3 pairs of 4, and 9 of 10."""
    corpus, each = differences(meteor.meteor, COLUMNS["meteor"])
    compared = ~np.isnan(each)
    assert compared.sum() > 700
    assert (each[compared] > TOLERANCE).sum() == 2
    assert (corpus[~np.isnan(corpus)] > TOLERANCE).sum() == 2


def test_the_cases_hold_what_they_promise():
    """Catches cases that are all alike, on which a wrong rule would agree too."""
    pictures = [picture for case in CASES for picture in case]
    assert len(CASES) == len(CORPUS) == 256
    assert len(pictures) == len(EACH)
    assert sum(not candidate for candidate, _ in pictures) >= 20
    assert sum("" in references for _, references in pictures) >= 20
    assert sum(len(candidate.split()) == 1 for candidate, _ in pictures) >= 100
    assert sum(len(set(c.split())) < len(c.split()) - 2 for c, _ in pictures) >= 100  # repeated
    assert sum(len(references) == 5 for _, references in pictures) >= 100
    assert sum(candidate in references for candidate, references in pictures) >= 100
    assert sum(len(case) == 1 for case in CASES) == 32
    assert np.isnan(CORPUS[:, 6]).sum() < 64
    for column in range(7):
        assert len(np.unique(EACH[:, column].round(6))) > 60


@pytest.mark.parametrize("change", ["beta", "sigma", "gamma", "chunks", "one reference", "places"])
def test_a_wrong_rule_is_noticed(monkeypatch, change):
    """Mistakes, planted one at a time, disagree with the stored values."""
    metric, name = meteor.meteor, "meteor"
    if change == "beta":
        metric, name = rouge_l, "rouge"
        monkeypatch.setattr(rouge, "BETA", 1.0)
    elif change == "sigma":
        metric, name = cider_d, "cider"
        monkeypatch.setattr(cider, "SIGMA", 12.0)
    elif change == "gamma":
        monkeypatch.setattr(meteor, "GAMMA", 0.5)
    elif change == "chunks":
        monkeypatch.setattr(meteor, "_chunks", len)
    elif change == "one reference":
        metric, name = lambda mine, others: bleu(mine, [several[:1] for several in others]), "bleu"
    else:
        monkeypatch.setattr(meteor, "WEIGHTS", {"exact": 1.0, "stem": 1.0})
    assert np.nanmax(differences(metric, COLUMNS[name], CASES[8:64])[0]) > 1e-3


def test_stems_are_those_of_snowball():
    words = (HERE / "stem_words.txt").read_text(encoding="utf-8").split()
    assert len(words) > 1000
    assert [stem(word) for word in words] == TEXTS["stems"]


# Here ours does otherwise: a range of times, y'all, an abbreviation that the Java program guesses.
OTHERWISE = {"8:00-5:00", "y'all", "wed."}


def test_words_are_those_of_the_java_tokenizer():
    lines = (HERE / "caption_lines.txt").read_text(encoding="utf-8").splitlines()
    assert len(lines) > 100
    for line, tokens in zip(lines, TEXTS["tokens"], strict=True):
        if not any(strange in line for strange in OTHERWISE):
            assert tokenize(line) == tokens
