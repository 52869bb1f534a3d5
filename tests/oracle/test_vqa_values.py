"""VQA accuracy and normal forms are those of the official evaluation, on stored answers."""

import json
from pathlib import Path

import numpy as np
import pytest

from tinyvlm.metrics import vqa

STORED = json.loads(Path(__file__).with_name("vqa_values.json").read_text(encoding="utf-8"))
TEXTS = [text for text, _ in STORED["normal"]]
QUESTIONS = [(TEXTS[one], [TEXTS[k] for k in people]) for one, people, _ in STORED["questions"]]
ACCURACIES = [accuracy for *_, accuracy in STORED["questions"]]


def test_normal_forms_are_the_official_ones():
    assert len(TEXTS) > 300
    for text, normal in STORED["normal"]:
        assert vqa.normalize(text) == normal


def test_accuracies_are_the_official_ones():
    got = vqa.accuracies(*zip(*QUESTIONS, strict=True))
    assert len(got) == 300
    np.testing.assert_allclose(got, ACCURACIES, rtol=0, atol=1e-12)


def test_the_questions_hold_what_they_promise():
    assert sum(len(set(people)) == 1 for _, people in QUESTIONS) > 50
    values, counts = np.unique(np.round(ACCURACIES, 6), return_counts=True)
    assert values.tolist() == [0, 0.3, 0.6, 0.9, 1]
    assert counts.min() > 10


@pytest.mark.parametrize("change", ["always", "never", "articles"])
def test_a_wrong_rule_is_noticed(monkeypatch, change):
    if change == "always":
        true_agree, normal = vqa._agree, vqa.normalize
        monkeypatch.setattr(vqa, "_agree", lambda a, p: true_agree(normal(a), [*map(normal, p)]))
    elif change == "never":
        monkeypatch.setattr(vqa, "normalize", str)
    else:
        monkeypatch.setattr(vqa, "ARTICLES", set())
    got = vqa.accuracies(*zip(*QUESTIONS, strict=True))
    assert np.abs(got - ACCURACIES).max() > 0.2
