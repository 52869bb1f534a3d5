"""Boxes as words: the published order and rounding, and what a model may say by mistake."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tinyvlm.datasets import museum
from tinyvlm.errors import InputError
from tinyvlm.text import WordTokenizer
from tinyvlm.text.locations import (
    Detection,
    decode_detections,
    decode_scored,
    encode_detections,
    from_xywh,
    location_words,
    to_xywh,
)

shares = st.floats(0, 1, width=32)
boxes = st.tuples(shares, shares, shares, shares).map(
    lambda b: (min(b[0], b[2]), min(b[1], b[3]), max(b[0], b[2]), max(b[1], b[3]))
)
labels = st.sampled_from(["circle", "red star", ""])
detections = st.lists(st.builds(Detection, labels, boxes), max_size=4)


def test_the_published_words():
    """y min, x min, y max, x max; a place c of 0..1 is the word round(1023 c)."""
    words = location_words()
    assert len(words) == 1024
    assert (words[0], words[1023]) == ("<loc0000>", "<loc1023>")
    cat = Detection("cat", (0.0, 0.25, 0.5, 1.0))
    assert encode_detections([cat]) == "<loc0000><loc0256><loc0512><loc1023> cat"
    two = "<loc0000><loc0256><loc0512><loc1023> cat ; <loc0001><loc0002><loc0003><loc0004> dog"
    first, second = decode_detections(two)
    assert first == Detection("cat", (0.0, 256 / 1023, 512 / 1023, 1.0))
    assert second == Detection("dog", (1 / 1023, 2 / 1023, 3 / 1023, 4 / 1023))


@given(detections, st.sampled_from([2, 49, 1024]))
def test_there_and_back(found, bins):
    """Each corner comes back within half a bin, each label as it was."""
    back = decode_detections(encode_detections(found, bins), bins)
    assert [d.label for d in back] == [d.label for d in found]
    for ours, theirs in zip(back, found, strict=True):
        np.testing.assert_allclose(ours.box, theirs.box, rtol=0, atol=0.5 / (bins - 1) + 1e-9)


@given(detections)
def test_a_word_tokenizer_loses_nothing(found):
    """It drops the " ; " and puts blanks between words."""
    tokenizer = WordTokenizer([*location_words(49), "circle", "red", "star"])
    text = encode_detections(found, 49)
    ids = tokenizer.encode(text)
    assert tokenizer.unk_id not in ids
    assert decode_detections(tokenizer.decode(ids), 49) == decode_detections(text, 49)


def test_one_bin_more_than_pixels_is_exact_to_the_pixel():
    box = (3 / 48, 10 / 48, 20 / 48, 48 / 48)
    text = encode_detections([Detection("star", box)], 49)
    assert text == "<loc0003><loc0010><loc0020><loc0048> star"
    np.testing.assert_allclose(decode_detections(text, 49)[0].box, box, rtol=1e-12)


@pytest.mark.parametrize(
    ("text", "labels"),
    [
        ("", []),
        ("nothing here", []),
        ("<loc0001><loc0002><loc0003> cat", []),  # three places
        ("<loc0001><loc0002><loc0003><loc0004>", [""]),
        ("<loc0001><loc0002> cat <loc0001><loc0002><loc0003><loc0004> dog", ["dog"]),
        ("<loc0001> <loc0002>  <loc0003><loc0004>  big cat ", ["big cat"]),
        ("<loc0001><loc0002><loc0003><loc0060> cat", []),  # place 60 of 49
        ("<loc1><loc2><loc3><loc4> cat", []),
    ],
)
def test_what_a_model_may_say(text, labels):
    assert [d.label for d in decode_detections(text, 49)] == labels


def test_scores():
    """The mean of four places times the product of the label's words; not its neighbour's."""
    first = [("<loc0001>", 0.9), ("<loc0002>", 0.8), ("<loc0030>", 0.7), ("<loc0040>", 0.6)]
    second = [("<loc0003>", 1.0), ("<loc0004>", 0.5), ("<loc0005>", 1.0), ("<loc0006>", 0.5)]
    tokens = [("so", 0.1), *first, ("red", 0.5), ("star", 0.4), *second, ("", 0.2)]
    (one, high), (other, low) = decode_scored(tokens, 49)
    assert (one.label, other.label) == ("red star", "")
    assert high == pytest.approx(0.75 * 0.5 * 0.4)
    assert low == pytest.approx(0.75)
    assert decode_scored([*first[:3], ("star", 1.0)], 49) == []
    assert decode_scored([], 49) == []


@given(detections, st.data())
def test_scored_objects_are_the_objects(found, data):
    text = encode_detections(found, 49).replace("<", " <")
    p = data.draw(st.lists(st.floats(0, 1), min_size=30, max_size=30))
    scored = decode_scored(list(zip(text.split(), p, strict=False)), 49)
    assert [detection for detection, _ in scored] == decode_detections(text, 49)
    assert all(0 <= score <= 1 for _, score in scored)


def test_corners_in_the_wrong_order_are_put_in_order():
    text = "<loc0040><loc0030><loc0020><loc0048> cat"
    np.testing.assert_allclose(
        decode_detections(text, 49)[0].box, np.array([20, 30, 40, 48]) / 48, rtol=1e-12
    )


@pytest.mark.parametrize(
    "box", [(0.5, 0, 0.4, 1), (0, 0, 1, 1.1), (-0.1, 0, 1, 1), (0, 0, 1, np.nan)]
)
def test_boxes_outside_the_picture_are_refused(box):
    with pytest.raises(InputError, match=r"box .* of 'cat': give y min, x min, y max, x max"):
        encode_detections([Detection("cat", box)])


@pytest.mark.parametrize("bins", [1, 10_001])
def test_bins_that_have_no_words(bins):
    with pytest.raises(InputError, match=f"bins is {bins}: give 2 to 10000"):
        location_words(bins)


def test_boxes_of_data_sets():
    """x, y, width, height in pixels become y before x, and come back; outside parts are cut."""
    found = from_xywh([[10, 20, 30, 40], [90, -5, 20, 10]], ["cat", "dog"], (80, 100))
    assert found[0] == Detection("cat", (0.25, 0.1, 0.75, 0.4))
    assert found[1] == Detection("dog", (0.0, 0.9, 0.0625, 1.0))
    np.testing.assert_allclose(
        to_xywh(found, (80, 100)), [[10, 20, 30, 40], [90, 0, 10, 5]], atol=1e-9
    )
    assert from_xywh(np.empty((0, 4)), [], (80, 100)) == []
    assert to_xywh([], (80, 100)).shape == (0, 4)


def test_boxes_of_the_museum_lose_half_a_pixel_at_most():
    for scene in museum.Museum(museum.SEVERAL_OBJECTS).scenes(20):
        wanted = museum.boxes(scene)
        size = (scene.size_px, scene.size_px)
        said = encode_detections(from_xywh(wanted, ["it"] * len(wanted), size), 49)
        found = to_xywh(decode_detections(said, 49), size)
        corners = [np.concatenate([b[:, :2], b[:, :2] + b[:, 2:]], axis=1) for b in (found, wanted)]
        np.testing.assert_allclose(*corners, rtol=0, atol=0.5001)
