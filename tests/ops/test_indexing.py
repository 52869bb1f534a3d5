"""Reading parts of an array: NumPy's own results, and repeated reads that add their gradients."""

import numpy as np
import pytest
from gradient_check import check, composed, normal, rearranged
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as np_st

from tinyvlm.nn import functional as F
from tinyvlm.tensor import Tensor

WHICH = np.array([[True, False, True], [False, True, True]])
INDICES = {
    "integer": 1,
    "negative": (..., -1),
    "slices": (slice(None, None, -1), slice(1, None, 2)),
    "new axis": (None, 0, ..., None),
    "nothing": slice(0, 0),
    "all integers": (1, 2, 3),
    "array": np.array([1, 0, 1]),
    "list": [0, 0],
    "array and slice": (slice(None), np.array([2, 2, 0]), slice(1, 3)),
    "array and integer": (np.array([1, 1]), 2),
    "pairs": (np.array([[1, 0], [1, 1]]), np.array([2, 2])),
    "unsigned": np.array([1, 1], np.uint8),
    "list in a tuple": ([1, 1], slice(None), [0, 0]),
    "boolean": WHICH,
    "boolean and slice": (np.array([True, False]), slice(1, 2)),
    "empty list": [],
}


@pytest.mark.parametrize("name", INDICES)
def test_index(name):
    """Catches an element that was read twice and got one gradient."""
    index = INDICES[name]
    check(lambda x: x[index], rearranged(lambda x: x[index]), normal(2, 3, 4))


@given(data=st.data(), shape=np_st.array_shapes(max_dims=3, max_side=4))
@settings(max_examples=150, deadline=None)
def test_any_index_reads_and_returns_like_numpy(data, shape):
    """Catches index forms nobody thought of. dx must count how often each element was read."""
    index = data.draw(
        np_st.basic_indices(shape, allow_newaxis=True, allow_ellipsis=True)
        | np_st.integer_array_indices(shape)
        | np_st.arrays(bool, shape)
    )
    values = np.arange(float(np.prod(shape))).reshape(shape)
    x = Tensor(values, requires_grad=True)
    y = x[index]
    y.sum().backward()
    np.testing.assert_array_equal(y.data, values[index])
    read = np.bincount(np.ravel(values[index]).astype(int), minlength=values.size)
    np.testing.assert_array_equal(x.grad, read.reshape(shape))


def test_a_tensor_as_index():
    x = Tensor(np.array([3.0, 4.0, 5.0]), requires_grad=True)
    np.testing.assert_array_equal(x[Tensor([2, 0])].data, [5, 3])
    np.testing.assert_array_equal(x[x > 3.5].data, [4, 5])


def test_unpacking_gives_rows():
    a, b = Tensor(np.array([[1.0, 2.0], [3.0, 4.0]]), requires_grad=True)
    np.testing.assert_array_equal(a.data, [1, 2])
    np.testing.assert_array_equal(b.data, [3, 4])


@pytest.mark.parametrize(("shape", "axis"), [((4, 5), 1), ((4, 5), 0), ((2, 3, 4), -2), ((1,), 0)])
def test_gather(shape, axis):
    """Catches a wrong axis, and repeated indices that overwrite each other's gradient."""
    rng = np.random.default_rng(1)
    index_shape = list(shape)
    index_shape[axis] = 6
    indices = rng.integers(0, shape[axis], index_shape)
    twin = rearranged(lambda x: np.take_along_axis(x, indices, axis))
    check(lambda x: F.gather(x, indices, axis), twin, normal(*shape))


@pytest.mark.parametrize("ids", [[[4, 0, 2], [2, 2, 5]], [3], 3, [[], []], [5, 5, 5, 5, 5]])
def test_embedding(ids):
    """Catches rows that were used more than once and got the gradient of one use."""
    ids = np.array(ids, dtype=np.int64)
    check(lambda table: F.embedding(ids, table), rearranged(lambda t: t[ids]), normal(6, 3))
    one_hot = np.eye(6)[np.atleast_1d(ids)]
    product = composed(lambda table: (one_hot @ table).reshape(*ids.shape, 3))
    check(lambda table: F.embedding(ids, table), product, normal(6, 3))


@pytest.mark.parametrize(
    ("ids", "error", "message"),
    [
        ([0, 6], ValueError, r"Embedding of .*: ids must lie in 0..5 .* got 0..6"),
        ([-1, 2], ValueError, r"Embedding of .*: ids must lie in 0..5 .* got -1..2"),
        ([1.0], TypeError, r"embedding: ids must be integers, got float64"),
    ],
)
def test_wrong_ids_are_named(ids, error, message):
    """Catches -1 reading the last row, as NumPy would."""
    with pytest.raises(error, match=message):
        F.embedding(np.array(ids), Tensor(np.ones((6, 3))))


def test_a_tuple_inside_an_index_reads_a_row_twice():
    x = Tensor(np.ones((3, 2)), requires_grad=True)
    x[(0, 0),].sum().backward()
    np.testing.assert_array_equal(x.grad, [[2, 2], [0, 0], [0, 0]])


def test_gather_does_not_broadcast():
    with pytest.raises(ValueError, match="shape of x but for axis 1"):
        F.gather(Tensor(np.ones((3, 2))), np.zeros((1, 4), int), 1)
