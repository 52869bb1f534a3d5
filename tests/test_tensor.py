"""Tensor and the walk back: what is recorded, in which order it is walked, who owns the memory."""

import threading
import weakref

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tinyvlm.graph import add_to_leaves
from tinyvlm.nn import functional as F
from tinyvlm.ops.function import Function
from tinyvlm.tensor import Tensor, apply, no_grad


def leaf(*values, dtype=np.float64):
    return Tensor(np.array(values, dtype), requires_grad=True)


# What a Tensor holds


@pytest.mark.parametrize(
    ("data", "dtype"),
    [
        (1.5, "float32"),
        ([1.0, 2], "float32"),
        ([1, 2], "int64"),
        ([True], "bool"),
        (np.float32(1), "float32"),
        (np.ones(2), "float64"),
        (np.ones(2, np.int32), "int32"),
    ],
)
def test_dtypes(data, dtype):
    """Catches ids that become floats, and a gradient check that loses its float64."""
    assert Tensor(data).dtype == dtype


def test_an_array_is_held_and_not_copied():
    """Catches parameters that can't be views of one flat vector."""
    flat = np.zeros(6)
    x = Tensor(flat[2:])
    flat[2] = 7
    assert x.data[0] == 7
    assert x.detach().data is x.numpy() is x.data


def test_an_array_of_another_class_stays_one():
    """Catches the emulated device's arrays turned into plain ones."""

    class Emulated(np.ndarray):
        pass

    x = np.ones(2, np.float32).view(Emulated)
    assert Tensor(x).data is x
    assert type((Tensor(x) + 1).data) is Emulated


@pytest.mark.parametrize(
    "new_shape",
    [(3, 2), ((3, 2),), ([3, 2],), (np.array([3, 2]),), (np.int64(3), -1), ((np.int32(3), 2),)],
)
def test_shapes_are_given_as_numbers_or_as_one_sequence(new_shape):
    x = leaf(*range(6))
    y = x.reshape(*new_shape)
    assert y.shape == (3, 2)
    assert all(type(n) is int for n in y.function.shape)
    assert y.reshape(np.int64(6)).shape == (6,)


def test_facts_about_a_tensor():
    x = Tensor(np.ones((2, 3), np.float32))
    assert (x.shape, x.ndim, x.size, len(x), x.device) == ((2, 3), 2, 6, 2, "cpu")
    assert x.T.shape == (3, 2)
    assert Tensor([7]).item() == 7
    assert "shape=(2, 3), float32, made by Exp" in repr(leaf(*np.ones((2, 3)), dtype="f").exp())


@pytest.mark.parametrize("data", [[1, 2], [True], np.arange(3)])
def test_only_floats_have_gradients(data):
    with pytest.raises(TypeError, match="only floating-point tensors have gradients, got"):
        Tensor(data, requires_grad=True)


def test_a_tensor_of_a_tensor():
    with pytest.raises(TypeError, match="data is a Tensor already"):
        Tensor(Tensor(1.0))


def test_comparison_gives_booleans():
    """Catches a comparison that NumPy takes apart, or one that is recorded."""
    x = leaf(1, 2, 3)
    for y in (x < 2, x <= 2, x == 2, x != 2, x > 2, x >= 2, np.array([1, 3, 2]) < x, x == x):
        assert (y.dtype, y.requires_grad) == (bool, False)
    np.testing.assert_array_equal((np.array([1, 3, 2]) < x).data, [False, False, True])
    assert bool(leaf(2) > 1)
    with pytest.raises(ValueError, match="ambiguous"):
        bool(x > 1)


def test_tensors_are_keys_by_identity():
    """Catches parameters that meet in a set because their values are equal."""
    a, b = leaf(1), leaf(1)
    assert len({a, b, a}) == 2


# Types and devices


def test_mixed_floats_name_the_operation():
    with pytest.raises(TypeError, match=r"Multiply: inputs \(float32 \(2,\), float64 \(2,\)\)"):
        leaf(1, 2, dtype=np.float32) * leaf(1, 2)
    with pytest.raises(TypeError, match="Add: inputs"):
        leaf(1, 2, dtype=np.float32) + np.sqrt(64)


