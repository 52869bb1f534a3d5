"""CLIP: shapes, gradients, overfitting, its temperature, its maps, its published size."""

import math
from dataclasses import replace

import numpy as np
import pytest

from tinyvlm.blocks.text import TextConfig
from tinyvlm.blocks.vit import ViTConfig
from tinyvlm.models.clip import CLIP, VIT_B_32, CLIPConfig, clip_loss, patch_similarity
from tinyvlm.nn import init
from tinyvlm.optim import AdamW, decay_groups
from tinyvlm.tensor import Tensor

EOS = 11
VISION = ViTConfig(image_size=8, patch_size=4, width=16, depth=1, heads=2, mlp_width=32)
TEXT = TextConfig(
    vocab_size=12, eos_id=EOS, length=5, width=16, depth=1, heads=2, mlp_width=32, eps=1e-5
)
MUSEUM = CLIPConfig(VISION, TEXT, embed_width=8)
OPENAI = replace(
    MUSEUM,
    vision=replace(
        VISION,
        stem="patch",
        patch_bias=False,
        pool="class",
        norm_before=True,
        activation="quick_gelu",
    ),
)
MAP = replace(MUSEUM, vision=replace(VISION, stem="patch", pool="map"))
variants = pytest.mark.parametrize("config", [MUSEUM, OPENAI, MAP], ids=["museum", "openai", "map"])


def make(config=MUSEUM, seed=0):
    return CLIP(config, np.random.default_rng(seed))


def pictures(B, seed=1):
    return Tensor(np.random.default_rng(seed).normal(size=(B, 3, 8, 8)).astype(np.float32))


def texts(M, seed=2):
    """M texts that all differ."""
    ids = np.random.default_rng(seed).integers(0, EOS, (M, 5))
    ids[:, -1] = EOS
    assert len(np.unique(ids, axis=0)) == M
    return ids


# The model


@variants
def test_shapes(config):
    model = make(config)
    assert model.encode_image(pictures(3)).shape == (3, 8)
    assert model.encode_text(texts(4)).shape == (4, 8)
    logits = model(pictures(3), texts(4))
    assert logits.shape == (3, 4)
    assert logits.dtype == np.float32
    assert clip_loss(model(pictures(3), texts(3))).shape == ()


@variants
def test_logits_are_scaled_cosines(config):
    model = make(config)
    x, y = model.encode_image(pictures(3)).data, model.encode_text(texts(4)).data
    for unit in (x, y):
        np.testing.assert_allclose(np.linalg.norm(unit, axis=1), 1, rtol=1e-6)
    logits = model(pictures(3), texts(4))
    np.testing.assert_allclose(logits.data, x @ y.T / 0.07, rtol=1e-5, atol=1e-5)
    model.logit_scale.data[...] = math.log(3)
    assert model.scale == pytest.approx(3)
    other = model(pictures(3), texts(4)).data
    np.testing.assert_allclose(other, x @ y.T * 3, rtol=1e-5, atol=1e-5)


@variants
def test_a_permuted_batch_permutes_the_logits(config):
    """No picture and no text knows its place in the batch: only the pairing tells who fits."""
    model, images, ids = make(config), pictures(5), texts(4)
    i, j = np.array([3, 0, 4, 1, 2]), np.array([2, 3, 0, 1])
    logits = model(images, ids).data
    permuted = model(images[i], ids[j]).data
    np.testing.assert_allclose(permuted, logits[i][:, j], rtol=1e-4, atol=1e-5)


@variants
def test_every_parameter_gets_a_gradient(config):
    """Only the key bias has none: it moves all scores of a query alike, which softmax undoes."""
    model = make(config)
    clip_loss(model(pictures(4), texts(4))).backward()
    key_biases = 0
    for name, parameter in model.named_parameters():
        assert parameter.grad is not None, name
        largest = np.abs(parameter.grad).max()
        if name.endswith("attention.k.bias"):
            key_biases += 1
            assert largest < 1e-6, name
        else:
            assert largest > 1e-5, name
    assert key_biases == (3 if config is MAP else 2)


@variants
def test_a_frozen_tower_stays_as_it_was(config):
    """Its parameters get no gradient and its bytes don't change; the rest trains."""
    model = make(config)
    model.vision.freeze()
    before = {name: array.copy() for name, array in model.state_dict().items()}
    optimizer = AdamW(decay_groups(model, weight_decay=0.5), lr=1e-2)
    for _ in range(3):
        optimizer.zero_grad()
        clip_loss(model(pictures(4), texts(4))).backward()
        optimizer.step()
    for name, parameter in model.named_parameters():
        changed = (parameter.data != before[name]).any()
        assert changed == (not name.startswith("vision.")), name
    assert all(parameter.grad is None for parameter in model.vision.parameters())


@variants
def test_it_overfits_eight_pairs(config):
    """Measured: 25 to 65 steps to a loss of .01."""
    model, images, ids = make(config), pictures(8), texts(8)
    optimizer = AdamW(decay_groups(model, weight_decay=0.0), lr=3e-3)
    for _ in range(300):
        optimizer.zero_grad()
        loss = clip_loss(model(images, ids))
        loss.backward()
        optimizer.step()
        model.clamp()
        if loss.item() < 0.01:
            break
    assert loss.item() < 0.01
    logits = model(images, ids).data
    for axis in (0, 1):
        np.testing.assert_array_equal(logits.argmax(axis), range(8))


def test_a_tower_that_sees_nothing_cannot_overfit():
    """The test above can fail: black pictures leave the loss at ln 8, or above."""
    model, images, ids = make(), Tensor(np.zeros((8, 3, 8, 8), np.float32)), texts(8)
    optimizer = AdamW(decay_groups(model, weight_decay=0.0), lr=3e-3)
    for _ in range(60):
        optimizer.zero_grad()
        loss = clip_loss(model(images, ids))
        loss.backward()
        optimizer.step()
    assert loss.item() > math.log(8) - 1e-3


