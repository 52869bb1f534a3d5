"""Boxes over a picture: where they are drawn, which are dashed, and labels that can be read."""

import itertools

import numpy as np
import pytest
from page_reader import Reader

from tinyvlm.page import boxes
from tinyvlm.page.boxes import Pointed

SIZE = (48, 64)  # Y, X


def point(label, *found, overlap=0.8):
    return Pointed(label, np.array(found, dtype=float).reshape(-1, 4), overlap)


def numbers(attributes, *names):
    return [float(attributes[name]) for name in names]


def drawn(*pointed, size=SIZE):
    reader = Reader(boxes.layer(size, pointed))
    chips = [numbers(r, "x", "y", "width", "height") for r in rects(reader, "chip")]
    return reader, chips


def rects(reader, kind):
    return [rect for rect in reader.all("rect") if rect["class"] == kind]


def test_a_box_stands_where_it_was_pointed():
    """In pixels of the picture, x before y; the dark line below the light one."""
    reader, _ = drawn(point("red star", (5, 10, 20, 16)))
    (layer,) = reader.all("svg")
    assert layer["viewbox"] == "0 0 64 48"
    lines = [(r["class"], numbers(r, "x", "y", "width", "height")) for r in reader.all("rect")[:2]]
    assert lines == [("casing", [5, 10, 20, 16]), ("line", [5, 10, 20, 16])]
    assert reader.text == "red star"


def test_a_wrong_box_is_dashed():
    right = point("a", (0, 0, 9, 9), overlap=0.5)
    wrong = point("b", (9, 9, 9, 9), overlap=0.49)
    reader, _ = drawn(right, wrong)
    assert [right.is_right, wrong.is_right] == [True, False]
    assert len(rects(reader, "line")) == 1
    assert len(rects(reader, "line dashed")) == 1


def test_one_box_and_no_other_is_right():
    assert not point("a", overlap=0.0).is_right
    assert not point("a", (0, 0, 9, 9), (0, 0, 9, 9), overlap=1.0).is_right
    reader, chips = drawn(point("a", (0, 0, 9, 9), (20, 20, 9, 9)), point("b"))
    assert len(chips) == 2
    assert reader.text == "a a"


@pytest.mark.parametrize("label", ["red star", "yellow triangle", "x" * 60])
@pytest.mark.parametrize("box", [(0, 0, 64, 48), (50, 30, 14, 18), (-5, -5, 8, 8), (60, 47, 9, 9)])
def test_labels_stay_inside_the_picture(label, box):
    _, [(x, y, width, height)] = drawn(point(label, box))
    assert x >= 0 and y >= 0
    assert x + width <= 64.01 and y + height <= 48.01


def test_the_label_stands_above_its_box_or_below_or_in_it():
    for box, top in [((20, 20, 9, 9), "above"), ((20, 1, 9, 9), "below"), ((20, 0, 9, 48), "in")]:
        _, [(_, y, _, height)] = drawn(point("red star", box))
        _, y0, _, tall = box
        expected = {"above": y0 - height, "below": y0 + tall, "in": y0}[top]
        assert y == pytest.approx(expected, abs=0.01)


def test_labels_do_not_hide_one_another():
    """Three boxes side by side, whose labels are wider than they are; and one box three times."""
    row = [point(f"yellow triangle {i}", (2 + 14 * i, 20, 12, 12)) for i in range(3)]
    same = [point(f"yellow star {i}", (30, 20, 14, 14)) for i in range(3)]
    for pointed in (row, same):
        _, chips = drawn(*pointed)
        for a, b in itertools.combinations([boxes.Chip(*chip) for chip in chips], 2):
            assert not a.hides(b)


def test_the_writing_fits_its_ground():
    reader, [(x, _, width, _)] = drawn(point("yellow triangle", (5, 20, 20, 16)))
    (text,) = reader.all("text")
    start, written = numbers(text, "x", "textlength")
    assert x < start
    assert start + written < x + width


def test_labels_are_escaped():
    reader, _ = drawn(point("<script>&", (5, 20, 20, 16)))
    assert reader.text == "<script>&"
    assert reader.all("script") == []