def test_an_operation_that_changes_the_type_is_caught():
    """Trap: float32_array / np.sqrt(64) is float64; apply is the one door that notices."""

    class Careless(Function):
        def forward(self, x):
            return x / np.sqrt(64)

        def backward(self, dy):
            return dy

    message = r"Careless: inputs \(float32 \(1,\)\) give float64"
    with pytest.raises(TypeError, match=message):
        apply(Careless(), leaf(1, dtype=np.float32))
    with no_grad(), pytest.raises(TypeError, match=message):
        apply(Careless(), leaf(1, dtype=np.float32))
    with no_grad(), pytest.raises(TypeError, match="Add: inputs"):
        leaf(1, dtype=np.float32) + leaf(1)


def test_plain_numbers_take_the_tensors_type():
    for dtype in (np.float32, np.float64):
        x = leaf(1, 2, dtype=dtype)
        for y in (x + 1, 2.0 * x, 1 / x, x**0.5, F.where([True, False], x, 0.0), F.maximum(0, x)):
            assert y.dtype == dtype


# The walk


def test_a_leaf_used_twice_collects_both():
    x = leaf(3)
    (x * x + x).backward()
    np.testing.assert_array_equal(x.grad, [7])


def test_a_diamond_is_walked_once():
    """Catches a walk that visits every path: here there are 2^100 of them."""
    x = leaf(1)
    y = x * 1.0
    for _ in range(100):
        y = y + y
    y.backward()
    np.testing.assert_array_equal(x.grad, [2.0**100])


def test_a_node_waits_for_all_its_users():
    """Catches a walk in the order of recording: a's gradient needs the long way round too."""
    x = leaf(2)
    a = x * x
    long_way = a.exp().log().exp().log()
    (a + long_way).backward()
    np.testing.assert_allclose(x.grad, [8])


@given(data=st.data())
@settings(max_examples=100, deadline=None)
def test_any_graph_of_sums(data):
    """Catches gradients that share memory or arrive twice. Every node is a sum of two earlier
    ones, some reshaped (a view), and its share of each leaf is counted beside it."""
    x, z = leaf(1, 1, 1), leaf(1, 1, 1)
    nodes = [(x, 1, 0), (z, 0, 1)]
    for _ in range(data.draw(st.integers(1, 12))):
        (a, ax, az), (b, bx, bz) = (data.draw(st.sampled_from(nodes)) for _ in "ab")
        factor = data.draw(st.sampled_from([1, 2]))
        a = a.reshape(1, 3).reshape(3) if data.draw(st.booleans()) else a
        nodes.append((a + b * factor if factor > 1 else a + b, ax + factor * bx, az + factor * bz))
    y, of_x, of_z = nodes[-1]
    dy = np.array([1.0, 10.0, 100.0])
    y.backward(dy)
    for tensor, count in ((x, of_x), (z, of_z)):
        np.testing.assert_array_equal(0 * dy if tensor.grad is None else tensor.grad, count * dy)
    np.testing.assert_array_equal(dy, [1, 10, 100])


def test_a_chain_of_100_000_nodes():
    """Catches recursion, in the walk and in Python's own clean-up."""
    x = leaf(1)
    y = x
    for _ in range(100_000):
        y = y + 1.0
    y.backward()
    np.testing.assert_array_equal(x.grad, [1])


def test_a_chain_of_100_000_nodes_may_be_dropped_unwalked():
    y = leaf(1)
    for _ in range(100_000):
        y = y * 1.0
    del y


def test_gradients_of_two_graphs_add_up():
    x = leaf(1, 2)
    (x * 3).sum().backward()
    first = x.grad
    (x * x).sum().backward()
    np.testing.assert_array_equal(x.grad, [5, 7])
    assert x.grad is first, "added in place"


def test_a_leaf_is_its_own_gradient():
    x = leaf(5)
    x.backward()
    np.testing.assert_array_equal(x.grad, [1])


