"""The exam of a guide: who knows the scenes gets everything right, who knows nothing nothing."""

import numpy as np
import pytest

from tinyvlm.datasets import museum
from tinyvlm.datasets.museum.exam import make_exam
from tinyvlm.datasets.museum.grammar import noun_phrase
from tinyvlm.recipes import guide, guide_exam, guide_texts
from tinyvlm.respond import Answer
from tinyvlm.text.locations import encode_detections, from_xywh

EXAM = make_exam("val", 12)


def answer(text):
    tokens = tuple((word, 0.9) for word in text.replace(" ;", "").replace("><", "> <").split())
    return Answer(text, 0.5, tuple(range(len(tokens))), tokens, (), True)


def oracle(wrong=0.0, shift=0.0):
    """A `say` that knows the scenes; a share `wrong` of its texts is that of the next prompt."""
    truth = [f"{question.answer}" for _, question in EXAM.questions]
    captions = [guide_texts.caption(scene).answer for scene in EXAM.scenes]
    boxes = []
    for i, thing in EXAM.things:
        scene, name = EXAM.scenes[i], noun_phrase(thing)
        there = museum.boxes(scene)[museum.matches(thing, scene)] + [shift, 0, 0, 0]
        found = from_xywh(there, [name] * len(there), (48, 48))
        boxes.append(encode_detections(found, guide_texts.BINS))

    def say(model, pictures, prompts):
        first = prompts[0][1].split()[0]
        texts = {"answer": truth, "caption": captions, "detect": boxes}[first]
        assert len(texts) == len(prompts)
        for i in range(len(texts)):
            yield answer(texts[(i + (i < wrong * len(texts))) % len(texts)])

    return say


def test_who_knows_gets_everything_right(monkeypatch):
    monkeypatch.setattr(guide_exam, "say", oracle())
    scores = guide_exam.examine(None, EXAM)
    assert set(scores["answers"]) == {*museum.QUESTION_FORMS, "all"}
    assert set(scores["answers"].values()) == {1.0}
    assert scores["captions"] == {"F1": 1, "precision": 1, "recall": 1, "true": 1}
    assert scores["boxes"]["AP50"] == pytest.approx(1)
    assert scores["boxes"]["absent"] == 1


def test_half_wrong(monkeypatch):
    """Catches answers compared with those of another question."""
    monkeypatch.setattr(guide_exam, "say", oracle(wrong=0.5))
    scores = guide_exam.examine(None, EXAM)
    assert 0.4 < scores["answers"]["all"] < 0.8
    assert 0.4 < scores["captions"]["F1"] < 0.9
    assert scores["captions"]["true"] <= 0.75
    assert scores["boxes"]["AP50"] < 0.8
    assert scores["boxes"]["absent"] < 1


def test_boxes_beside_the_objects(monkeypatch):
    """Six pixels beside: the overlap of a 17 px object is under one half."""
    monkeypatch.setattr(guide_exam, "say", oracle(shift=6.5))
    assert guide_exam.boxes(None, EXAM, None)["AP50"] < 0.3


def test_an_untrained_guide_and_black_pictures():
    exam = make_exam("val", 3)
    seen = {}
    for control in (None, "black"):
        seen[control] = guide_exam.examine(guide.build(0), exam, control)
        for scores in seen[control].values():
            assert all(0 <= value <= 1 for value in scores.values())
        assert seen[control]["answers"]["all"] < 0.5
        assert seen[control]["captions"]["F1"] < 0.2


def test_black_pictures_are_black(monkeypatch):
    shown = []

    def say(model, pictures, prompts):
        shown.append(pictures)
        return [answer("") for _ in prompts]

    monkeypatch.setattr(guide_exam, "say", say)
    guide_exam.examine(None, EXAM, "black")
    assert len(shown) == 3
    assert all((pictures == 0).all() for pictures in shown)
    guide_exam.examine(None, EXAM)
    np.testing.assert_array_equal(shown[-1], museum.draw_all(EXAM.scenes))


def test_majority():
    scores = guide_exam.majority(EXAM)
    numbers = [len(scene.objects) for scene in EXAM.scenes]
    assert scores["how many"] == max(numbers.count(n) for n in (1, 2, 3)) / 12
    assert all(0 < share <= 1 for share in scores.values())
    assert scores["all"] == pytest.approx(np.mean([scores[f] for f in museum.QUESTION_FORMS]))
