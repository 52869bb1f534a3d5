"""What the museum guide is taught to say: questions, captions and boxes of a scene (layer 7).

Every text is a prompt and an answer that are read off the scene:

    answer en what color is the circle      red
    caption en                              a red circle in the top left and a blue star
    detect red circle                       <loc0010><loc0004><loc0029><loc0023> red circle
    detect green circle                     nothing, if there is none
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from tinyvlm.datasets import museum
from tinyvlm.datasets.museum.grammar import noun_phrase, place_of, thing_phrase
from tinyvlm.datasets.museum.scene import COLUMNS, ROWS, SIZES
from tinyvlm.datasets.museum.words import NUMBERS, PLURALS
from tinyvlm.text import WordTokenizer
from tinyvlm.text.locations import encode_detections, from_xywh, location_words

BINS = museum.SEVERAL_OBJECTS.size + 1  # one for each border between pixels; PaliGemma has 1024
ABSENT = 0.2  # the share of things to detect that are not there
# How often a form of question is drawn, where not once: what is learned last is asked most.
OFTEN = {"how many": 0.5, "relation 4-way": 1.5, "relation object": 1.5, "relation yes/no": 1.5}


_OTHER_WORDS = """
    caption answer detect en a an the object is there are what where color shape or in on and of
    how many more than bigger relative to above below yes no
"""


class Text(NamedTuple):
    prompt: str
    answer: str


def tokenizer() -> WordTokenizer:
    """The words that the guide meets in training, and the places; any other word is unknown."""
    words = [
        *museum.COLORS,
        *museum.SHAPES,
        *PLURALS.values(),
        *NUMBERS[:4],
        *SIZES,
        *ROWS,
        *COLUMNS,
    ]
    return WordTokenizer([*words, *_OTHER_WORDS.split(), *location_words(BINS)])


def questions(scene: museum.Scene, count: int, rng: np.random.Generator) -> list[Text]:
    """`count` questions, of forms drawn by OFTEN among those that the scene allows."""
    often = np.array([OFTEN.get(form, 1.0) for form in museum.QUESTION_FORMS])
    texts: list[Text] = []
    while len(texts) < count:
        form = museum.QUESTION_FORMS[rng.choice(len(often), p=often / often.sum())]
        asked = museum.ask_form(scene, rng, form)
        if asked is not None:
            texts.append(Text(f"answer en {asked.text}", asked.answer))
    return texts


def caption(scene: museum.Scene) -> Text:
    """Every object by colour, shape and place, from left to right: one sentence a scene.

    With a free order and free openings the next word would depend on a choice that nobody can see.
    """
    things = []
    for thing in sorted(scene.objects, key=lambda thing: thing.x):
        full = museum.describe(scene, thing)
        said = place_of(full)._replace(color=full.color, shape=full.shape)
        things.append(thing_phrase(said))
    return Text("caption en", " and ".join(things))


def detection(scene: museum.Scene, rng: np.random.Generator) -> Text:
    """A thing by its colour, its shape, both or neither, and the box of each, from left to right.

    ABSENT of the time both are named and one of them is wrong: then there is nothing to box.
    """
    if rng.random() < ABSENT:
        said = museum.absent_thing(scene, rng)
    else:
        thing = scene.objects[rng.integers(len(scene.objects))]
        by_color, by_shape = rng.random(2) < 0.7
        color, shape = thing.color if by_color else None, thing.shape if by_shape else None
        said = museum.Description(color, shape)
    name = noun_phrase(said)
    boxes = museum.boxes(scene)[museum.matches(said, scene)]
    boxes = boxes[np.argsort(boxes[:, 0], kind="stable")]
    size = (scene.size_px, scene.size_px)
    found = from_xywh(boxes, [name] * len(boxes), size)
    return Text(f"detect {name}", encode_detections(found, BINS))