def test_a_given_dy():
    """Catches a dy whose type takes over the gradients."""
    x = leaf(1, 2, dtype=np.float32)
    (x * x).backward(np.array([1.0, 10.0]))
    np.testing.assert_array_equal(x.grad, [2, 40])
    assert x.grad.dtype == np.float32
    with pytest.raises(ValueError, match=r"dy must have shape \(2,\), got \(3,\)"):
        (x * x).backward(np.ones(3))


def test_what_is_no_loss():
    x = leaf(1, 2)
    with pytest.raises(ValueError, match=r"shape \(2,\) is no scalar loss.*\.mean\(\)"):
        (x * x).backward()
    with pytest.raises(RuntimeError, match=r"no gradient is recorded here.*requires_grad=True"):
        Tensor(1.0).exp().backward()


# A graph is walked once


def test_a_second_walk_says_what_to_do():
    x = leaf(1)
    y = x.exp()
    y.backward()
    with pytest.raises(RuntimeError, match="Add the losses and call backward once"):
        y.backward()


def test_two_losses_on_one_graph():
    """Catches a second walk that stops silently at the freed part; nothing of it is added."""
    x = leaf(1)
    shared = x.exp()
    a, b = shared * 2.0, shared * 3.0
    a.backward()
    before = x.grad.copy()
    with pytest.raises(RuntimeError, match="was walked before"):
        b.backward()
    np.testing.assert_array_equal(x.grad, before)
    a, b = x * 2.0, x * 3.0  # a leaf is no part of the graph: these two share nothing
    a.backward()
    b.backward()


# Who owns the memory


def test_gradients_never_share_memory():
    """Catches a.grad *= 2 (clipping) changing b.grad as well."""
    a, b = leaf(1, 2), leaf(3, 4)
    dy = np.ones(2)
    (a + b).backward(dy)
    a.grad *= 5
    np.testing.assert_array_equal(b.grad, [1, 1])
    np.testing.assert_array_equal(dy, [1, 1])


@pytest.mark.parametrize(
    "f",
    [
        lambda x: x.sum(),
        lambda x: x.reshape(1, 2).T.sum(),
        lambda x: F.expand(x, (3, 2)).sum(),
        lambda x: F.concatenate([x, x]).sum(),
        lambda x: x.exp().sum(),
    ],
)
def test_a_gradient_can_be_changed_in_place(f):
    """Catches a read-only or overlapping gradient left over from a broadcast."""
    x = leaf(0, 0)
    f(x).backward()
    before = x.grad.copy()
    x.grad += 1
    np.testing.assert_array_equal(x.grad, before + 1)
    f(x).backward()
    np.testing.assert_array_equal(x.grad, 2 * before + 1)
    assert x.grad.flags.c_contiguous


def test_memory_returns_while_walking():
    """Catches a walk that keeps every activation until its end."""
    alive = []

    class Witness(Function):
        def forward(self, x):
            return x.copy()

        def backward(self, dy):
            alive.extend(watched() is not None for watched in later)
            return dy

    x = leaf(1, 2)
    first = apply(Witness(), x).exp()
    second = first.exp()
    later = [weakref.ref(first.data), weakref.ref(second.data)]
    loss = (second * second).sum()
    del first, second
    assert all(watched() is not None for watched in later)
    loss.backward()
    assert alive == [False, False]


def test_a_dropped_graph_returns_its_memory_at_once():
    """Catches reference cycles, which would wait for the garbage collector."""
    inner = leaf(1, 2).exp()
    watched = weakref.ref(inner.data)
    loss = (inner * inner).sum()
    del inner, loss
    assert watched() is None


def test_a_value_that_no_operation_saved_is_freed_during_forward():
    """Catches a graph that links tensors: it would hold every activation, saved or not."""
    middle = leaf(1, 2) + 1.0  # neither Add reads it in backward
    watched = weakref.ref(middle.data)
    loss = (middle + 1.0).sum()
    del middle
    assert watched() is None
    loss.backward()


# Where gradients go


