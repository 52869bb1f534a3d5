"""The closed vocabulary: nothing is said outside it, and nothing in it is never said."""

from dataclasses import replace

import numpy as np

from tinyvlm.datasets import museum


def everything_said(scene, rng):
    yield from (caption.text for caption in museum.captions(scene, 5, rng))
    yield museum.caption(scene, rng, "count").text
    if scene.relations:
        yield museum.caption(scene, rng, "relation").text
    for question in museum.questions(scene, rng):
        yield from (question.text, *question.annotators)
    for turn in museum.dialogue(scene, rng):
        yield from (turn.text, *(reply.text for reply in turn.replies))
    yield from (each.text for each in museum.referring_expressions(scene))


def test_the_vocabulary_is_exactly_what_is_said():
    rng = np.random.default_rng(0)
    config = replace(museum.SEVERAL_OBJECTS, textures=("solid", "striped"))
    said = set()
    for split in ("train", "test_count"):
        for scene in museum.Museum(config, split).scenes(250):
            said.update(" ".join(everything_said(scene, rng)).split())
    assert said == set(museum.WORDS)


def test_the_vocabulary_is_sorted():
    assert list(museum.WORDS) == sorted(set(museum.WORDS))


def test_articles():
    assert museum.with_article("red circle") == "a red circle"
    assert museum.with_article("orange star") == "an orange star"
    assert museum.with_article("object") == "an object"
