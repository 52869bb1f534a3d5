"""What all operations share: undoing a broadcast, and forgetting what was saved."""

import numpy as np
import pytest
from gradient_check import normal
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as np_st

from tinyvlm.ops import activation, elementwise
from tinyvlm.ops.function import Function, sum_to


@given(data=st.data(), shape=np_st.array_shapes(min_dims=0, max_dims=3, min_side=0, max_side=3))
@settings(max_examples=150, deadline=None)
def test_sum_to_is_the_transpose_of_broadcasting(data, shape):
    """Catches a forgotten axis: sum(dy * broadcast(x)) must equal sum(sum_to(dy) * x)."""
    other = np_st.broadcastable_shapes(shape, max_dims=4, min_side=0, max_side=3)
    larger = np.broadcast_shapes(shape, data.draw(other))
    x, dy = normal(*shape), normal(*larger, seed=1)
    dx = sum_to(dy, shape)
    assert dx.shape == shape
    np.testing.assert_allclose((dx * x).sum(), (dy * np.broadcast_to(x, larger)).sum(), atol=1e-9)


def test_sum_to_the_same_shape_costs_nothing():
    dy = normal(3, 5)
    assert sum_to(dy, (3, 5)) is dy


def test_release_forgets_what_was_saved():
    """Catches memory that a walked graph still holds."""
    function = elementwise.Multiply()
    function.needs = (True, True)
    function.forward(normal(2), normal(2))
    function.release()
    assert function.freed
    assert vars(function) == {"freed": True}
    assert function.inputs == ()


def test_the_name_is_the_class():
    assert activation.GELU().name == "GELU"


def test_an_operation_needs_both_directions():
    class Half(Function):
        def forward(self, x):
            return x * 0.5

    with pytest.raises(TypeError, match="backward"):
        Half()
