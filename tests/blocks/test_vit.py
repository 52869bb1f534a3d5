"""The vision transformer in all its variants, and attention pooling."""

import re
from dataclasses import replace

import numpy as np
import pytest

from tinyvlm.blocks.patch_embed import patchify
from tinyvlm.blocks.vit import MAPHead, ViT, ViTConfig
from tinyvlm.nn.attention import watch_attention
from tinyvlm.tensor import Tensor

TINY = ViTConfig(image_size=8, patch_size=4, width=16, depth=2, heads=2, mlp_width=24)
PATCH = replace(TINY, stem="patch")
VARIANTS = {
    "conv stem, max": TINY,
    "patch stem, max": PATCH,
    "CLIP": replace(
        PATCH, pool="class", norm_before=True, patch_bias=False, activation="quick_gelu"
    ),
    "SigLIP": replace(PATCH, pool="map", eps=1e-6),
    "conv stem, class": replace(TINY, pool="class"),
    "one patch": replace(PATCH, patch_size=8),
    "no blocks": replace(PATCH, depth=0),
}
variants = pytest.mark.parametrize("config", VARIANTS.values(), ids=VARIANTS.keys())
pools = pytest.mark.parametrize("pool", ["max", "class", "map"])


def make(config, seed=0):
    return ViT(config, np.random.default_rng(seed))


def pictures(B=2, size=8, seed=1):
    images = np.random.default_rng(seed).normal(size=(B, 3, size, size))
    return Tensor(images.astype(np.float32))


