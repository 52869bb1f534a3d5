"""How well a guide looks: its answers, captions and boxes on an exam of the museum (layer 7).

An answer counts when it is the expected one word for word; captions are read back into facts and
boxes are scored as COCO does, every prompt to detect being a picture of its own with one class.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence

import numpy as np

from tinyvlm.datasets import museum
from tinyvlm.datasets.museum.grammar import noun_phrase
from tinyvlm.metrics.attributes import attribute_scores
from tinyvlm.metrics.boxes import Detections, GroundTruth, average_precision
from tinyvlm.models.paligemma import PaliGemma
from tinyvlm.recipes import guide_texts
from tinyvlm.respond import Answer, respond
from tinyvlm.text.locations import decode_scored, to_xywh

AT_ONCE = 64  # prompts
Scores = dict[str, float]


def examine(model: PaliGemma, exam: museum.Exam, control: str | None = None) -> dict[str, Scores]:
    """{"answers": {form: accuracy}, "captions": {...}, "boxes": {...}}; control "black": the guide
    is shown black pictures."""
    pictures = museum.draw_all(exam.scenes)
    if control == "black":
        pictures = np.zeros_like(pictures)
    return {
        "answers": answers(model, exam, pictures),
        "captions": captions(model, exam, pictures),
        "boxes": boxes(model, exam, pictures),
    }


def answers(model: PaliGemma, exam: museum.Exam, pictures: np.ndarray) -> Scores:
    """The share of questions answered rightly, by form; "all" is the mean over the forms."""
    prompts = [(i, f"answer en {question.text}") for i, question in exam.questions]
    right = defaultdict(list)
    for (_, question), said in zip(exam.questions, say(model, pictures, prompts), strict=True):
        right[question.form].append(said.text == question.answer)
    scores = {form: float(np.mean(right[form])) for form in museum.QUESTION_FORMS if right[form]}
    return scores | {"all": float(np.mean([*scores.values()]))}


def captions(model: PaliGemma, exam: museum.Exam, pictures: np.ndarray) -> Scores:
    """Attribute F1 of "caption en", and the share of captions that are wholly true."""
    prompts = [(i, "caption en") for i in range(len(exam.scenes))]
    said = [answer.text for answer in say(model, pictures, prompts)]
    found = attribute_scores(said, exam.scenes)
    return {
        "F1": found.f1,
        "precision": found.precision,
        "recall": found.recall,
        "true": found.true,
    }


def boxes(model: PaliGemma, exam: museum.Exam, pictures: np.ndarray) -> Scores:
    """AP and AP50 of "detect COLOUR SHAPE"; the share of absent things that were not boxed."""
    prompts = [(i, f"detect {noun_phrase(thing)}") for i, thing in exam.things]
    found, truths, silent = [], [], []
    for (i, thing), answer in zip(exam.things, say(model, pictures, prompts), strict=True):
        scene = exam.scenes[i]
        there = museum.boxes(scene)[museum.matches(thing, scene)]  # (1 or 0, 4)
        truths.append(GroundTruth(there, np.zeros(len(there), int)))
        found.append(as_detections(answer, scene))
        if not len(there):
            silent.append(len(found[-1].boxes) == 0)
    scores = average_precision(found, truths)
    return {"AP": scores["AP"], "AP50": scores["AP50"], "absent": float(np.mean(silent))}


def as_detections(answer: Answer, scene: museum.Scene) -> Detections:
    """The boxes of an answer, in pixels of the scene, all of one class."""
    pointed = decode_scored(answer.tokens, guide_texts.BINS)
    places = to_xywh([detection for detection, _ in pointed], (scene.size_px, scene.size_px))
    scores = np.array([score for _, score in pointed])
    return Detections(places, np.zeros(len(places), int), scores)


def say(
    model: PaliGemma, pictures: np.ndarray, prompts: Sequence[tuple[int, str]]
) -> Iterable[Answer]:
    """Answers to (index of a picture, prompt), in order."""
    words = guide_texts.tokenizer()
    for start in range(0, len(prompts), AT_ONCE):
        part = prompts[start : start + AT_ONCE]
        yield from respond(
            model,
            words,
            pictures[[i for i, _ in part]],
            [prompt for _, prompt in part],
            max_tokens=40,
        )


def majority(exam: museum.Exam) -> Scores:
    """What the most frequent answer of each form would score: the line for who sees nothing."""
    said: dict[str, Counter[str]] = defaultdict(Counter)
    for _, question in exam.questions:
        said[question.form][question.answer] += 1
    scores = {
        form: said[form].most_common(1)[0][1] / said[form].total()
        for form in museum.QUESTION_FORMS
        if said[form]
    }
    return scores | {"all": float(np.mean([*scores.values()]))}
