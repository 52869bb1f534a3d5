"""Dropout: what is kept, how it is scaled, and that forward and backward keep the same."""

import numpy as np
import pytest
from gradient_check import check, composed, normal

from tinyvlm.nn import functional as F
from tinyvlm.tensor import Tensor


def draw(seed=0):
    return np.random.default_rng(seed)


@pytest.mark.parametrize("p", [0.0, 0.3, 0.9])
@pytest.mark.parametrize("shape", [(3, 5), (2, 1, 3), (1,), (), (0, 3)])
def test_dropout(shape, p):
    """Catches a missing 1 / (1 - p), and a backward that keeps other values than forward."""
    keep = draw().random(shape, dtype=np.float32) >= p
    twin = composed(lambda x: F.where(keep, x / (1 - p), 0.0))
    check(lambda x: F.dropout(x, p, draw()), twin, normal(*shape))


def test_the_share_that_is_dropped_and_the_mean_that_stays():
    """Catches p taken for 1 - p."""
    y = F.dropout(Tensor(np.ones(100_000, np.float32)), 0.2, draw()).data
    assert (y == 0).mean() == pytest.approx(0.2, abs=0.01)
    assert y.mean() == pytest.approx(1, abs=0.01)


def test_the_generator_decides():
    """Catches a hidden source of randomness: a resumed run must draw the same masks."""
    x = Tensor(np.ones(50))
    a, b, c = (F.dropout(x, 0.5, draw(seed)).data for seed in (1, 1, 2))
    np.testing.assert_array_equal(a, b)
    assert (a != c).any()


def test_float32_and_float64_drop_the_same_values():
    """Catches a gradient check in float64 that would check another function."""
    a = F.dropout(Tensor(np.ones(50, np.float32)), 0.5, draw())
    b = F.dropout(Tensor(np.ones(50, np.float64)), 0.5, draw())
    np.testing.assert_array_equal(a.data, b.data)


@pytest.mark.parametrize("p", [-0.1, 1.0, 1.5, float("nan")])
def test_impossible_shares(p):
    with pytest.raises(ValueError, match=r"dropout: p must be in \[0, 1\)"):
        F.dropout(Tensor(np.ones(3)), p, draw())
