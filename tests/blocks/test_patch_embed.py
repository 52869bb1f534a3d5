"""From a picture to tokens: patches cut by hand, and a convolution, give the same."""

import numpy as np
import pytest

from tinyvlm.blocks.patch_embed import ConvStem, PatchEmbed, patchify
from tinyvlm.nn import functional as F
from tinyvlm.tensor import Tensor

FLOAT64 = 1e-12  # allowed difference of values of size 1


def rng(seed=0):
    return np.random.default_rng(seed)


def normal(*shape, seed=0):
    return rng(seed).normal(size=shape)


def random_float64(module):
    for i, parameter in enumerate(module.parameters()):
        parameter.data = normal(*parameter.shape, seed=20 + i)
    return module


SIZES = [(2, 3, 8, 12, 4), (1, 1, 6, 3, 3), (2, 2, 2, 2, 1), (1, 3, 4, 4, 4), (0, 3, 4, 8, 2)]


@pytest.mark.parametrize(("B", "C", "Y", "X", "P"), SIZES)
def test_patchify_cuts_row_by_row(B, C, Y, X, P):
    """Catches patches counted column by column, and pixels laid out as (P, P, C)."""
    images = normal(B, C, Y, X)
    patches = patchify(Tensor(images), P).data
    assert patches.shape == (B, (Y // P) * (X // P), C * P * P)
    for i, j in np.ndindex(Y // P, X // P):
        patch = images[:, :, i * P : (i + 1) * P, j * P : (j + 1) * P]
        np.testing.assert_array_equal(patches[:, i * (X // P) + j], patch.reshape(B, C * P * P))


@pytest.mark.parametrize(("Y", "X"), [(9, 8), (8, 10)])
def test_a_picture_that_does_not_divide(Y, X):
    with pytest.raises(ValueError, match=f"a picture of {Y}x{X} does not divide into 4x4"):
        patchify(Tensor(np.zeros((1, 3, Y, X))), 4)


@pytest.mark.parametrize("bias", [True, False])
@pytest.mark.parametrize(("B", "C", "Y", "X", "P"), SIZES)
def test_patch_embed_written_out_and_as_a_convolution(B, C, Y, X, P, bias):
    """Catches an embedding that published weights, stored as a convolution, would not fit."""
    D = 5
    embed, images = random_float64(PatchEmbed(P, D, rng(), C, bias)), normal(B, C, Y, X)
    tokens = embed(Tensor(images))  # (B, N, D)
    w = embed.projection.weight.data.T.reshape(D, C, P, P)
    b = embed.projection.bias.data if bias else np.zeros(D)
    assert (embed.projection.bias is not None) == bias

    expected = np.zeros((B, Y // P * (X // P), D))
    for i, j in np.ndindex(Y // P, X // P):
        patch = images[:, :, i * P : (i + 1) * P, j * P : (j + 1) * P]
        expected[:, i * (X // P) + j] = np.einsum("bcuv,dcuv->bd", patch, w) + b
    np.testing.assert_allclose(tokens.data, expected, rtol=FLOAT64, atol=FLOAT64)

    y = F.conv2d(Tensor(images), Tensor(w), Tensor(b), stride=P)  # (B, D, Y/P, X/P)
    as_tokens = y.data.reshape(B, D, expected.shape[1]).transpose(0, 2, 1)
    np.testing.assert_allclose(tokens.data, as_tokens, rtol=FLOAT64, atol=FLOAT64)


@pytest.mark.parametrize("P", [2, 4, 8, 16])
def test_conv_stem_shapes(P):
    """log2(P) halvings: as many tokens as patches, also of a picture that is not square."""
    stem = ConvStem(P, 24, rng())
    assert len(stem.convs) == len(stem.norms) == P.bit_length() - 1
    images = Tensor(normal(2, 3, 32, 16).astype(np.float32))
    assert stem(images).shape == (2, (32 // P) * (16 // P), 24)


def test_conv_stem_widens_to_d():
    """From 3 channels, doubling, at least 16 and at most D."""
    stem = ConvStem(8, 64, rng())
    assert [conv.weight.shape[:2] for conv in stem.convs] == [(16, 3), (32, 16), (64, 32)]
    assert ConvStem(4, 64, rng(), C=1).convs[0].weight.shape == (32, 1, 3, 3)


def test_conv_stem_written_out():
    """Catches tokens that count columns first, a lost ReLU, a norm before its convolution."""
    stem, images = random_float64(ConvStem(4, 16, rng())), normal(2, 3, 8, 12)
    x = images
    for conv, norm in zip(stem.convs, stem.norms, strict=True):
        x = F.conv2d(Tensor(x), conv.weight, conv.bias, stride=2, padding=1).data
        groups = x.reshape(2, 4, -1)
        groups = groups - groups.mean(-1, keepdims=True)
        groups = groups / np.sqrt(groups.var(-1, keepdims=True) + norm.eps)
        x = groups.reshape(x.shape) * norm.gain.data[:, None, None]
        x = np.maximum(x + norm.bias.data[:, None, None], 0)
    tokens = stem(Tensor(images)).data
    assert x.shape == (2, 16, 2, 3)
    for i, j in np.ndindex(2, 3):
        token = x[:, :, i, j] @ stem.projection.weight.data + stem.projection.bias.data
        np.testing.assert_allclose(tokens[:, 3 * i + j], token, rtol=1e-10, atol=1e-10)


@pytest.mark.parametrize("P", [0, 1, 3, 6, 12])
def test_conv_stem_needs_a_power_of_two(P):
    with pytest.raises(ValueError, match=f"P must be 2, 4, 8, ..., got {P}"):
        ConvStem(P, 16, rng())


def test_a_stem_width_that_does_not_divide_into_groups():
    with pytest.raises(ValueError, match="multiples of the 4 groups"):
        ConvStem(4, 18, np.random.default_rng(0))
