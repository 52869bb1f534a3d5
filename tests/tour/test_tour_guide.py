"""The guide's walk: what it says is judged by the scene it says it of."""

from dataclasses import replace

import numpy as np
import pytest

from tinyvlm import page
from tinyvlm.datasets import museum
from tinyvlm.recipes import guide_texts
from tinyvlm.respond import Answer
from tinyvlm.text.locations import Detection, encode_detections, from_xywh
from tinyvlm.tour import guide

BINS = guide_texts.BINS
WORDS = guide_texts.tokenizer()
TEST_IID = museum.Museum(museum.SEVERAL_OBJECTS, "test_iid", seed=5)
TEST_COMP = museum.Museum(museum.SEVERAL_OBJECTS, "test_comp", seed=5)


def answer(text, probability=0.5):
    ids = tuple(WORDS.encode(text))
    tokens = tuple((WORDS.decode([i]), 0.25) for i in ids)
    return Answer(text, probability, ids, tokens, (), True)


class Knower:
    """In place of `respond`: says what is so of the next scene, or something else."""

    def __init__(self, scenes, lies=False):
        self.scenes, self.lies, self.prompts = iter(scenes), lies, []

    def __call__(self, model, tokenizer, pictures, prompts):
        scene = next(self.scenes)
        np.testing.assert_array_equal(pictures, museum.draw(scene)[None])
        self.prompts.append(prompts)
        return [answer("" if self.lies else self.truth(scene, prompt)) for prompt in prompts]

    def truth(self, scene, prompt):
        if prompt == "caption en":
            return guide.listed([" ".join(each.pair) for each in scene.objects])
        if prompt.startswith("detect "):
            name = prompt.removeprefix("detect ")
            (i,) = [i for i, each in enumerate(scene.objects) if " ".join(each.pair) == name]
            return encode_detections(from_xywh(museum.boxes(scene)[i], [name], (48, 48)), BINS)
        return self.answers[scene, prompt]


def walk(monkeypatch, lies=False):
    """visit(5) with someone who knows all answers, or none."""
    scenes = [*TEST_IID.scenes(guide.PICTURES), *TEST_COMP.scenes(guide.PICTURES)]
    knower = Knower(scenes, lies)
    rng = np.random.default_rng(5)
    asked = [(scene, question) for scene in scenes for question in guide.questions(scene, rng)]
    knower.answers = {(scene, f"answer en {q.text}"): q.answer for scene, q in asked}
    monkeypatch.setattr(guide, "respond", knower)
    return guide.visit(5), knower, scenes


def test_someone_who_knows_is_always_right(shipped, monkeypatch, capsys):
    """The first pictures of each split, in order; a caption, three questions and all boxes each."""
    room, knower, scenes = walk(monkeypatch)
    boxes = sum(len(scene.objects) for scene in scenes)
    stops = room.stops
    assert page.right_of("captions", stops) == "6 of 6"
    assert page.right_of("answers", stops) == "18 of 18"
    assert page.right_of("boxes", stops) == f"{boxes} of {boxes}"
    for stop, scene, prompts in zip(stops, scenes, knower.prompts, strict=True):
        np.testing.assert_array_equal(stop.caption.picture, museum.draw(scene))
        assert len(prompts) == 1 + 3 + len(scene.objects)
        assert [point.label for point in stop.pointed] == [" ".join(e.pair) for e in scene.objects]
        assert all(0.85 < point.overlap <= 1 for point in stop.pointed)
        unseen = [" ".join(each.pair) for each in scene.objects if each.pair in museum.WITHHELD]
        assert stop.unseen == ", ".join(unseen)
    assert [bool(stop.unseen) for stop in stops] == [False] * 3 + [True] * 3
    said = capsys.readouterr().out
    assert said.count("(right)") == guide.TOLD * 4
    assert "(wrong" not in said
    assert f"right in all: 6 of 6 captions, 18 of 18 answers, {boxes} of {boxes} boxes" in said


def test_someone_who_says_nothing_is_never_right(shipped, monkeypatch, capsys):
    room, _, scenes = walk(monkeypatch, lies=True)
    boxes = sum(len(scene.objects) for scene in scenes)
    said = capsys.readouterr().out
    assert f"right in all: 0 of 6 captions, 0 of 18 answers, 0 of {boxes} boxes" in said
    assert "(right)" not in said
    first = room.stops[0].questions[0]
    assert f"{first.question}? (nothing), 50 % sure (wrong: {first.truth})" in said
    assert "it says: (nothing) (wrong)" in said
    assert "(nothing)" in room.html()


def test_an_untrained_guide_walks_too(shipped, capsys):
    """The real way from the file to the room."""
    room = guide.visit(0)
    assert room.parameters < 10_000
    assert "one to three objects" in room.trained_on
    assert len(room.stops) == 2 * guide.PICTURES
    for stop in room.stops:
        rows = len(stop.caption.words)
        assert stop.caption.heats.shape[0] == rows
        assert len(stop.caption.probabilities) in (0, rows)
    assert capsys.readouterr().out.count("\n") == 2 + 4 * guide.TOLD


