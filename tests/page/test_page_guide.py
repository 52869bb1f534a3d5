"""The guide's room: what it said stands there, judged, and the sums are those of the judgements."""

import numpy as np
import pytest
from page_reader import Reader, picture

from tinyvlm import page
from tinyvlm.page import guide


def stop(answers=(), overlaps=(), is_right=True, unseen=""):
    """answers: (what it said, what is so)."""
    words = page.WordMap(picture(), ["a", "star"], np.eye(2)[:, None], [0.9, 0.6], "attention")
    asked = [page.Asked(f"what is number {i}", *a, 0.42) for i, a in enumerate(answers)]
    box = np.array([[1.0, 2, 3, 4]])
    pointed = [page.Pointed(f"thing {i}", box, overlap) for i, overlap in enumerate(overlaps)]
    return page.GuideStop(words, is_right, "a red star", asked, pointed, unseen)


def test_answers_stand_below_their_questions_and_are_judged():
    reader = Reader(stop([("red", "red"), ("two", "three")]).html())
    assert "What is number 0? red 42 % right What is number 1? two 42 % wrong" in reader.text
    assert "wrong: the answer is three" in reader.text
    answers = [li.get("class") for li in reader.all("li")]
    assert answers == ["true", None]


def test_an_empty_answer_is_said_to_be_empty():
    assert "(nothing) 42 % wrong: the answer is red" in Reader(stop([("", "red")]).html()).text


def test_a_caption_is_judged_as_a_whole():
    assert "Caption right" in Reader(stop().html()).text
    wrong = Reader(stop(is_right=False).html())
    assert "Caption wrong: there is a red star" in wrong.text


def test_boxes_are_drawn_and_measured():
    reader = Reader(stop(overlaps=(0.834, 0.2)).html())
    assert "thing 0 overlap 0.83 thing 1 overlap 0.20" in reader.text
    kinds = [span["class"] for span in reader.all("span") if "verdict" in span.get("class", "")]
    assert kinds == ["verdict right", "verdict wrong"]
    assert len(reader.all("svg")) == 1
    assert len(reader.all("text")) == 2


@pytest.mark.parametrize(("count", "said"), [(0, "no box"), (2, "2 boxes")])
def test_no_box_and_several(count, said):
    item = page.Pointed("thing", np.ones((count, 4)), 0.9)
    assert f'<span class="verdict wrong">{said}</span>' in guide._pointed(item)


STOPS = [
    stop([("red", "red"), ("no", "yes")], [0.9, 0.4]),
    stop([("no", "no")], [0.1], is_right=False),
    stop([("two", "two"), ("left", "right")], [0.7], unseen="red circle"),
]


def test_what_is_right_is_counted():
    assert guide.right_of("captions", STOPS) == "2 of 3"
    assert guide.right_of("answers", STOPS) == "3 of 5"
    assert guide.right_of("boxes", STOPS) == "2 of 4"
    assert guide.right_of("boxes", []) == "0 of 0"


def test_the_room_says_how_much_is_right_and_of_what():
    text = Reader(guide.GuideRoom(STOPS, 491_680, "pictures of a museum").html()).text
    assert "a PaliGemma of 491,680 numbers" in text
    assert "trained on pictures of a museum." in text
    assert "Right are 2 of 3 captions, 3 of 5 answers and 2 of 4 boxes. 2 of the quest" in text
    assert "the last 1 show" in text
    assert "pairs seen in training 2 1 of 2 2 of 3 1 of 3" in text
    assert "one pair never seen 1 1 of 1 1 of 2 1 of 1" in text
    assert "Picture 3 red circle: never shown in training" in text


def test_a_room_without_unseen_pairs_has_one_row():
    text = Reader(guide.GuideRoom(STOPS[:2], 1, "x").html()).text
    assert "one pair never seen" not in text
    assert "never shown" not in text and "never met" not in text
