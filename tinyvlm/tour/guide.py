"""The guide's part of the tour: a trained PaliGemma walks through held-out pictures (layer 8).

Of each picture it is asked a caption, questions of different types, and a box for every object.
What is right is read off the scene.
"""

from __future__ import annotations

from itertools import islice, permutations
from typing import NamedTuple

import numpy as np

from tinyvlm import model_files, page
from tinyvlm.datasets import museum
from tinyvlm.errors import InputError
from tinyvlm.metrics.boxes import iou
from tinyvlm.models.paligemma import PaliGemma
from tinyvlm.respond import Answer, attention_of_words, respond
from tinyvlm.text import Tokenizer
from tinyvlm.text.locations import decode_detections, to_xywh

NAME = "guide-museum"  # of the shipped model
CAPTION = "caption en"
SPLITS = ("test_iid", "test_comp")  # each object's pair was seen in training; one was not
PICTURES = 3  # of each split
QUESTIONS = 3  # a picture
TOLD = 3  # pictures told on the terminal


class Guide(NamedTuple):
    model: PaliGemma
    tokenizer: Tokenizer
    bins: int  # location words a side


def visit(seed: int) -> page.GuideRoom | None:
    """The walk, told and as a room of the page; None, and a line why, where no guide can be read.

    The pictures are the first of their splits with this seed; so are the questions.
    """
    try:
        model, tokenizer, about = model_files.load_model(model_files.shipped(NAME), PaliGemma)
    except InputError as error:
        print(f"The guide is left out: {error}")
        return None
    guide = Guide(model, tokenizer, about["bins"])
    print("The museum guide, trained before, walks through pictures it has never seen ...")
    rng = np.random.default_rng(seed)
    scenes = [
        scene
        for split in SPLITS
        for scene in museum.Museum(museum.SEVERAL_OBJECTS, split, seed).scenes(PICTURES)
    ]
    stops = [stop_at(guide, scene, rng) for scene in scenes]
    room = page.GuideRoom(stops, model.parameter_count(), about["trained_on"])
    tell(room)
    return room


def stop_at(guide: Guide, scene: museum.Scene, rng: np.random.Generator) -> page.GuideStop:
    """Everything that the guide says about one picture, in one batch of prompts."""
    names = [" ".join(thing.pair) for thing in scene.objects]
    asked = questions(scene, rng)
    prompts = [CAPTION, *(f"answer en {q.text}" for q in asked), *(f"detect {n}" for n in names)]
    picture = museum.draw(scene)  # (Y, X, 3)
    caption, *rest = respond(guide.model, guide.tokenizer, picture[None], prompts)
    answers, detections = rest[:QUESTIONS], rest[QUESTIONS:]
    unseen = [" ".join(each.pair) for each in scene.objects if each.pair in museum.WITHHELD]
    return page.GuideStop(
        caption_map(guide, picture, caption),
        tells_all(caption.text, scene),
        listed(names),
        [
            page.Asked(q.text, said.text, q.answer, said.probability)
            for q, said in zip(asked, answers, strict=True)
        ],
        [
            pointed(name, said.text, box, guide.bins, scene.size_px)
            for name, said, box in zip(names, detections, museum.boxes(scene), strict=True)
        ],
        ", ".join(unseen),
    )


def questions(scene: museum.Scene, rng: np.random.Generator) -> list[museum.Question]:
    """QUESTIONS questions, each of another type, drawn among the types that the scene allows."""
    types = [museum.QUESTION_TYPES[i] for i in rng.permutation(len(museum.QUESTION_TYPES))]
    asked = (museum.ask(scene, rng, type) for type in types)
    return list(islice((q for q in asked if q is not None), QUESTIONS))


def listed(names: list[str]) -> str:
    """In the words of a caption: a red circle and a blue star."""
    return " and ".join(museum.with_article(name) for name in names)


def tells_all(text: str, scene: museum.Scene) -> bool:
    """Whether everything in a caption is so and each object has a phrase of its own."""
    facts = museum.parse(text)
    if facts is None or not museum.is_true(facts, scene):
        return False
    said = [d for f in facts for d in ((f.a, f.b) if isinstance(f, museum.Relation) else (f,))]
    meant = [museum.matches(d, scene) for d in said if isinstance(d, museum.Description)]
    orders = permutations(range(len(scene.objects)))
    return len(meant) == len(scene.objects) and any(
        all(i in these for i, these in zip(order, meant, strict=True)) for order in orders
    )


def pointed(name: str, said: str, box: np.ndarray, bins: int, size: int) -> page.Pointed:
    """The boxes in an answer to "detect NAME" beside the true one (x, y, width, height), px."""
    boxes = to_xywh(decode_detections(said, bins), (size, size))  # (M, 4)
    overlap = float(iou(boxes[:1], box[None]).sum())  # 0 for no box
    return page.Pointed(name, boxes, overlap)


def caption_map(guide: Guide, picture: np.ndarray, said: Answer) -> page.WordMap:
    """The words of a caption of picture (Y, X, 3) uint8, and where each looked."""
    if not said.ids:  # a guide may say nothing
        return page.WordMap(picture, ["(nothing)"], np.zeros((1, 1, 1)), measure="attention")
    words, maps = attention_of_words(*guide[:2], picture, CAPTION, said.ids)  # maps (T, rows, cols)
    return page.WordMap(picture, words, maps, [p for _, p in said.tokens], "attention")


def tell(room: page.GuideRoom) -> None:
    """On the terminal: the first pictures, and how much is right in all."""
    for stop in room.stops[:TOLD]:
        print(
            f"  it says: {' '.join(stop.caption.words)} ({'right' if stop.is_right else 'wrong'})"
        )
        for q in stop.questions:
            judged = "right" if q.is_right else f"wrong: {q.truth}"
            print(f"    {q.question}? {q.told}, {page.sureness(q.probability)} sure ({judged})")
    of = {kind: page.right_of(kind, room.stops) for kind in page.KINDS}
    print("  right in all: " + ", ".join(f"{right} {kind}" for kind, right in of.items()))
