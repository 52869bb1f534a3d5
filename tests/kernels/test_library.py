"""The library path: attention and scatter-add on raw arrays, against loops."""

import numpy as np
import pytest

from tinyvlm.kernels import dispatch, library


def normal(*shape, seed=0):
    return np.random.default_rng(seed).normal(size=shape)


def attention_row(q, k, v, visible):
    """One query q (K,) on keys and values (S, K), straight from the formula (scale 0.5)."""
    score = np.where(visible, k @ q * 0.5, -np.inf)
    if not visible.any():
        return np.zeros_like(q)
    p = np.exp(score - score.max())
    return (p / p.sum()) @ v


def inputs(B=2, T=3, S=5, H=4, G=2, K=3):
    visible = np.random.default_rng(3).random((B, T, S)) < 0.6
    visible[0, 1] = False  # a query that sees nothing
    return normal(B, T, H, K), normal(B, S, G, K, seed=1), normal(B, S, G, K, seed=2), visible


def test_attention_forward_row_by_row():
    """Catches a query head that reads another key head than h G // H."""
    q, k, v, visible = inputs()
    y, _ = library.attention_forward(q, k, v, 0.5, visible)
    for b, t, h in np.ndindex(2, 3, 4):
        row = attention_row(q[b, t, h], k[b, :, h // 2], v[b, :, h // 2], visible[b, t])
        np.testing.assert_allclose(y[b, t, h], row, rtol=1e-12)


def test_attention_backward_is_the_slope_of_forward():
    """Catches a wrong gradient: for any direction, <dq, q'> + <dk, k'> + <dv, v'> = <dy, y'>."""
    q, k, v, visible = inputs()
    y, saved = library.attention_forward(q, k, v, 0.5, visible)
    dy = normal(*y.shape, seed=4)
    gradients = library.attention_backward(dy, saved)
    for seed in range(5, 10):
        steps = [normal(*x.shape, seed=seed) for x in (q, k, v)]

        def moved(h, steps=steps):
            q1, k1, v1 = (x + h * step for x, step in zip((q, k, v), steps, strict=True))
            return np.sum(dy * library.attention_forward(q1, k1, v1, 0.5, visible)[0])

        slope = (moved(1e-5) - moved(-1e-5)) / 2e-5
        along = sum(np.sum(g * step) for g, step in zip(gradients, steps, strict=True))
        assert along == pytest.approx(slope, rel=1e-6)


def test_attention_changes_none_of_its_arguments():
    q, k, v, visible = inputs()
    given = [q, k, v, visible]
    copies = [x.copy() for x in given]
    y, saved = library.attention_forward(q, k, v, 0.5, visible)
    dy = np.ones_like(y)
    library.attention_backward(dy, saved)
    for array, copy in zip([*given, dy], [*copies, np.ones_like(y)], strict=True):
        np.testing.assert_array_equal(array, copy)


def test_one_mask_serves_the_whole_batch():
    q, k, v, visible = inputs()
    both = np.broadcast_to(visible[:1], visible.shape)
    np.testing.assert_array_equal(
        library.attention_forward(q, k, v, 0.5, visible[:1])[0],
        library.attention_forward(q, k, v, 0.5, both)[0],
    )


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_attention_keeps_the_type(dtype):
    q, k, v, visible = inputs()
    y, saved = library.attention_forward(
        q.astype(dtype), k.astype(dtype), v.astype(dtype), 0.5, visible
    )
    arrays = [y, saved.weights, saved.inverse_sum, *library.attention_backward(y, saved)]
    assert {a.dtype for a in arrays} == {np.dtype(dtype)}


@pytest.mark.parametrize(("H", "G"), [(4, 4), (4, 2), (4, 1), (1, 1)])
def test_grouping_queries_and_back(H, G):
    """Catches heads and positions that trade places on the way."""
    x = normal(2, 3, H, 5)
    grouped = library.group_queries(x, G)
    assert grouped.shape == (2, G, H // G * 3, 5)
    np.testing.assert_array_equal(grouped[1, -1, -1], x[1, -1, -1])
    np.testing.assert_array_equal(grouped[1, 0, 1], x[1, 1, 0])  # then the next query of head 0
    np.testing.assert_array_equal(library.ungroup_queries(grouped, H), x)


@pytest.mark.parametrize("G", [1, 2, 4])
def test_grouping_one_query_a_head(G):
    """The short way of decoding is the long way: two equal queries, and each of them alone."""
    x = np.repeat(normal(3, 1, 4, 5), 2, axis=1)
    alone, both = library.group_queries(x[:, :1], G), library.group_queries(x, G)
    assert alone.shape == (3, G, 4 // G, 5)
    np.testing.assert_array_equal(alone, both[:, :, ::2])
    np.testing.assert_array_equal(library.ungroup_queries(alone, 4), x[:, :1])


def test_rows_are_copied_only_when_they_do_not_lie_together():
    """Catches a copy of all keys at every token that is decoded."""
    stored = normal(2, 3, 8)[:, :, :5]  # as in a KVCache with room for 8
    assert library.contiguous_rows(stored) is stored
    turned = normal(2, 5, 3).swapaxes(1, 2)
    copy = library.contiguous_rows(turned)
    np.testing.assert_array_equal(copy, turned)
    assert copy.strides[-1] == 8


@pytest.mark.parametrize("ids_type", [np.int64, np.int32, np.uint8])
@pytest.mark.parametrize("ids", [[3, 0, 3, 1, 3], [0], [2, 2, 2], [4, 3, 2, 1, 0], []])
def test_scatter_add_rows(ids, ids_type):
    """Catches rows of one id that overwrite each other, and an id that nobody has."""
    ids = np.array(ids, ids_type)
    rows = normal(len(ids), 3)
    expected = np.zeros((5, 3))
    np.add.at(expected, ids, rows)
    np.testing.assert_allclose(library.scatter_add_rows(ids, rows, 5), expected, rtol=1e-12)


def test_scatter_add_rows_keeps_type_and_arguments():
    ids, rows = np.array([1, 0, 1]), normal(3, 2).astype(np.float32)
    before = ids.copy(), rows.copy()
    assert library.scatter_add_rows(ids, rows, 2).dtype == np.float32
    np.testing.assert_array_equal(ids, before[0])
    np.testing.assert_array_equal(rows, before[1])


def test_dispatch_takes_the_library_path_for_numpy_arrays():
    """Catches arguments handed on in another order."""
    q, k, v, visible = inputs()
    y, saved = dispatch.attention_forward(q, k, v, 0.5, visible)
    expected, _ = library.attention_forward(q, k, v, 0.5, visible)
    np.testing.assert_array_equal(y, expected)
    for got, expected in zip(
        dispatch.attention_backward(y, saved), library.attention_backward(y, saved), strict=True
    ):
        np.testing.assert_array_equal(got, expected)
    np.testing.assert_array_equal(
        dispatch.matmul(q[0], k[0, :3].swapaxes(1, 2)), q[0] @ k[0, :3].swapaxes(1, 2)
    )
    rows = normal(3, 2)
    ids = np.array([1, 0, 1])
    np.testing.assert_array_equal(dispatch.scatter_add_rows(ids, rows, 2)[0], rows[1])
