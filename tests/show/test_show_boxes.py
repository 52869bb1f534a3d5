"""Boxes on pictures: where their lines run, and labels that can be read wherever a box is."""

import numpy as np
import pytest
from PIL import ImageColor

from tinyvlm import show
from tinyvlm.show.boxes import MARGIN, TAG
from tinyvlm.show.charts import LINES
from tinyvlm.show.pictures import PAPER

COLOURS = [ImageColor.getrgb(line) for line in LINES]


def plain(height=24, width=48, colour=0):
    return np.full((height, width, 3), colour, np.uint8)


def drawn(boxes, labels=None, picture=None, size=480):
    picture = plain() if picture is None else picture
    labels = [""] * len(boxes) if labels is None else labels
    return np.asarray(show.with_boxes(picture, np.reshape(boxes, (-1, 4)), labels, size))


def where(image, colour):
    """(top, left, bottom, right) of the pixels of one colour."""
    rows, columns = np.nonzero((image == colour).all(axis=-1))
    return rows.min(), columns.min(), rows.max(), columns.max()


def test_a_line_runs_along_the_edge_of_its_box():
    """48 x 24 pixels become 480 x 240; x comes before y; a middle of three pixels is the edge."""
    x, y, width, height = 12, 6, 20, 16
    image = drawn([[x, y, width, height]])
    assert image.shape == (240 + 2 * MARGIN, 480 + 2 * MARGIN, 3)
    left, top = MARGIN + 10 * x, MARGIN + 10 * y
    right, bottom = left + 10 * width, top + 10 * height
    middle = (top + bottom) // 2, (left + right) // 2
    for row, column in [(middle[0], left), (middle[0], right), (top, middle[1])]:
        assert tuple(image[row, column]) == COLOURS[0]
    assert tuple(image[bottom, middle[1]]) == COLOURS[0]
    assert tuple(image[middle[0], left - 3]) == tuple(image[middle[0], left + 3]) == PAPER
    assert tuple(image[middle]) == (0, 0, 0)
    assert tuple(image[middle[0], left - 8]) == (0, 0, 0)


def test_a_picture_that_is_made_smaller():
    image = drawn([[1200, 0, 1200, 600]], picture=plain(1200, 2400), size=240)
    _, left, bottom, right = where(image, COLOURS[0])
    assert (left, bottom, right) == (MARGIN + 120 - 1, MARGIN + 60 + 1, MARGIN + 240 + 1)


def test_without_boxes_there_is_the_picture():
    image = drawn([])
    assert (image[MARGIN:-MARGIN, MARGIN:-MARGIN] == 0).all()


def test_each_label_has_a_place_of_its_own():
    """Four equal boxes: four labels that do not hide one another, all inside the image."""
    image = drawn([[2, 2, 30, 15]] * 4, ["red circle 0.93"] * 4)
    corners = [where(image, colour) for colour in COLOURS]
    for i in range(3):  # the line of the last box hides those of the others
        top, left, bottom, right = corners[i]
        assert (bottom - top, right - left > 80) == (TAG, True)
        assert all(bottom < c[0] or c[2] < top for c in corners[:i])


@pytest.mark.parametrize("box", [[0, 0, 48, 24], [0, 0, 0, 0], [48, 24, 0, 0], [47, 0, 1, 24]])
@pytest.mark.parametrize("label", ["red circle 0.93", "", "w" * 900, "星 " * 90])
def test_a_label_fits_wherever_its_box_is(box, label):
    image = drawn([box], [label])
    _, left, _, right = where(image, COLOURS[0])
    assert left > 0 and right < image.shape[1] - 1


@pytest.mark.parametrize("shape", [(1, 1), (1, 2000), (2000, 1)])
def test_pictures_of_other_proportions(shape):
    image = drawn([[0, 0, shape[1], shape[0]]], ["red circle 0.93"], plain(*shape))
    _, left, _, right = where(image, COLOURS[0])
    assert right - left > 100  # the label can be read
    assert image.shape[0] <= 480 + 2 * MARGIN


@pytest.mark.parametrize(
    ("boxes", "labels"),
    [(np.zeros((2, 4)), ["x"]), (np.zeros(4), ["x"]), (np.full((1, 4), np.nan), ["x"])],
)
def test_boxes_that_cannot_be_drawn(boxes, labels):
    with pytest.raises(ValueError, match=r"finite boxes \(M, 4\) and M labels expected"):
        show.with_boxes(plain(), boxes, labels)