def test_the_same_seed_is_the_same_walk(shipped):
    walks = [
        [(stop.questions, stop.caption.words, stop.caption.picture.tobytes()) for stop in stops]
        for stops in (guide.visit(seed).stops for seed in (1, 1, 2))
    ]
    assert walks[0] == walks[1]
    assert walks[0][0] != walks[2][0]


def test_a_clone_without_a_guide_says_so_in_one_line(unshipped, capsys):
    assert guide.visit(0) is None
    said = capsys.readouterr().out
    assert said.startswith("The guide is left out: ")
    assert "guide-museum.safetensors is missing" in said
    assert said.count("\n") == 1


def test_a_damaged_guide_is_left_out_too(shipped, capsys):
    shipped.write_bytes(b"no weights")
    assert guide.visit(0) is None
    said = capsys.readouterr().out
    assert said.startswith("The guide is left out: ") and said.count("\n") == 1


def test_the_light_is_that_of_the_caption(monkeypatch):
    given = []

    def attention(model, tokenizer, picture, prompt, ids):
        given.append((picture, prompt, ids))
        return ["a", "star"], np.arange(18.0).reshape(2, 3, 3)

    monkeypatch.setattr(guide, "attention_of_words", attention)
    picture = museum.draw(TEST_IID[0])
    lit = guide.caption_map(guide.Guide(None, WORDS, BINS), picture, answer("a star"))
    assert given == [(picture, "caption en", tuple(WORDS.encode("a star")))]
    assert lit.words == ["a", "star"]
    assert lit.probabilities == [0.25, 0.25]
    assert lit.measure == "attention"
    np.testing.assert_array_equal(lit.heats[1], np.arange(9.0, 18).reshape(3, 3))


# Questions


def test_questions_are_of_different_types():
    for scene in [*TEST_IID.scenes(40), *TEST_COMP.scenes(40)]:
        asked = guide.questions(scene, np.random.default_rng(scene.index))
        assert len({question.type for question in asked}) == guide.QUESTIONS == len(asked)


def test_all_types_come_up():
    rng = np.random.default_rng(0)
    asked = [question for scene in TEST_IID.scenes(60) for question in guide.questions(scene, rng)]
    assert {question.type for question in asked} == set(museum.QUESTION_TYPES)


# Captions

RED_STAR = museum.Object("red", "star", x=10, y=10, radius=8)
BLUE_STAR = museum.Object("blue", "star", x=38, y=10, radius=8)
GREEN_CROSS = museum.Object("green", "cross", x=10, y=38, radius=8)


def scene(*objects):
    return museum.Scene("test_iid", 0, 0, 48, (150, 150, 150), None, "plain", objects)


@pytest.mark.parametrize(
    ("text", "objects", "expected"),
    [
        ("a red star", [RED_STAR], True),
        ("a red star in the top left", [RED_STAR], True),
        ("there is a blue star and a red star", [RED_STAR, BLUE_STAR], True),
        ("there is a red star left of a blue star", [RED_STAR, BLUE_STAR], True),
        ("a red star and a blue star and a green cross", [RED_STAR, GREEN_CROSS, BLUE_STAR], True),
        ("a blue star", [RED_STAR], False),
        ("a red star in the bottom left", [RED_STAR], False),
        ("a red star", [RED_STAR, BLUE_STAR], False),  # true, and one is left out
        ("a star and a red star", [RED_STAR], False),  # one twice
        ("a red star and a red star", [RED_STAR, BLUE_STAR], False),
        ("a red star and a red star in the top left", [RED_STAR, BLUE_STAR], False),
        (
            "a star and a red star and a star in the top left",  # two phrases for the red one
            [RED_STAR, BLUE_STAR, replace(GREEN_CROSS, shape="star")],
            False,
        ),
        ("there is a red star right of a blue star", [RED_STAR, BLUE_STAR], False),
        ("there are two stars", [RED_STAR, BLUE_STAR], False),  # says nothing of each
        ("red star star", [RED_STAR], False),
        ("", [RED_STAR], False),
    ],
)
def test_a_caption_tells_all_and_nothing_else(text, objects, expected):
    assert guide.tells_all(text, scene(*objects)) is expected


# Boxes


def said(*boxes):
    """What a guide says that points at boxes of x, y, width, height."""
    return encode_detections(from_xywh(np.array(boxes), ["star"] * len(boxes), (48, 48)), BINS)


TRUE = np.array([4.0, 8, 20, 10])


@pytest.mark.parametrize(
    ("text", "overlap", "is_right"),
    [
        (said((4, 8, 20, 10)), 1.0, True),
        (said((4, 8, 20, 12)), 10 / 12, True),
        (said((14, 8, 20, 10)), 1 / 3, False),
        (said((4, 8, 20, 10), (4, 8, 20, 10)), 1.0, False),  # one too many
        (said((30, 30, 5, 5)), 0.0, False),
        ("", 0.0, False),
        ("a star", 0.0, False),
        (encode_detections([Detection("star", (0.5, 0.5, 0.5, 0.5))], BINS), 0.0, False),
    ],
)
def test_a_box_is_compared_with_the_true_one(text, overlap, is_right):
    found = guide.pointed("star", text, TRUE, BINS, 48)
    assert found.overlap == pytest.approx(overlap)
    assert found.is_right is is_right
    assert found.boxes.shape == (text.count("<loc") // 4, 4)
