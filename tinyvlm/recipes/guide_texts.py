"""What the museum guide is taught to say: questions, captions and boxes of a scene (layer 7).

Every text is a prompt and an answer that are read off the scene:

    answer en what color is the circle      red
    caption en                              there is a red circle and a blue star
    detect red circle                       <loc0010><loc0004><loc0029><loc0023> red circle
    detect green circle                     nothing, if there is none
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from tinyvlm.datasets import museum
from tinyvlm.datasets.museum.grammar import noun_phrase
from tinyvlm.text import WordTokenizer
from tinyvlm.text.locations import encode_detections, from_xywh, location_words

BINS = museum.SEVERAL_OBJECTS.size + 1  # one for each border between pixels; PaliGemma has 1024
ABSENT = 0.2  # the share of things to detect that are not there


class Text(NamedTuple):
    prompt: str
    answer: str


def tokenizer() -> WordTokenizer:
    """Every word of the museum and of the prompts, and the places."""
    prompts = ("caption", "en", "answer", "detect")
    return WordTokenizer([*museum.WORDS, *prompts, *location_words(BINS)])


def questions(scene: museum.Scene, count: int, rng: np.random.Generator) -> list[Text]:
    """`count` questions, of all types in turn that the scene allows."""
    texts: list[Text] = []
    while len(texts) < count:
        for i in rng.permutation(len(museum.QUESTION_TYPES)):
            asked = museum.ask(scene, rng, museum.QUESTION_TYPES[i])
            if asked is not None and len(texts) < count:
                texts.append(Text(f"answer en {asked.text}", asked.answer))
    return texts


def caption(scene: museum.Scene, rng: np.random.Generator) -> Text:
    """A sentence about every object."""
    return Text("caption en", museum.caption(scene, rng, "scene").text)


def detection(scene: museum.Scene, rng: np.random.Generator) -> Text:
    """A thing by its colour, its shape, both or neither, and the box of each, from left to right.

    ABSENT of the time both are named and one of them is wrong: then there is nothing to box.
    """
    thing = scene.objects[rng.integers(len(scene.objects))]
    there = {each.pair for each in scene.objects}
    absent = [
        (color, shape)
        for color, shape in museum.PAIRS
        if (color == thing.color) != (shape == thing.shape)
        and (color, shape) not in there
        and scene.may_name(color, shape)
    ]
    if rng.random() < ABSENT:
        said = museum.Description(*absent[rng.integers(len(absent))])
    else:
        by_color, by_shape = rng.random(2) < 0.7
        color, shape = thing.color if by_color else None, thing.shape if by_shape else None
        said = museum.Description(color, shape)
    name = noun_phrase(said)
    boxes = museum.boxes(scene)[museum.matches(said, scene)]
    boxes = boxes[np.argsort(boxes[:, 0], kind="stable")]
    size = (scene.size_px, scene.size_px)
    found = from_xywh(boxes, [name] * len(boxes), size)
    return Text(f"detect {name}", encode_detections(found, BINS))
