"""museum-eval-v1: what is in it, and that a changed generator is noticed."""

from collections import Counter
from dataclasses import replace

import pytest

from tinyvlm.datasets import museum
from tinyvlm.datasets.museum import evaluation


def test_balance():
    frozen = museum.museum_eval_v1()
    assert frozen.name == "museum-eval-v1"
    assert (frozen.config.size, frozen.config.objects) == (32, (1, 1))
    assert frozen.config.radius == (9.0, 13.0)
    withheld = Counter(scene.objects[0].pair for scene in frozen.withheld)
    seen = Counter(scene.objects[0].pair for scene in frozen.seen)
    assert withheld == dict.fromkeys(museum.WITHHELD, 40)
    assert seen == dict.fromkeys(museum.SEEN, 10)
    assert {scene.split for scene in frozen.withheld} == {"test_comp"}
    assert {scene.split for scene in frozen.seen} == {"test_iid"}
    assert frozen.sha256 == museum.digest((*frozen.withheld, *frozen.seen))
    assert all(9 <= s.objects[0].radius <= 13 for s in (*frozen.withheld, *frozen.seen))


def test_no_picture_of_it_is_in_the_training_split():
    frozen = museum.museum_eval_v1()
    trained = {scene.objects for scene in museum.Museum().scenes(6000)}
    assert not trained & {scene.objects for scene in (*frozen.withheld, *frozen.seen)}


def test_a_changed_generator_is_refused(monkeypatch):
    changed = replace(museum.ONE_OBJECT, radius=(9.0, 12.0))
    monkeypatch.setattr(evaluation, "ONE_OBJECT", changed)
    with pytest.raises(RuntimeError, match="the generator changed"):
        museum.museum_eval_v1()
