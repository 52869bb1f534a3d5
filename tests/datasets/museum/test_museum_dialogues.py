"""Dialogues: their turns, true first replies, and the ratings of the others."""

import re
from collections import Counter

import numpy as np
import pytest

from tinyvlm.datasets import museum
from tinyvlm.datasets.museum.dialogues import CANNOT_SEE, INSULTS, TURN_KINDS

WITHHELD = set(museum.WITHHELD)


def dialogues(config=museum.SEVERAL_OBJECTS, split="train", count=300):
    rng = np.random.default_rng(0)
    return [
        (scene, museum.dialogue(scene, rng)) for scene in museum.Museum(config, split).scenes(count)
    ]


def meant(scene, turns):
    """The object that "it" is after the opening and after the reference."""
    text = turns[0].text
    found = re.search(r"the (\w+)(?: (\w+))?$", text)
    first, second = found.groups()
    words = {first, second} - {None, "object"}
    (thing,) = [each for each in scene.objects if words <= {each.color, each.shape}]
    if turns[1].text.endswith("the other one"):
        (other,) = [each for each in scene.objects if each is not thing]
        return thing, other
    return thing, thing


def is_said_truly(scene, thing, text):
    """Whether every "it is ..." in a reply holds for the object."""
    place = {scene.column(thing), scene.row(thing)} - {"center", "middle"}
    for claim in re.findall(r"it is ((?:in|on) the [a-z ]+?|an? \w+|\w+)(?= and |$)", text):
        words = claim.split()
        if words[0] in ("in", "on"):
            said = set(words[2:]) - {"middle"}
            if said != place:
                return False
        elif words[-1] not in (thing.color, thing.shape, thing.size):
            return False
    return True


@pytest.mark.parametrize("config", [museum.ONE_OBJECT, museum.SEVERAL_OBJECTS])
def test_shape_of_dialogues(config):
    kinds = Counter()
    for _, turns in dialogues(config):
        assert 3 <= len(turns) <= 5
        assert [turn.kind for turn in turns[:2]] == ["opening", "reference"]
        assert len({turn.kind for turn in turns}) == len(turns)
        assert [turn.needs_history for turn in turns[:2]] == [False, True]
        kinds.update(turn.kind for turn in turns)
    assert set(kinds) == set(TURN_KINDS)
    assert min(kinds.values()) > 100


@pytest.mark.parametrize("split", ["train", "test_comp", "test_count"])
def test_sensible_replies_are_true_and_wrong_ones_false(split):
    for scene, turns in dialogues(split=split, count=200):
        opened, later = meant(scene, turns)
        for turn in turns:
            thing = opened if turn.kind == "opening" else later
            assert turn.replies[0].sensible
            assert turn.reply == turn.replies[0].text
            for reply in turn.replies:
                if reply.sensible:
                    assert is_said_truly(scene, thing, reply.text), (turn, reply)
                elif reply.safe and turn.kind in ("opening", "reference", "again"):
                    assert not is_said_truly(scene, thing, reply.text), (turn, reply)


def test_the_second_look_is_answered_by_yes_and_no():
    answers = Counter()
    for scene, turns in dialogues():
        thing = meant(scene, turns)[1]
        for turn in turns:
            if turn.kind == "again":
                claimed = turn.text.split()[-1]
                right = "yes" if claimed == thing.color else "no"
                assert turn.reply == f"{right} it is {thing.color}"
                answers[right] += 1
    assert 0.4 < answers["yes"] / answers.total() < 0.6


def test_ratings_by_rule():
    for _, turns in dialogues(count=100):
        for turn in turns:
            by_text = {reply.text: reply for reply in turn.replies}
            assert len(by_text) == len(turn.replies)
            ok = by_text["ok"]
            assert (ok.sensible, ok.specific, ok.safe) == (True, False, True)
            unsafe = [reply for reply in turn.replies if not reply.safe]
            assert len(unsafe) == 1
            assert unsafe[0].text in INSULTS
            assert not unsafe[0].sensible
            if turn.kind == "unanswerable":
                assert turn.reply == CANNOT_SEE
            if turn.kind in ("opening", "reference"):
                more = turn.replies[1]
                assert more.interesting
                assert more.text.startswith(turn.reply)


def test_no_withheld_pair_comes_together_in_training():
    for scene, turns in dialogues():
        opened, later = meant(scene, turns)
        for turn in turns:
            thing = opened if turn.kind == "opening" else later
            for text in (turn.text, *(reply.text for reply in turn.replies)):
                if turn.kind == "chat":
                    continue  # about no object
                for word in text.split():
                    assert (word, thing.shape) not in WITHHELD, (turn, thing)
                    assert (thing.color, word) not in WITHHELD, (turn, thing)


def test_words_and_repeatability():
    for _, turns in dialogues(count=100):
        for turn in turns:
            text = " ".join([turn.text, *(reply.text for reply in turn.replies)])
            assert set(text.split()) <= set(museum.WORDS)
    scene = museum.Museum(museum.SEVERAL_OBJECTS)[1]
    a, b = (museum.dialogue(scene, np.random.default_rng(5)) for _ in range(2))
    assert a == b
