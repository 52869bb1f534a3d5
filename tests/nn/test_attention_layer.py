"""The attention layer: head by head, across, grouped, and what watch_attention sees."""

import contextvars
import threading

import numpy as np
import pytest

from tinyvlm.nn import functional as F
from tinyvlm.nn.attention import Attention, attention_weights, watch_attention
from tinyvlm.nn.masks import Mask
from tinyvlm.tensor import Tensor

FLOAT64 = 1e-12  # allowed difference of values of size 1

PRESENT = np.array([[True, True, True, False], [False, True, True, True]])
MASKS = {
    "none": None,
    "causal": Mask.causal(4),
    "prefix": Mask.prefix_lm(np.array([[False, False, True, True]])),
    "padding": Mask.full(PRESENT),
}


def layer(D=6, H=3):
    """A layer in float64 whose biases are not zero."""
    attention = Attention(D, H, np.random.default_rng(0))
    for i, parameter in enumerate(attention.parameters()):
        parameter.data = normal(*parameter.shape, seed=20 + i)
    return attention


def normal(*shape, seed=0):
    return np.random.default_rng(seed).normal(size=shape)


def of_one_head(attention, x, context, visible, h):
    """(y (B, T, K), weights (B, T, S)) of head h, from its own columns of the projections."""
    K = x.shape[-1] // attention.H
    columns = slice(h * K, (h + 1) * K)
    q, k, v = (
        of @ part.weight.data[:, columns] + part.bias.data[columns]
        for of, part in ((x, attention.q), (context, attention.k), (context, attention.v))
    )
    weights = np.exp(q @ k.transpose(0, 2, 1) / np.sqrt(K)) * visible  # (B, T, S)
    total = weights.sum(-1, keepdims=True)
    weights /= np.where(total == 0, 1, total)
    return weights @ v, weights


def head_by_head(attention, x, context=None, mask=None):
    """(y (B, T, D), weights (B, H, T, S)), one head after the other."""
    context = x if context is None else context
    visible = 1 if mask is None else mask.dense()
    heads = [of_one_head(attention, x, context, visible, h) for h in range(attention.H)]
    y = np.concatenate([y for y, _ in heads], axis=-1)  # (B, T, D)
    y = y @ attention.out.weight.data + attention.out.bias.data
    return y, np.stack([weights for _, weights in heads], axis=1)


@pytest.mark.parametrize("name", MASKS)
@pytest.mark.parametrize("H", [1, 3, 6])
def test_self_attention_is_a_loop_over_heads(name, H):
    """Catches heads cut out of the wrong axis, a lost bias, and a scale of the whole width."""
    attention, x = layer(H=H), normal(2, 4, 6)
    y = attention(Tensor(x), mask=MASKS[name])
    expected, _ = head_by_head(attention, x, mask=MASKS[name])
    np.testing.assert_allclose(y.data, expected, rtol=FLOAT64, atol=FLOAT64)


@pytest.mark.parametrize("T", [1, 3, 7])
def test_cross_attention_is_a_loop_over_heads(T):
    """Catches queries and keys that change places, and T where S is meant."""
    attention, x, context = layer(), normal(2, T, 6), normal(2, 4, 6, seed=1)
    mask = Mask(np.zeros((2, T), np.int32), np.where(PRESENT, 0, 1).astype(np.int32))
    for given in (None, mask):
        y = attention(Tensor(x), Tensor(context), given)
        expected, _ = head_by_head(attention, x, context, given)
        np.testing.assert_allclose(y.data, expected, rtol=FLOAT64, atol=FLOAT64)


def test_looking_at_oneself_is_a_context_too():
    attention, x = layer(), Tensor(normal(2, 4, 6))
    np.testing.assert_array_equal(attention(x).data, attention(x, x).data)


def test_gradients_reach_both_sides():
    attention = layer()
    x, context = (Tensor(normal(2, n, 6, seed=n), requires_grad=True) for n in (3, 4))
    (attention(x, context) ** 2).sum().backward()
    for tensor in (x, context, *(p for p in attention.parameters() if p is not attention.k.bias)):
        assert np.abs(tensor.grad).max() > 1e-3
    # One number added to all keys moves all scores of a query alike, which a softmax undoes.
    assert np.abs(attention.k.bias.grad).max() < 1e-12 * np.abs(attention.k.weight.grad).max()


def test_a_width_that_does_not_divide():
    with pytest.raises(ValueError, match="width 6 is no multiple of 4 heads"):
        Attention(6, 4, np.random.default_rng(0))


