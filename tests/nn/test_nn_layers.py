"""Layers: each against its formula in NumPy, their first values, and dropout's randomness."""

import numpy as np
import pytest

from tinyvlm.nn import init
from tinyvlm.nn.layers import Conv2d, Dropout, Embedding, GroupNorm, LayerNorm, Linear
from tinyvlm.tensor import Tensor

FLOAT32 = 1e-5  # allowed difference of values of size 1


def rng(seed=0):
    return np.random.default_rng(seed)


def normal(*shape, seed=0):
    return rng(seed).normal(size=shape).astype(np.float32)


def close(tensor, expected):
    assert tensor.shape == expected.shape
    np.testing.assert_allclose(tensor.data, expected, rtol=FLOAT32, atol=FLOAT32)


def randomize(layer):
    """Gains and biases that would show if they were forgotten or swapped."""
    for i, parameter in enumerate(layer.parameters()):
        parameter.data[...] = normal(*parameter.shape, seed=50 + i)
    return layer


# First values


def test_small_normal_has_a_third_of_the_variance():
    """Catches 1 / fan_in, and a variance where a standard deviation is wanted."""
    values = init.small_normal(rng(), (300, 200), fan_in=300)
    assert values.dtype == np.float32
    assert values.std() == pytest.approx((3 * 300) ** -0.5, rel=0.02)
    assert values.mean() == pytest.approx(0, abs=1e-3)


def test_the_generator_decides_the_values():
    """Catches weights drawn from somewhere else than the generator that was given."""
    one, same, other = Linear(4, 5, rng(3)), Linear(4, 5, rng(3)), Linear(4, 5, rng(4))
    np.testing.assert_array_equal(one.weight.data, same.weight.data)
    assert (one.weight.data != other.weight.data).all()


@pytest.mark.parametrize(
    ("layer", "fan_in"),
    [(Linear(60, 400, rng()), 60), (Conv2d(5, 300, 4, rng()), 80)],
    ids=["Linear", "Conv2d"],
)
def test_weights_start_at_the_width_they_read(layer, fan_in):
    """Catches fan_out for fan_in, or a kernel whose area is forgotten."""
    assert layer.weight.data.std() == pytest.approx((3 * fan_in) ** -0.5, rel=0.03)
    assert (layer.bias.data == 0).all()


def test_norms_start_as_pure_norms():
    for layer in (LayerNorm(6), GroupNorm(2, 6)):
        assert (layer.gain.data == 1).all()
        assert (layer.bias.data == 0).all()


@pytest.mark.parametrize(
    "layer",
    [
        Linear(2, 3, rng()),
        Embedding(4, 3, rng()),
        LayerNorm(3),
        GroupNorm(1, 3),
        Conv2d(1, 2, 3, rng()),
    ],
    ids=lambda layer: type(layer).__name__,
)
def test_parameters_are_float32(layer):
    assert {p.dtype for p in layer.parameters()} == {np.dtype(np.float32)}


# Forward


def test_linear_is_x_at_w_plus_b():
    layer, x = randomize(Linear(4, 3, rng())), normal(2, 5, 4)
    expected = np.einsum("bti,ij->btj", x, layer.weight.data) + layer.bias.data
    close(layer(Tensor(x)), expected)
    close(layer(Tensor(x[0, 0])), expected[0, 0])


def test_linear_without_bias():
    layer, x = Linear(4, 3, rng(), bias=False), normal(2, 4)
    assert layer.bias is None
    close(layer(Tensor(x)), x @ layer.weight.data)


def test_embedding_picks_rows():
    layer = Embedding(6, 3, rng(), std=0.5)
    ids = np.array([[5, 0], [2, 2]])
    np.testing.assert_array_equal(layer(ids).data, layer.weight.data[ids])
    assert Embedding(2000, 10, rng(), std=0.5).weight.data.std() == pytest.approx(0.5, rel=0.03)
    assert Embedding(2000, 10, rng()).weight.data.std() == pytest.approx(0.02, rel=0.03)


@pytest.mark.parametrize("eps", [1e-5, 0.1])
def test_layer_norm(eps):
    """Catches an eps that is not handed on."""
    layer, x = randomize(LayerNorm(5, eps)), normal(2, 3, 5)
    xhat = (x - x.mean(-1, keepdims=True)) / np.sqrt(x.var(-1, keepdims=True) + eps)
    close(layer(Tensor(x)), xhat * layer.gain.data + layer.bias.data)


