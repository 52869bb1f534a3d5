"""Attention: against the formula head by head, with every mask, at extremes, and with odd sizes."""

from functools import partial

import numpy as np
import pytest
from gradient_check import check, composed, normal

from tinyvlm.nn import functional as F
from tinyvlm.nn.masks import Mask
from tinyvlm.tensor import Tensor

# B, T, S, H, G, K
SIZES = [
    (2, 3, 3, 2, 2, 4),
    (1, 1, 1, 1, 1, 1),
    (2, 3, 5, 4, 2, 3),  # grouped-query: 2 query heads on each key head
    (1, 4, 4, 6, 1, 2),  # multi-query: 6 on one
    (2, 1, 7, 2, 2, 3),  # decoding: one query, many keys
    (0, 3, 3, 2, 2, 4),
    (2, 0, 3, 2, 2, 4),
]


def inputs(B, T, S, H, G, K):
    return normal(B, T, H, K), normal(B, S, G, K, seed=1), normal(B, S, G, K, seed=2)


def head_by_head(q, k, v, visible=None, scale=None):
    """softmax(q k^T scale) v for one head after the other, the key heads really repeated."""
    H, G, K = q.shape[2], k.shape[2], q.shape[3]
    scale = 1 / np.sqrt(K).item() if scale is None else scale
    out = []
    for h in range(H):
        qh, kh, vh = q[:, :, h], k[:, :, h * G // H], v[:, :, h * G // H]
        weight = (qh @ kh.transpose(0, 2, 1) * scale).exp()  # (B, T, S)
        if visible is not None:
            weight = weight * visible.astype(float)
        total = weight.sum(axis=-1, keepdims=True)
        sees_nothing = (total.data == 0).astype(float)
        out.append((weight / (total + sees_nothing)) @ vh)
    return F.stack(out, axis=2)


@pytest.mark.parametrize("size", SIZES)
def test_attention(size):
    """Catches a wrong pairing of heads, a missing scale, and a softmax over the wrong axis."""
    check(F.attention, composed(head_by_head), *inputs(*size))


def test_another_scale():
    twin = composed(partial(head_by_head, scale=0.7))
    check(partial(F.attention, scale=0.7), twin, *inputs(2, 3, 5, 4, 2, 3))


PRESENT = np.array([[True, True, True, False], [False, False, True, True]])
MASKS = {
    "causal": Mask.causal(4),
    "padding right and left": Mask.full(PRESENT),
    "prefix": Mask.prefix_lm(np.array([[0, 0, 1, 1], [0, 1, 1, 1]])),
    "causal and padding": Mask.from_marks(np.ones((2, 4), int), PRESENT),
    "equal ranks": Mask(np.array([[0, 1, 1, 5]]), np.array([[0, 0, 1, 2]]), equal=True),
    "nobody sees anything": Mask.full(np.zeros((2, 4), bool)),
}


@pytest.mark.parametrize("heads", [(2, 2), (4, 2), (3, 1)])
@pytest.mark.parametrize("name", MASKS)
def test_masks(name, heads):
    """Catches a mask on the wrong axis or head, and hidden keys that still weigh in."""
    mask = MASKS[name]
    twin = composed(partial(head_by_head, visible=mask.dense()))
    check(partial(F.attention, mask=mask), twin, *inputs(2, 4, 4, *heads, 3))


def test_no_keys_to_look_at():
    """Catches a maximum over nothing: the output is zeros, as for a query that sees nothing."""
    mask = Mask(np.zeros((1, 3), int), np.zeros((1, 0), int))
    twin = composed(partial(head_by_head, visible=mask.dense()))
    check(partial(F.attention, mask=mask), twin, *inputs(2, 3, 0, 2, 2, 3))


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_a_query_that_sees_nothing(dtype):
    """Catches 0/0: its output is exactly zero, and no gradient passes through it."""
    q, k, v = (Tensor(x.astype(dtype), requires_grad=True) for x in inputs(2, 4, 4, 2, 2, 3))
    y = F.attention(q, k, v, Mask.full(PRESENT))
    y.sum().backward()
    for array in (y.data, q.grad, k.grad, v.grad):
        np.testing.assert_array_equal(array[~PRESENT], 0)
        assert (array[PRESENT] != 0).all()


@pytest.mark.parametrize("masked", [False, True])
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_extreme_scores(dtype, masked):
    """Catches e^(1e4): the largest score takes everything, and a hidden one is not the largest."""
    mask = Mask(np.array([[0]]), np.array([[0, 0, 1]])) if masked else None
    q = Tensor(np.full((1, 1, 1, 1), 1e4, dtype), requires_grad=True)
    k = Tensor(np.array([-1, 1, 2], dtype).reshape(1, 3, 1, 1), requires_grad=True)
    v = Tensor(np.array([3, 4, 5], dtype).reshape(1, 3, 1, 1), requires_grad=True)
    y = F.attention(q, k, v, mask)
    y.backward()
    assert y.item() == (4 if masked else 5)
    np.testing.assert_array_equal(v.grad.ravel(), [0, 1, 0] if masked else [0, 0, 1])
    np.testing.assert_array_equal([*q.grad.ravel(), *k.grad.ravel()], 0)


def test_what_is_hidden_has_no_influence():
    """Catches a mask that only weakens: huge hidden keys and values must change nothing."""
    q, k, v = inputs(2, 4, 4, 2, 2, 3)
    mask = Mask.full(PRESENT)
    before = F.attention(Tensor(q), Tensor(k), Tensor(v), mask).data
    k[~PRESENT] = v[~PRESENT] = 1e6
    after = F.attention(Tensor(q), Tensor(k), Tensor(v), mask).data
    np.testing.assert_array_equal(after, before)


@pytest.mark.parametrize(
    ("q", "k", "v"),
    [
        ((2, 3, 4, 5), (2, 3, 3, 5), (2, 3, 3, 5)),  # 4 heads on 3
        ((2, 3, 4, 5), (1, 3, 4, 5), (1, 3, 4, 5)),
        ((2, 3, 4, 5), (2, 3, 4, 6), (2, 3, 4, 6)),
        ((2, 3, 4, 5), (2, 3, 4, 5), (2, 2, 4, 5)),
        ((3, 4, 5), (3, 4, 5), (3, 4, 5)),
        ((2, 3, 4, 5), (2, 3, 0, 5), (2, 3, 0, 5)),
    ],
)
def test_shapes_that_do_not_fit(q, k, v):
    with pytest.raises(ValueError, match=r"Attention of .*: expected q \(B, T, H, K\) and k, v"):
        F.attention(*(Tensor(np.ones(shape)) for shape in (q, k, v)))


def test_a_mask_for_other_lengths():
    with pytest.raises(
        ValueError, match=r"a mask for \(2 or 1, 4, 4\) = \(B, T, S\), got \(1, 3, 3\)"
    ):
        F.attention(*(Tensor(x) for x in inputs(2, 4, 4, 2, 2, 3)), Mask.causal(3))


def test_no_keys_at_all_give_zeros():
    q = Tensor(np.ones((1, 2, 1, 3)), requires_grad=True)
    nothing = Tensor(np.ones((1, 0, 1, 3)))
    y = F.attention(q, nothing, nothing)
    y.sum().backward()
    np.testing.assert_array_equal(y.data, np.zeros((1, 2, 1, 3)))
    np.testing.assert_array_equal(q.grad, np.zeros((1, 2, 1, 3)))