@pytest.mark.parametrize(("H", "G"), [(4, 2), (6, 3), (6, 1)])
def test_grouped_heads_are_repeated_heads(H, G):
    """Catches head h reading key head h % G; a key head's gradient is the sum of its readers'."""
    q, k, v = (normal(2, 4, n, 3, seed=n + i) for i, n in enumerate((H, G, G)))
    few = [Tensor(x, requires_grad=True) for x in (q, k, v)]
    many = [Tensor(np.repeat(x, H // x.shape[2], axis=2), requires_grad=True) for x in (q, k, v)]
    dy = normal(2, 4, H, 3, seed=9)
    results = []
    for tensors in (few, many):
        y = F.attention(*tensors, Mask.causal(4))
        y.backward(dy)
        results.append([y.data, *(t.grad for t in tensors)])
    for one, repeated in zip(*results, strict=True):
        summed = repeated.reshape(2, 4, one.shape[2], -1, 3).sum(axis=3)
        np.testing.assert_allclose(one, summed, rtol=FLOAT64, atol=FLOAT64)


# watch_attention


@pytest.mark.parametrize("name", ["none", "causal", "prefix"])
def test_watched_weights_are_those_that_were_used(name):
    attention, x, mask = layer(), normal(2, 4, 6), MASKS[name]
    with watch_attention() as maps:
        attention(Tensor(x), mask=mask)
    (weights,) = maps
    np.testing.assert_allclose(weights, head_by_head(attention, x, mask=mask)[1], atol=FLOAT64)
    np.testing.assert_allclose(weights.sum(-1), 1, rtol=FLOAT64)
    if mask is not None:
        hidden = np.broadcast_to(~mask.dense()[:, None], weights.shape)
        assert (weights[hidden] == 0).all()


def test_watching_padding_and_a_context():
    """Present queries give nothing to padding, wherever it stands."""
    attention, x = layer(), normal(2, 4, 6)
    with watch_attention() as maps:
        attention(Tensor(x), mask=MASKS["padding"])
        attention(Tensor(normal(2, 5, 6)), context=Tensor(x))
    expected = head_by_head(attention, x, mask=MASKS["padding"])[1]
    for b in range(2):
        rows = maps[0][b][:, PRESENT[b]]
        np.testing.assert_allclose(rows, expected[b][:, PRESENT[b]], atol=FLOAT64)
        assert (rows[:, :, ~PRESENT[b]] == 0).all()
    assert maps[1].shape == (2, 3, 5, 4)


def test_watched_weights_stay_float32():
    q, k = (Tensor(normal(1, 4, 2, 3, seed=s).astype(np.float32)) for s in (0, 1))
    assert attention_weights(q, k, Mask.causal(4)).dtype == np.float32


def test_watching_is_in_order_and_ends():
    """Catches a list that goes on growing after the `with`, also when it is left by an error."""
    first, second = layer(H=1), layer(H=2)
    x = Tensor(normal(1, 4, 6))
    with watch_attention() as maps:
        first(x)
        with watch_attention() as inner:
            second(x)
        second(x)
    first(x)
    assert [len(weights[0]) for weights in maps] == [1, 2]
    assert [len(weights[0]) for weights in inner] == [2]
    with pytest.raises(KeyError), watch_attention() as broken:
        raise KeyError
    first(x)
    assert broken == []


def test_watching_changes_no_result():
    attention, x = layer(), Tensor(normal(2, 4, 6), requires_grad=True)
    plain = attention(x)
    with watch_attention():
        watched = attention(x)
    np.testing.assert_array_equal(plain.data, watched.data)
    assert watched.requires_grad


def test_threads_watch_their_own():
    """Catches a global list: each thread sees its own layers, and the watcher none of theirs."""
    attention, seen = layer(), {}
    together = threading.Barrier(2, timeout=10)

    def work(T):
        with watch_attention() as maps:
            together.wait()
            for _ in range(T):
                attention(Tensor(normal(1, T, 6)))
            together.wait()
        seen[T] = [weights.shape for weights in maps]

    with watch_attention() as maps:
        threads = [threading.Thread(target=work, args=(T,)) for T in (2, 3)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        unwatched = threading.Thread(target=attention, args=(Tensor(normal(1, 4, 6)),))
        unwatched.start()
        unwatched.join()
    assert seen == {2: [(1, 3, 2, 2)] * 2, 3: [(1, 3, 3, 3)] * 3}
    assert maps == []


def test_a_context_of_before_does_not_watch():
    before, x = contextvars.copy_context(), Tensor(normal(1, 4, 6))
    with watch_attention() as maps:
        before.run(layer(), x)
    assert maps == []


def test_a_query_that_sees_nothing_is_shown_to_look_nowhere():
    q = Tensor(np.ones((1, 2, 1, 4), np.float32))
    weights = attention_weights(q, q, Mask.full(np.array([[True, False]])))
    np.testing.assert_allclose(weights[0, 0], [[1, 0], [0, 0]])