def test_into_another_place():
    """Catches threads that add into one .grad: each has a buffer, which are added afterwards."""
    x, z = leaf(1, 2), leaf(3, 4)
    buffers = [{}, {}]
    for buffer in buffers:
        (x * x).sum().backward(into=buffer)
        (x * z).sum().backward(into=buffer)
    assert x.grad is z.grad is None
    for buffer in buffers:
        assert {id(tensor) for tensor, _ in buffer.values()} == {id(x), id(z)}
        add_to_leaves(buffer)
    np.testing.assert_array_equal(x.grad, [2 * 5, 2 * 8])
    np.testing.assert_array_equal(z.grad, [2, 4])


# What is not recorded


def test_frozen_inputs():
    """Catches a frozen parameter that gets a gradient, and a graph that nobody will walk."""
    frozen, x = Tensor(np.array([2.0])), leaf(3)
    assert (frozen * frozen).function is None
    (frozen * x).backward()
    assert frozen.grad is None
    np.testing.assert_array_equal(x.grad, [2])


def test_detach_cuts_the_graph():
    x = leaf(3)
    (x * (x * x).detach()).backward()
    np.testing.assert_array_equal(x.grad, [9])


def test_no_grad():
    x = leaf(1)

    @no_grad()
    def double():
        return x * 2.0

    with no_grad():
        y = x * 2.0
        assert not y.requires_grad
        assert y.function is None
        with no_grad():
            pass
        assert not (x * 2.0).requires_grad, "still inside the outer block"
    assert not double().requires_grad
    with pytest.raises(ZeroDivisionError), no_grad():
        raise ZeroDivisionError
    assert (x * 2.0).requires_grad, "an exception leaves the block as well"


def test_no_grad_does_not_disturb_another_thread():
    """Catches a global switch: one thread evaluates while another trains."""
    x = leaf(1)
    inside, done = threading.Event(), threading.Event()
    recorded = []

    def evaluate():
        with no_grad():
            inside.set()
            done.wait(10)
            recorded.append((x * 2.0).requires_grad)

    thread = threading.Thread(target=evaluate)
    thread.start()
    inside.wait(10)
    recorded.append((x * 2.0).requires_grad)
    done.set()
    thread.join()
    assert recorded == [True, False]


def test_two_scalar_gradients_meet():
    """The sum of two 0-d arrays is a NumPy scalar, which can't be added into later."""
    x = Tensor(np.ones(3, "f"), requires_grad=True)
    s = x.sum()
    (s + s + (x * x).sum()).backward()
    np.testing.assert_array_equal(x.grad, [4, 4, 4])
    temperature = Tensor(1.0, requires_grad=True)
    (temperature + temperature).backward()
    (temperature + temperature).backward()
    assert temperature.grad == 4


def test_no_grad_may_be_nested_in_itself():
    @no_grad()
    def factorial(n):
        return n * factorial(n - 1) if n else Tensor(1.0)

    assert factorial(3).item() == 6
    x = Tensor(1.0, requires_grad=True)
    assert (x * 2).requires_grad


def test_an_operations_name_and_shapes_stand_in_numpys_message():
    with pytest.raises(ValueError, match=r"Add of \(2,\), \(3,\): .*broadcast"):
        Tensor(np.ones(2)) + Tensor(np.ones(3))


def test_an_integer_tensor_never_becomes_float64_in_silence():
    with pytest.raises(TypeError, match="Multiply"):
        Tensor([1, 2]) * 0.5


def test_text_is_no_number():
    with pytest.raises(TypeError, match="numbers or booleans"):
        Tensor("a")


@pytest.mark.parametrize(
    "call",
    [
        lambda one: F.linear(Tensor(np.ones((2, 3))), Tensor(np.ones((3, 4))), one),
        lambda one: F.layer_norm(Tensor(np.ones((2, 3))), one, one),
        lambda one: F.rms_norm(Tensor(np.ones((2, 3))), one),
        lambda one: F.group_norm(Tensor(np.ones((1, 4, 2, 2))), one, one, 2),
        lambda one: F.conv2d(Tensor(np.ones((1, 3, 4, 4))), Tensor(np.ones((2, 3, 3, 3))), one),
    ],
)
def test_a_gain_or_bias_of_another_shape_is_not_broadcast(call):
    with pytest.raises(ValueError, match=r"got \(1,\)"):
        call(Tensor(np.ones(1), requires_grad=True))
