"""A sample reads its picture once; a sequence on demand makes its items when asked."""

import numpy as np
import pytest

from tinyvlm.datasets.sample import OnDemand, Sample


def test_a_picture_is_read_once():
    reads = []
    sample = Sample(lambda: reads.append(1) or np.zeros((2, 3, 3), np.uint8))
    assert reads == []
    assert sample.image is sample.image
    assert reads == [1]


def test_what_a_format_lacks_is_empty():
    sample = Sample(lambda: np.zeros((1, 1, 3), np.uint8))
    assert sample.captions == sample.boxes == sample.box_labels == sample.masks == sample.qa == []
    assert sample.label is None
    assert sample.meta == {}


def test_on_demand():
    made = []
    squares = OnDemand(4, lambda i: made.append(i) or i * i)
    assert len(squares) == 4
    assert made == []
    assert squares[-1] == squares[np.int64(3)] == 9
    assert made == [3, 3]
    assert list(squares) == [0, 1, 4, 9]
    for index in (4, -5):
        with pytest.raises(IndexError, match="of a sequence of 4"):
            squares[index]
    with pytest.raises(TypeError):
        squares[0:2]
