"""Softmax and the cross-entropies: against their definitions, at extremes, and with bad targets."""

import numpy as np
import pytest
from gradient_check import check, composed, normal

from tinyvlm.nn import functional as F
from tinyvlm.tensor import Tensor

AXES = [
    ((3, 5), -1),
    ((3, 5), 0),
    ((2, 3, 4), 1),
    ((1, 1), -1),
    ((5, 1), 1),
    ((0, 3), -1),
    ((4,), 0),
]
IGNORED = -100


def softmax(x, axis=-1):
    """The definition, without subtracting the maximum."""
    return x.exp() / x.exp().sum(axis=axis, keepdims=True)


@pytest.mark.parametrize(("shape", "axis"), AXES)
def test_softmax(shape, axis):
    """Catches a backward that forgets that the values of a row share one sum."""
    twin = composed(lambda x: softmax(x, axis))
    check(lambda x: F.softmax(x, axis), twin, normal(*shape))


@pytest.mark.parametrize(("shape", "axis"), AXES)
def test_log_softmax(shape, axis):
    twin = composed(lambda x: softmax(x, axis).log())
    check(lambda x: F.log_softmax(x, axis), twin, normal(*shape))


def mixed(targets, V, smoothing):
    """The target distributions (rows, V): (1 - smoothing) one-hot + smoothing / V, 0 if ignored."""
    counted = targets.ravel() != IGNORED
    one_hot = np.eye(V)[np.where(counted, targets.ravel(), 0)]
    return ((1 - smoothing) * one_hot + smoothing / V) * counted[:, None]


@pytest.mark.parametrize("smoothing", [0.0, 0.1, 1.0])
@pytest.mark.parametrize(
    "targets",
    [[1, 4, 0], [[2, 2], [3, 1]], [IGNORED, 3, IGNORED, 0], [2], 2, [IGNORED, IGNORED], []],
)
def test_cross_entropy(targets, smoothing):
    """Catches a mean over ignored targets, and a smoothing that does not add up to 1. Targets that
    are all ignored, or none at all, give a loss of 0 and gradients of 0."""
    targets, V = np.array(targets, dtype=np.int64), 5
    count = max(np.sum(targets != IGNORED), 1)
    p = mixed(targets, V, smoothing)

    def definition(logits):
        log_p = softmax(logits.reshape(-1, V)).log()
        return (log_p * -p).sum() / float(count)

    def f(logits):
        return F.cross_entropy(logits, targets, label_smoothing=smoothing)

    check(f, composed(definition), normal(*targets.shape, V))


def test_another_ignored_index():
    logits = Tensor(normal(3, 5))
    a = F.cross_entropy(logits, np.array([0, 1, 2]), ignore_index=0)
    b = F.cross_entropy(logits[1:], np.array([1, 2]))
    assert a.item() == pytest.approx(b.item(), rel=1e-12)


@pytest.mark.parametrize("total", [1.0, 0.7])
@pytest.mark.parametrize("shape", [(3, 4), (2, 3, 4), (4,), (1, 1), (0, 4)])
def test_soft_cross_entropy(shape, total):
    """Catches a mean over values instead of rows, and a gradient that takes a row's sum for 1."""
    targets = softmax(Tensor(normal(*shape, seed=5))).data * total
    rows = float(max(np.prod(shape[:-1]), 1))
    definition = composed(lambda x: (softmax(x).log() * -targets).sum() / rows)
    check(lambda x: F.soft_cross_entropy(x, targets.astype(x.dtype)), definition, normal(*shape))


@pytest.mark.parametrize("shape", [(3, 4), (1,), (), (0, 3)])
def test_sigmoid_cross_entropy(shape):
    """Catches t and 1 - t swapped."""
    targets = np.asarray(np.random.default_rng(3).random(shape))

    def definition(x):
        p = 1 / (1 + (-x).exp())
        return -(p.log() * targets + (1 - p).log() * (1 - targets))

    def f(x):
        return F.sigmoid_cross_entropy(x, targets.astype(x.dtype))

    check(f, composed(definition), normal(*shape))


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_extreme_logits(dtype):
    """Catches overflow and ln 0: warnings are errors here."""
    x = Tensor(np.array([[1e4, -1e4, 0], [-1e4, -1e4, -1e4]], dtype), requires_grad=True)
    np.testing.assert_allclose(F.softmax(x).data, [[1, 0, 0], [1 / 3] * 3], rtol=1e-6)
    np.testing.assert_allclose(
        F.log_softmax(x).data, [[0, -2e4, -1e4], [-np.log(3)] * 3], rtol=1e-6
    )
    loss = F.cross_entropy(x, np.array([1, 0]))
    loss.backward()
    assert loss.item() == pytest.approx((2e4 + np.log(3)) / 2, rel=1e-6)
    np.testing.assert_allclose(x.grad, [[0.5, -0.5, 0], [-1 / 3, 1 / 6, 1 / 6]], rtol=1e-5)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_extreme_logits_of_yes_or_no(dtype):
    x = Tensor(np.array([1e4, -1e4, 1e4, -1e4], dtype), requires_grad=True)
    loss = F.sigmoid_cross_entropy(x, np.array([1, 0, 0, 1], dtype))
    loss.sum().backward()
    np.testing.assert_allclose(loss.data, [0, 0, 1e4, 1e4], atol=1e-30)
    np.testing.assert_allclose(x.grad, [0, 0, 1, -1], atol=1e-30)


def test_a_row_of_minus_infinity_beside_finite_ones():
    """Catches NaN from a hidden class: e^-inf is 0."""
    x = Tensor(np.array([[0.0, -np.inf, 0.0]]), requires_grad=True)
    F.cross_entropy(x, np.array([0])).backward()
    np.testing.assert_allclose(x.grad, [[-0.5, 0, 0.5]])


@pytest.mark.parametrize(
    ("targets", "message"),
    [
        ([0, 5], r"targets must be classes 0..4 or -100, got 0..5"),
        ([-1, 2], r"targets must be classes 0..4 or -100, got -1..2"),
        ([0], r"expected logits \(\.\.\., V\) and targets \(\.\.\.\), got .*\(2, 5\) .*\(1,\)"),
    ],
)
def test_wrong_targets_are_named(targets, message):
    """Catches -1 counting as the last class, as NumPy would."""
    with pytest.raises(ValueError, match=message):
        F.cross_entropy(Tensor(normal(2, 5)), np.array(targets))


@pytest.mark.parametrize("loss", [F.soft_cross_entropy, F.sigmoid_cross_entropy])
def test_targets_of_another_shape(loss):
    """Catches targets that would broadcast silently."""
    with pytest.raises(ValueError, match=r"one shape, got \(2, 5\) and \(5,\)"):
        loss(Tensor(normal(2, 5)), normal(5))


def test_an_ignored_row_may_hold_minus_infinity():
    logits = Tensor(np.array([[-np.inf, 0.0], [1.0, 1.0]]))
    loss = F.cross_entropy(logits, [-100, 0])
    assert loss.item() == pytest.approx(np.log(2))
