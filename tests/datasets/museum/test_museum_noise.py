"""Misplaced captions: how many, and that none is lost."""

import numpy as np
import pytest

from tinyvlm.datasets import museum
from tinyvlm.errors import InputError


@pytest.fixture
def captions():
    rng = np.random.default_rng(0)
    return [museum.caption(scene, rng) for scene in museum.Museum().scenes(40)]


@pytest.mark.parametrize(
    ("noise", "count"), [(0.0, 0), (0.25, 10), (0.5, 20), (1.0, 40), (0.02, 0)]
)
def test_share(captions, noise, count):
    given, moved = museum.misplace_captions(captions, noise, np.random.default_rng(1))
    assert moved.sum() == count
    assert sorted(c.text for c in given) == sorted(c.text for c in captions)
    stayed = [a is b for a, b in zip(given, captions, strict=True)]
    assert (np.array(stayed) == ~moved).all()


def test_the_list_handed_in_is_left_alone(captions):
    before = list(captions)
    museum.misplace_captions(captions, 1.0, np.random.default_rng(1))
    assert captions == before


def test_a_share_is_at_most_one(captions):
    with pytest.raises(InputError, match="between 0 and 1"):
        museum.misplace_captions(captions, 1.5, np.random.default_rng(0))
