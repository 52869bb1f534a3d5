"""museum-guide-eval-v1: the frozen scenes and questions on which every guide is measured.

One to three objects of radius 8 to 10 px on 48 x 48 px, plain wall, seed 0:

    seen      400 scenes of the seen colour-shape pairs (split test_iid)
    withheld  200 scenes with one object of a withheld pair each (split test_comp)

A scene is asked one question of each of the twelve forms that it allows, and to detect each of its
objects by colour and shape and one thing that is not there (one of the two is wrong).
"""

import hashlib
from dataclasses import dataclass

import numpy as np

from tinyvlm.datasets.museum.facts import Description
from tinyvlm.datasets.museum.generator import SEVERAL_OBJECTS, Museum
from tinyvlm.datasets.museum.grammar import noun_phrase
from tinyvlm.datasets.museum.scene import PAIRS, Scene, digest
from tinyvlm.datasets.museum.vqa import QUESTION_FORMS, Question, ask_form

SHA256 = "a7a0edcf8be31eec7ae8b06c95cc7b8df7a9567e7886d6cab2e8c8294491f6ec"
SEEN_SCENES = 400
WITHHELD_SCENES = 200


@dataclass(frozen=True)
class Exam:
    """Scenes, and what is asked about them. An int is the index of a scene."""

    scenes: tuple[Scene, ...]
    questions: tuple[tuple[int, Question], ...]
    things: tuple[tuple[int, Description], ...]  # to detect; some are not there


@dataclass(frozen=True)
class GuideEvaluation:
    """Both exams and their fingerprint, to be quoted beside every result."""

    name: str
    seen: Exam
    withheld: Exam
    sha256: str  # of the scenes, the questions with their answers, and the things


def museum_guide_eval_v1() -> GuideEvaluation:
    """The evaluation set; RuntimeError when what is made here is not the frozen one."""
    seen = make_exam("test_iid", SEEN_SCENES)
    withheld = make_exam("test_comp", WITHHELD_SCENES)
    found = fingerprint(seen, withheld)
    if found != SHA256:
        raise RuntimeError(
            f"museum-guide-eval-v1 has SHA-256 {found} and not the frozen {SHA256}: the generator "
            "or a form of question changed. Undo that, or freeze a new version under a new name"
        )
    return GuideEvaluation("museum-guide-eval-v1", seen, withheld, found)


def make_exam(split: str, count: int) -> Exam:
    """The first `count` scenes of a split. Each scene's questions are drawn by its own index."""
    scenes = tuple(Museum(SEVERAL_OBJECTS, split).scenes(count))
    questions, things = [], []
    for i, scene in enumerate(scenes):
        rng = np.random.default_rng(np.random.SeedSequence([0, scene.index]))
        asked = (ask_form(scene, rng, form) for form in QUESTION_FORMS)
        questions += [(i, question) for question in asked if question is not None]
        things += [(i, Description(*thing.pair)) for thing in scene.objects]
        things += [(i, absent_thing(scene, rng))]
    return Exam(scenes, tuple(questions), tuple(things))


def absent_thing(scene: Scene, rng: np.random.Generator) -> Description:
    """A thing that differs from one of the scene's in its colour or its shape and is not there.

    A pair that the scene's split withholds is not named.
    """
    thing = scene.objects[rng.integers(len(scene.objects))]
    there = {each.pair for each in scene.objects}
    absent = [
        (color, shape)
        for color, shape in PAIRS
        if (color == thing.color) != (shape == thing.shape)
        and (color, shape) not in there
        and scene.may_name(color, shape)
    ]
    return Description(*absent[rng.integers(len(absent))])


def fingerprint(*exams: Exam) -> str:
    """SHA-256 (hex) of all that is in the exams."""
    total = hashlib.sha256()
    for exam in exams:
        lines = [digest(exam.scenes)]
        lines += [f"{i} {each.form}: {each.text}? {each.answer}" for i, each in exam.questions]
        lines += [f"{i} detect {noun_phrase(thing)}" for i, thing in exam.things]
        total.update("\n".join(lines).encode("ascii"))
    return total.hexdigest()
