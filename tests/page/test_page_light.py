"""Light on a picture, word by word: which word is lit at first, and what is said about it."""

import numpy as np
import pytest
from page_reader import Reader, picture

from tinyvlm.page import light


def test_a_word_map_begins_with_the_word_that_has_the_sharpest_peak():
    heats = np.full((3, 4, 6), 0.1)
    heats[1, 3, 0] = 0.9
    heats[2] += 5.0  # high everywhere is no peak
    reader = Reader(light.word_map(light.WordMap(picture(), ["a", "red", "star"], heats)))
    assert [b["aria-pressed"] for b in reader.all("button")] == ["false", "true", "false"]
    lit = ["lit" in image["class"] for image in reader.all("img") if "heat" in image["class"]]
    assert lit == [False, True, False]
    assert "“red” is brightest at the bottom left; similarity 0.10 to 0.90" in reader.text


@pytest.mark.parametrize(
    ("row", "col", "place"),
    [
        (0, 0, "at the top left"),
        (4, 4, "in the middle"),
        (8, 4, "at the bottom"),
        (3, 8, "at the right"),
    ],
)
def test_the_place_of_the_peak_is_named(row, col, place):
    heat = np.full((9, 9), -0.25)
    heat[row, col] = 0.5
    assert light.says("w", heat) == f"“w” is brightest {place}; similarity −0.25 to 0.50"


def test_a_word_map_needs_one_heat_for_each_word():
    with pytest.raises(ValueError, match="got 2 words"):
        light.WordMap(picture(), ["a", "b"], np.zeros((3, 8, 8)))
    with pytest.raises(ValueError, match="at least one"):
        light.WordMap(picture(), [], np.zeros((0, 8, 8)))


def test_how_sure_the_model_was_of_a_word_is_drawn_and_said():
    """Catches probabilities of other words, and bars where nothing was chosen."""
    heats = np.full((2, 3, 3), 0.01)
    heats[1, 0, 1] = 0.25
    item = light.WordMap(picture(), ["a", "star"], heats, [0.125, 0.998], "attention")
    reader = Reader(light.word_map(item))
    assert [bar["style"] for bar in reader.all("i")] == ["--p:0.125", "--p:0.998"]
    said = [button["data-says"] for button in reader.all("button")]
    assert said[0].endswith("; attention 0.01 to 0.01; 12 % sure")
    assert said[1] == "“star” is brightest at the top; attention 0.01 to 0.25; >99 % sure"
    assert said[1] in reader.text
    assert Reader(light.word_map(light.WordMap(picture(), ["a"], heats[:1]))).all("i") == []


def test_probabilities_are_for_all_words_or_for_none():
    with pytest.raises(ValueError, match="each of 2 words or none expected; got 1"):
        light.WordMap(picture(), ["a", "b"], np.zeros((2, 8, 8)), [0.5])