@variants
def test_shapes(config):
    model = make(config)
    has_class = config.pool == "class"
    tokens = model.tokens(pictures())
    assert config.tokens == (8 // config.patch_size) ** 2
    assert tokens.shape == (2, config.tokens + has_class, 16)
    assert model.position.shape == tokens.shape[1:]
    assert model(pictures()).shape == model.pool(tokens).shape == (2, 16)
    assert model(pictures(0)).shape == (0, 16)


@variants
def test_a_picture_does_not_see_its_neighbours(config):
    """Catches statistics or a reshape that run across the batch."""
    model, images = make(config), pictures(3)
    alone = model(images[1:2]).data
    np.testing.assert_allclose(model(images).data[1:2], alone, rtol=1e-5, atol=1e-5)


@variants
def test_every_parameter_gets_a_gradient(config):
    """... but what a softmax doesn't see: the key bias, and all scores where only one key is."""
    model = make(config)
    unseen = ("q.weight", "q.bias", "k.weight", "k.bias") if config.tokens == 1 else ("k.bias",)
    dy = np.random.default_rng(5).normal(size=(2, 16)).astype(np.float32)
    model(pictures()).backward(dy)
    for name, parameter in model.named_parameters():
        if name.endswith(unseen):
            assert np.abs(parameter.grad).max() < 1e-6, name
        else:
            assert np.abs(parameter.grad).max() > 1e-5, name


def test_only_the_parts_that_are_asked_for():
    """Catches weights that a variant never uses, and a checkpoint could not fill."""
    names = {key: {n for n, _ in make(c).named_parameters()} for key, c in VARIANTS.items()}
    only_of = {
        "class_token": {"CLIP", "conv stem, class"},
        "norm_before.gain": {"CLIP"},
        "map_head.probe": {"SigLIP"},
        "patch_embed.convs.0.weight": {"conv stem, max", "conv stem, class"},
        "patch_embed.projection.bias": VARIANTS.keys() - {"CLIP"},
    }
    for name, owners in only_of.items():
        assert {key for key in VARIANTS if name in names[key]} == owners, name


def test_the_class_token_stands_first():
    """Catches a class token that is appended, or a pool that reads another row."""
    model = make(replace(PATCH, pool="class", depth=0))
    tokens = model.tokens(pictures())
    first = model.norm(model.class_token + model.position[0])
    for b in range(2):
        np.testing.assert_allclose(tokens.data[b, 0], first.data, rtol=1e-5, atol=1e-6)
    np.testing.assert_array_equal(model.pool(tokens).data, tokens.data[:, 0])


def test_max_pool_takes_each_channel_from_its_best_patch():
    model = make(PATCH)
    tokens = model.tokens(pictures())
    np.testing.assert_array_equal(model.pool(tokens).data, tokens.data.max(axis=1))


def test_tokens_without_blocks():
    """patches + position, norm before, norm after: catches a position that comes after the norm."""
    model = make(replace(PATCH, norm_before=True, depth=0))
    x = model.patch_embed(pictures()) + model.position
    expected = model.norm(model.norm_before(x))
    np.testing.assert_allclose(model.tokens(pictures()).data, expected.data, rtol=1e-5, atol=1e-5)


@variants
def test_eps_reaches_every_layer_norm(config):
    model = make(replace(config, eps=0.125))
    norms = [m for m in model.modules() if type(m).__name__ == "LayerNorm"]
    assert len(norms) >= 1 + 2 * config.depth
    assert {norm.eps for norm in norms} == {0.125}


@variants
def test_the_activation_reaches_every_mlp(config):
    model = make(replace(config, activation="gelu_erf"))
    assert {m.activation for m in model.modules() if type(m).__name__ == "MLP"} <= {"gelu_erf"}


# What positions are for


def shuffled(images, order):
    """The same patches (of 4x4) in another order."""
    B, C, Y, X = images.shape
    x = patchify(images, 4).data[:, order].reshape(B, Y // 4, X // 4, C, 4, 4)
    return Tensor(np.ascontiguousarray(x.transpose(0, 3, 1, 4, 2, 5)).reshape(B, C, Y, X))


@pools
@pytest.mark.parametrize("norm_before", [False, True])
def test_without_positions_patches_are_a_bag(pool, norm_before):
    """With positions of zero a shuffled picture gives the same vector, with learned ones not."""
    model = make(replace(PATCH, image_size=12, pool=pool, norm_before=norm_before))
    images = pictures(size=12)
    other = shuffled(images, np.random.default_rng(0).permutation(9))
    assert (other.data != images.data).mean() > 0.5
    assert np.abs(model(images).data - model(other).data).max() > 1e-3
    model.position.data[...] = 0
    np.testing.assert_allclose(model(images).data, model(other).data, rtol=1e-4, atol=1e-5)


@pools
def test_every_patch_counts(pool):
    """Catches a patch that is dropped: each one, replaced, changes the vector."""
    model, images = make(replace(PATCH, pool=pool)), pictures(1)
    before = model(images).data
    for i, j in np.ndindex(2, 2):
        other = images.data.copy()
        other[:, :, 4 * i : 4 * i + 4, 4 * j : 4 * j + 4] += 1
        assert np.abs(model(Tensor(other)).data - before).max() > 1e-4


# Pictures that don't fit


@variants
@pytest.mark.parametrize("shape", [(2, 3, 12, 12), (2, 3, 8, 12), (2, 3, 4, 4), (2, 8, 8, 3)])
def test_a_picture_of_another_size(config, shape):
    """Catches positions that are broadcast, and (B, Y, X, C) taken for (B, C, Y, X)."""
    expected = re.escape(f"images (B, C, 8, 8) = (B, C, Y, X), got float32 {shape}")
    with pytest.raises(ValueError, match=expected):
        make(config)(Tensor(np.zeros(shape, np.float32)))


# Attention pooling


def map_head():
    head = MAPHead(replace(PATCH, eps=1e-6), np.random.default_rng(0))
    for i, parameter in enumerate(head.parameters()):
        parameter.data = np.random.default_rng(i).normal(size=parameter.shape)
    return head


def tokens(B=2, N=5):
    return np.random.default_rng(9).normal(size=(B, N, 16))


def test_map_head_written_out():
    """h = attention(probe, tokens); h + mlp(norm(h))."""
    head, x = map_head(), tokens()
    heads = []
    for h in (slice(0, 8), slice(8, 16)):
        q, k, v = (
            of @ part.weight.data[:, h] + part.bias.data[h]
            for of, part in (
                (head.probe.data[0, 0], head.attention.q),
                (x, head.attention.k),
                (x, head.attention.v),
            )
        )
        weights = np.exp(k @ q / np.sqrt(8))  # (B, N)
        weights /= weights.sum(axis=1, keepdims=True)
        heads.append(np.einsum("bn,bnk->bk", weights, v))
    y = np.concatenate(heads, axis=1) @ head.attention.out.weight.data
    y += head.attention.out.bias.data
    y += head.mlp(head.norm(Tensor(y))).data
    np.testing.assert_allclose(head(Tensor(x)).data, y, rtol=1e-10, atol=1e-10)


def test_map_head_on_one_token_and_on_a_bag():
    """One token gets all the attention; the order of several does not matter."""
    head, x = map_head(), tokens()
    only = head.attention.out(head.attention.v(Tensor(x[:, :1])))
    only = only + head.mlp(head.norm(only))
    np.testing.assert_allclose(head(Tensor(x[:, :1])).data, only.data[:, 0], rtol=1e-10)
    permuted = head(Tensor(x[:, [3, 0, 4, 2, 1]])).data
    np.testing.assert_allclose(permuted, head(Tensor(x)).data, rtol=1e-10, atol=1e-10)


def test_map_head_asks_one_question():
    """The map of where it looks is (B, H, 1, N), and every head's sums to 1."""
    with watch_attention() as maps:
        map_head()(Tensor(tokens()))
    (weights,) = maps
    assert weights.shape == (2, 2, 1, 5)
    np.testing.assert_allclose(weights.sum(axis=-1), 1, rtol=1e-12)


@pytest.mark.parametrize("wrong", [{"image_size": 30}, {"width": 66}])
def test_sizes_that_do_not_divide_are_refused_at_once(wrong):
    with pytest.raises(ValueError, match="must be a multiple of"):
        ViTConfig(**wrong)


def test_a_picture_that_was_not_scaled_is_refused():
    vit = ViT(ViTConfig(width=16, depth=1), np.random.default_rng(0))
    with pytest.raises(ValueError, match="to_model makes them from uint8"):
        vit(Tensor(np.zeros((1, 3, 32, 32), np.uint8)))
