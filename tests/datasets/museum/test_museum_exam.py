"""museum-guide-eval-v1: what is in it, and that a change is noticed."""

from dataclasses import replace

import numpy as np
import pytest

from tinyvlm.datasets import museum
from tinyvlm.datasets.museum import exam


def test_what_is_in_it():
    frozen = museum.museum_guide_eval_v1()
    for part, split, count in ((frozen.seen, "test_iid", 400), (frozen.withheld, "test_comp", 200)):
        assert len(part.scenes) == count
        assert {scene.split for scene in part.scenes} == {split}
        assert {len(scene.objects) for scene in part.scenes} == {1, 2, 3}
        asked = [(i, question.form) for i, question in part.questions]
        assert len(asked) == len(set(asked))
        assert {form for _, form in asked} == set(museum.QUESTION_FORMS)
        for form in ("how many", "count by attribute", "exist", "more"):  # any scene allows these
            assert [i for i, other in asked if other == form] == [*range(count)]
        present = [len(museum.matches(thing, part.scenes[i])) for i, thing in part.things]
        objects = sum(len(scene.objects) for scene in part.scenes)
        assert (present.count(1), present.count(0)) == (objects, count)
    assert frozen.sha256 == exam.fingerprint(frozen.seen, frozen.withheld)


def test_the_seen_exam_names_no_withheld_pair():
    seen = museum.museum_guide_eval_v1().seen
    texts = [f"{question.text} | {question.answer}" for _, question in seen.questions]
    texts += [f"{thing.color} {thing.shape}" for _, thing in seen.things]
    for pair in museum.WITHHELD:
        assert not any(" ".join(pair) in text for text in texts)


def test_what_is_absent_is_nearly_there():
    for scene in museum.Museum(museum.SEVERAL_OBJECTS).scenes(50):
        thing = museum.absent_thing(scene, np.random.default_rng(0))
        assert not museum.matches(thing, scene)
        assert any((thing.color == o.color) != (thing.shape == o.shape) for o in scene.objects)


@pytest.mark.parametrize("changed", ["scene", "answer", "thing"])
def test_the_fingerprint_sees_every_change(changed):
    before = exam.make_exam("test_iid", 3)
    i, question = before.questions[5]
    after = {
        "scene": replace(before, scenes=(*before.scenes[:2], before.scenes[0])),
        "answer": replace(
            before,
            questions=(*before.questions[:5], (i, replace(question, answer="maybe"))),
        ),
        "thing": replace(before, things=before.things[1:]),
    }[changed]
    assert exam.fingerprint(before) != exam.fingerprint(after)


def test_a_changed_generator_is_refused(monkeypatch):
    monkeypatch.setattr(exam, "SEVERAL_OBJECTS", replace(museum.SEVERAL_OBJECTS, radius=(8.0, 9.9)))
    with pytest.raises(RuntimeError, match="the generator or a form of question changed"):
        museum.museum_guide_eval_v1()