@pytest.mark.parametrize("eps", [1e-5, 0.1])
def test_group_norm(eps):
    layer, x = randomize(GroupNorm(2, 6, eps)), normal(2, 6, 3, 4)
    groups = x.reshape(2, 2, 3, 3, 4)
    size = np.sqrt(groups.var((2, 3, 4), keepdims=True) + eps)
    xhat = ((groups - groups.mean((2, 3, 4), keepdims=True)) / size).reshape(x.shape)
    gain, bias = (p.data[:, None, None] for p in (layer.gain, layer.bias))
    close(layer(Tensor(x)), xhat * gain + bias)


@pytest.mark.parametrize(("stride", "padding"), [(1, 0), (2, 1)])
def test_conv2d(stride, padding):
    layer = randomize(Conv2d(2, 3, 3, rng(), stride, padding))
    x = normal(2, 2, 7, 5)
    padded = np.pad(x, ((0, 0), (0, 0), (padding, padding), (padding, padding)))
    rows, columns = ((n + 2 * padding - 3) // stride + 1 for n in (7, 5))
    expected = np.zeros((2, 3, rows, columns), np.float32)
    for i, j in np.ndindex(rows, columns):
        window = padded[:, :, stride * i : stride * i + 3, stride * j : stride * j + 3]
        expected[:, :, i, j] = np.einsum("bcuv,ocuv->bo", window, layer.weight.data)
    close(layer(Tensor(x)), expected + layer.bias.data[:, None, None])
    assert Conv2d(2, 3, 3, rng(), bias=False).bias is None


# Dropout


def dropout(p, seed=0):
    layer = Dropout(p)
    layer.set_generator(rng(seed))
    return layer


def test_dropout_keeps_the_expected_value():
    """Catches a missing 1 / (1 - p), and p taken for the share that stays."""
    y = dropout(0.3)(Tensor(np.ones(40000, np.float32))).data
    assert np.unique(y).tolist() == [0, np.float32(1 / 0.7)]
    assert (y == 0).mean() == pytest.approx(0.3, abs=0.01)
    assert y.mean() == pytest.approx(1, abs=0.02)


def test_dropout_passes_the_gradient_of_what_it_kept():
    x = Tensor(normal(50), requires_grad=True)
    y = dropout(0.5)(x)
    y.sum().backward()
    np.testing.assert_array_equal(x.grad, np.where(y.data == 0, 0, 2))


def test_dropout_does_nothing_at_inference_and_at_zero():
    x = Tensor(normal(50))
    assert Dropout(0.5).eval()(x) is x
    assert Dropout(0.0)(x) is x


def test_dropout_without_a_generator():
    with pytest.raises(ValueError, match=r"set_generator\(rng\) or \.eval\(\)"):
        Dropout(0.5)(Tensor([1.0]))


@pytest.mark.parametrize("p", [1.0, -0.1])
def test_dropout_with_an_impossible_share(p):
    with pytest.raises(ValueError, match=rf"dropout: p must be in \[0, 1\), got {p}"):
        dropout(p)(Tensor([1.0]))


def test_the_generator_decides_the_mask():
    """Catches a mask drawn from a hidden generator, or drawn once and kept."""
    x = Tensor(np.ones(100, np.float32))
    layer, same = dropout(0.5, seed=7), dropout(0.5, seed=7)
    first, second = layer(x).data, layer(x).data
    np.testing.assert_array_equal(same(x).data, first)
    assert (first != second).any()
    layer.set_generator(rng(7))
    np.testing.assert_array_equal(layer(x).data, first)


def test_a_model_without_values_takes_no_memory_until_it_is_loaded():
    rng = np.random.default_rng(0)
    with init.no_values():
        huge = Linear(10**6, 10**6, rng)  # 4 TB, if it were real
        small = Linear(3, 2, rng)
    assert huge.weight.shape == (10**6, 10**6)
    small.load_state_dict({"weight": np.full((3, 2), 5.0), "bias": np.zeros(2)})
    assert small.weight.data.flags.writeable
    np.testing.assert_array_equal(small.weight.data, np.full((3, 2), 5.0, np.float32))
    assert Linear(3, 2, rng).weight.data.any()  # outside, values are drawn again
