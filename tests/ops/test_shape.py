"""Operations that move values: where each value goes, its gradient comes back from there."""

import numpy as np
import pytest
from gradient_check import check, composed, normal, rearranged

from tinyvlm.nn import functional as F
from tinyvlm.tensor import Tensor

# (shape of x, the operation, the same in NumPy)
MOVES = {
    "reshape": ((2, 3, 4), lambda x: x.reshape(4, -1), lambda x: x.reshape(4, -1)),
    "reshape tuple": ((6,), lambda x: x.reshape((1, 2, 3)), lambda x: x.reshape(1, 2, 3)),
    "reshape 0-d": ((1, 1), lambda x: x.reshape(()), lambda x: x.reshape(())),
    "reshape empty": ((0, 3), lambda x: x.reshape(3, 0, 2), lambda x: x.reshape(3, 0, 2)),
    "T": ((2, 3, 4), lambda x: x.T, lambda x: x.T),
    "T 0-d": ((), lambda x: x.T, lambda x: x.T),
    "transpose": ((2, 3, 4), lambda x: x.transpose(1, 2, 0), lambda x: x.transpose(1, 2, 0)),
    "transpose -1": ((2, 3, 4), lambda x: x.transpose(-1, 0, 1), lambda x: x.transpose(2, 0, 1)),
    "transpose tuple": ((0, 3), lambda x: x.transpose((1, 0)), lambda x: x.T),
    "expand": ((3, 1), lambda x: F.expand(x, (2, 3, 4)), lambda x: np.broadcast_to(x, (2, 3, 4))),
    "expand 0-d": ((), lambda x: F.expand(x, (2, 1)), lambda x: np.broadcast_to(x, (2, 1))),
    "flip": ((2, 3, 4), lambda x: F.flip(x, (0, -1)), lambda x: x[::-1, :, ::-1]),
    "flip one": ((3, 1), lambda x: F.flip(x, 0), lambda x: x[::-1]),
    "pad": (
        (2, 3),
        lambda x: F.pad(x, [(1, 0), (0, 2)]),
        lambda x: np.pad(x, [(1, 0), (0, 2)], constant_values=-1),  # -1: from nowhere
    ),
    "split": ((2, 6), lambda x: F.split(x, [1, 3, 2], axis=-1)[1], lambda x: x[:, 1:4]),
    "split rows": ((5, 2), lambda x: F.split(x, [2, 0, 3])[2], lambda x: x[2:]),
}

# Several inputs: (their shapes, the operation, the same in NumPy)
JOINS = {
    "concatenate": ([(2, 3), (2, 1), (2, 2)], F.concatenate, np.concatenate, -1),
    "concatenate rows": ([(2, 3), (0, 3), (4, 3)], F.concatenate, np.concatenate, 0),
    "concatenate one": ([(2, 3)], F.concatenate, np.concatenate, 1),
    "stack": ([(2, 3)] * 3, F.stack, np.stack, 1),
    "stack last": ([(2, 3)] * 2, F.stack, np.stack, -1),
    "stack 0-d": ([()] * 3, F.stack, np.stack, 0),
}


@pytest.mark.parametrize("name", MOVES)
def test_move(name):
    """Catches a gradient that is not moved back by the inverse, or not added up."""
    shape, f, move = MOVES[name]
    check(f, rearranged(move), normal(*shape))


@pytest.mark.parametrize("name", JOINS)
def test_join(name):
    """Catches gradients handed to the wrong input or cut at the wrong place."""
    shapes, f, move, axis = JOINS[name]
    inputs = [normal(*shape, seed=i) for i, shape in enumerate(shapes)]
    twin = rearranged(lambda *x: move(x, axis=axis))
    check(lambda *x: f(x, axis=axis), twin, *inputs)


def test_pad_with_a_value():
    x = Tensor(np.ones((1, 2), np.float32))
    y = F.pad(x, [(0, 1), (1, 0)], value=7.0)
    np.testing.assert_array_equal(y.data, [[7, 1, 1], [7, 7, 7]])
    assert y.dtype == np.float32


def test_all_pieces_of_a_split_meet_again():
    """Catches a piece whose gradient overwrites another's."""

    def swap(x):
        a, b = F.split(x, [2, 3], axis=1)
        return F.concatenate([b * 2.0, a, b], axis=1)

    check(
        swap,
        composed(lambda x: x[:, [2, 3, 4, 0, 1, 2, 3, 4]] * [2, 2, 2, 1, 1, 1, 1, 1]),
        normal(2, 5),
    )


def test_an_axis_that_was_expanded_is_not_copied():
    """Catches an expand that fills memory with repeats."""
    x = Tensor(np.ones((1000, 1)))
    assert np.shares_memory(F.expand(x, (1000, 10**9)).data, x.data)


def test_sizes_that_do_not_add_up():
    with pytest.raises(ValueError, match=r"split: sizes \[2, 2\] don't add up to 5"):
        F.split(Tensor(np.ones(5)), [2, 2])