@variants
def test_a_saved_model_gives_the_same_logits(config):
    one, other = make(config, seed=0), make(config, seed=1)
    before = other(pictures(3), texts(3)).data
    other.load_state_dict(one.state_dict())
    logits = one(pictures(3), texts(3)).data
    np.testing.assert_array_equal(other(pictures(3), texts(3)).data, logits)
    assert (before != logits).all()


# The temperature


def test_the_temperature_starts_at_its_value():
    assert make().scale == pytest.approx(1 / 0.07, rel=1e-6)
    assert make().logit_scale.shape == ()
    assert make(replace(MUSEUM, initial_scale=5.0)).scale == pytest.approx(5, rel=1e-6)


@pytest.mark.parametrize(("stored", "scale"), [(9.0, 100), (4.0, math.exp(4)), (-2.0, 0.1353353)])
def test_clamp_holds_the_temperature_at_100(stored, scale):
    """Catches a clamp of the logarithm at 100, and one that also lifts small values."""
    model = make()
    held = model.logit_scale.data
    held[...] = stored
    model.clamp()
    assert model.scale == pytest.approx(scale, rel=1e-6)
    assert model.logit_scale.data is held, "the optimizer's memory must be clamped"
    assert held.dtype == np.float32


def test_another_clamp():
    model = make(replace(MUSEUM, max_scale=2.0))
    model.clamp()
    assert model.scale == pytest.approx(2, rel=1e-6)


# Where a word looks


@variants
def test_patch_similarity_is_a_cosine_of_each_patch(config):
    """The tokens, without the class token, through the projection, row by row."""
    model, images, ids = make(config), pictures(3), texts(4)
    similarity = patch_similarity(model, images, ids)
    assert similarity.shape == (3, 4, 2, 2)
    assert np.abs(similarity).max() <= 1 + 1e-6
    tokens = model.vision.tokens(images).data[:, -4:]
    x = tokens @ model.image_projection.weight.data
    x /= np.linalg.norm(x, axis=-1, keepdims=True)
    y = model.encode_text(ids).data
    for b, m, i, j in np.ndindex(similarity.shape):
        assert similarity[b, m, i, j] == pytest.approx(x[b, 2 * i + j] @ y[m], abs=1e-5)


def test_one_patch_is_the_whole_picture():
    """Max over one token is that token: then the map is the model's own similarity."""
    model = make(replace(MUSEUM, vision=replace(VISION, patch_size=8)))
    similarity = patch_similarity(model, pictures(3), texts(4))
    logits = model(pictures(3), texts(4)).data
    assert similarity.shape == (3, 4, 1, 1)
    np.testing.assert_allclose(similarity[..., 0, 0] * model.scale, logits, rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("pool", ["max", "class"])
def test_a_patch_shows_at_its_place(pool):
    """Without blocks tokens don't mix: another patch (i, j) changes the map at (i, j) only."""
    vision = replace(VISION, stem="patch", depth=0, image_size=12, pool=pool)
    model, ids = make(replace(MUSEUM, vision=vision)), texts(2)
    images = np.random.default_rng(0).normal(size=(1, 3, 12, 12)).astype(np.float32)
    before = patch_similarity(model, Tensor(images), ids)
    for i, j in np.ndindex(3, 3):
        other = images.copy()
        other[:, :, 4 * i : 4 * i + 4, 4 * j : 4 * j + 4] *= -1
        after = patch_similarity(model, Tensor(other), ids)
        changed = (np.abs(after - before) > 1e-4).any(axis=(0, 1))
        np.testing.assert_array_equal(np.argwhere(changed), [[i, j]])


def test_patch_similarity_records_nothing():
    """Catches a graph that is kept alive by a picture; training goes on afterwards."""
    model = make()
    similarity = patch_similarity(model, pictures(2), texts(2))
    assert isinstance(similarity, np.ndarray)
    loss = clip_loss(model(pictures(2), texts(2)))
    assert loss.requires_grad


# The published size


def test_vit_b_32_has_the_published_shapes(monkeypatch):
    """151,277,313 parameters (openai/clip-vit-base-patch32). The values are never allocated."""

    def unallocated(_, shape, std=None):
        return np.broadcast_to(np.float32(0), shape)

    monkeypatch.setattr(init, "normal", unallocated)
    for name in ("zeros", "ones"):
        monkeypatch.setattr(init, name, lambda *shape: unallocated(None, shape))
    model = make(VIT_B_32)
    assert model.parameter_count() == 151_277_313
    shapes = {name: parameter.shape for name, parameter in model.named_parameters()}
    assert shapes["vision.patch_embed.projection.weight"] == (3 * 32 * 32, 768)
    assert "vision.patch_embed.projection.bias" not in shapes
    assert shapes["vision.class_token"] == (768,)
    assert shapes["vision.position"] == (50, 768)
    assert shapes["vision.norm_before.gain"] == (768,)
    assert shapes["vision.transformer.blocks.11.mlp.up.weight"] == (768, 3072)
    assert shapes["text.token_embedding.weight"] == (49408, 512)
    assert shapes["text.position"] == (77, 512)
    assert shapes["text.transformer.blocks.11.mlp.up.weight"] == (512, 2048)
    assert shapes["image_projection.weight"] == (768, 512)
    assert shapes["text_projection.weight"] == (512, 512)
    heads = {m.H for m in model.vision.modules() if hasattr(m, "H")}
    assert heads == {12}
    assert {m.H for m in model.text.modules() if hasattr(m, "H")} == {8}
