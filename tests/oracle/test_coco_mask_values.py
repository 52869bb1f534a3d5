"""Polygons and run lengths against stored values of pycocotools, pixel for pixel."""

import json
from pathlib import Path

import numpy as np
import pytest

from tinyvlm.datasets import polygons, rle

VALUES = json.loads(Path(__file__).with_name("coco_mask_values.json").read_text(encoding="utf-8"))


def pixels(case):
    height, width = case["size"]
    bits = np.unpackbits(np.frombuffer(bytes.fromhex(case["pixels"]), np.uint8))
    return bits[: height * width].reshape(height, width).astype(bool)


@pytest.mark.parametrize("case", VALUES["polygons"], ids=range(len(VALUES["polygons"])))
def test_polygons(case):
    got = polygons.paint(case["polygons"], *case["size"])
    assert got.dtype == bool
    np.testing.assert_array_equal(got, pixels(case))


@pytest.mark.parametrize("case", VALUES["masks"], ids=range(len(VALUES["masks"])))
def test_run_lengths(case):
    counts = rle.encode(pixels(case))
    assert rle.to_string(counts) == case["string"]
    assert rle.from_string(case["string"]).tolist() == counts
    np.testing.assert_array_equal(rle.decode(counts, *case["size"]), pixels(case))


def test_the_values_are_varied():
    """Catches stored values that test nothing: all empty, or all full."""
    shares = [pixels(case).mean() for case in VALUES["polygons"]]
    assert sum(0.05 < share < 0.95 for share in shares) > 100
    assert sum(len(case["polygons"]) > 1 for case in VALUES["polygons"]) > 50
    assert max(len(case["string"]) for case in VALUES["masks"]) > 100
