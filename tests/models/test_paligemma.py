"""PaliGemma: shapes, gradients, its three regions, its loss, overfitting, its published size."""

from dataclasses import replace

import numpy as np
import pytest

from tinyvlm.blocks.gemma import GemmaConfig
from tinyvlm.blocks.projector import Projector
from tinyvlm.blocks.vit import ViT, ViTConfig
from tinyvlm.models.paligemma import PALIGEMMA_3B_224, PaliGemma, PaliGemmaConfig, suffix_loss
from tinyvlm.nn import init
from tinyvlm.nn.attention import watch_attention
from tinyvlm.optim import AdamW, decay_groups, warmup_cosine
from tinyvlm.parallel import in_shards
from tinyvlm.tensor import Tensor

VISION = ViTConfig(image_size=8, patch_size=4, width=16, depth=1, heads=2, mlp_width=24)
LANGUAGE = GemmaConfig(vocab_size=14, width=24, depth=2, heads=2, head_width=6, mlp_width=32)
TINY = PaliGemmaConfig(VISION, LANGUAGE)
SIGLIP = replace(TINY, vision=replace(VISION, stem="patch", eps=1e-6))
PREFIX = 3  # tokens of each text


def make(config=TINY, dtype=np.float32):
    model = PaliGemma(config, np.random.default_rng(0))
    for parameter in model.parameters():
        parameter.data = parameter.data.astype(dtype)
    return model


def pictures(B, dtype=np.float32, seed=1):
    return Tensor(np.random.default_rng(seed).normal(size=(B, 3, 8, 8)).astype(dtype))


def texts(B, T=6, seed=2):
    """ids and suffix (B, T), without padding."""
    ids = np.random.default_rng(seed).integers(1, 14, (B, T))
    return ids, np.arange(T) >= np.full((B, 1), PREFIX)


def test_shapes():
    model, (ids, suffix) = make(), texts(3)
    logits = model(pictures(3), ids, suffix)
    assert logits.shape == (3, 6, 14)
    assert logits.dtype == np.float32
    assert model.encode_image(pictures(3)).shape == (3, 4, 24)
    assert suffix_loss(logits, ids, suffix).shape == (3,)
    assert suffix_loss(logits, ids, suffix).dtype == np.float32


def test_the_published_model_has_its_2_923_335_408_parameters(monkeypatch):
    """256,000 + 1024 + 128 words; published files pad the table to 257,216 rows, 131,072 more.

    The tower and the projector are built, with memory that is never written; the decoder is built
    one block deep in the test of its own file.
    """
    monkeypatch.setattr(init, "small_normal", lambda rng, shape, fan_in: np.empty(shape, "f4"))
    monkeypatch.setattr(init, "normal", lambda rng, shape, std: np.empty(shape, "f4"))
    vision, language, rng = PALIGEMMA_3B_224.vision, PALIGEMMA_3B_224.language, None
    tower = ViT(vision, rng).parameter_count()
    projector = Projector(vision.width, language.width, rng).parameter_count()
    assert tower == 412_442_352
    assert projector == 2_361_344
    gemma_2b = 2_506_172_416 + (language.vocab_size - 256_000) * language.width
    assert tower + projector + gemma_2b == 2_923_335_408


@pytest.mark.parametrize("config", [TINY, SIGLIP], ids=["museum", "siglip"])
def test_every_parameter_gets_a_gradient(config):
    """Only the tower's key biases have none: softmax undoes them."""
    model, (ids, suffix) = make(config), texts(4)
    suffix_loss(model(pictures(4), ids, suffix), ids, suffix).mean().backward()
    for name, parameter in model.named_parameters():
        largest = np.abs(parameter.grad).max()
        if name.endswith("attention.k.bias"):
            assert largest < 1e-6, name
        else:
            assert largest > 1e-5, name


def test_a_frozen_tower_gets_no_gradient_and_stays_as_it_was():
    model, (ids, suffix) = make(), texts(4)
    model.vision.freeze()
    before = {name: array.copy() for name, array in model.state_dict().items()}
    optimizer = AdamW(decay_groups(model, weight_decay=0.5), lr=1e-2)
    for _ in range(2):
        optimizer.zero_grad()
        suffix_loss(model(pictures(4), ids, suffix), ids, suffix).mean().backward()
        optimizer.step()
    for name, parameter in model.named_parameters():
        frozen = name.startswith("vision.")
        assert (parameter.grad is None) == frozen, name
        assert np.array_equal(parameter.data, before[name]) == frozen, name


# The sequence


def test_image_tokens_stand_first_and_are_not_scaled():
    """Catches sqrt(D) on the image tokens: only the text's table is small."""
    model, (ids, _) = make(), texts(2)
    z = model.encode_image(pictures(2))
    x, present = model.embed(z, np.where(np.arange(6) < 5, ids, 0))
    assert x.shape == (2, 4 + 6, 24)
    np.testing.assert_array_equal(x.data[:, :4], z.data)
    table = model.language.token_embedding.weight.data
    np.testing.assert_allclose(x.data[:, 4:9], table[ids[:, :5]] * 24**0.5, rtol=1e-6)
    np.testing.assert_array_equal(present, np.arange(10) < np.full((2, 1), 9))


def influence(model, images, ids, suffix, change):
    """Which logits (T,) of the first text move when `change` made other images or ids."""
    before = model(images, ids, suffix).data
    after = model(*change(images, ids), suffix).data
    return np.abs(after - before).max(axis=2)[0] > 1e-12


@pytest.mark.parametrize("t", range(6))
def test_one_token_changed(t):
    """The three regions. Any prefix token moves every output of the prefix and the suffix; a suffix
    token moves nothing before it."""
    model, (ids, suffix) = make(dtype=np.float64), texts(2)
    other = ids.copy()
    other[0, t] = ids[0, t] % 13 + 1
    moved = influence(model, pictures(2, np.float64), ids, suffix, lambda x, _: (x, other))
    expected = np.arange(6) >= t if t >= PREFIX else np.ones(6, bool)
    np.testing.assert_array_equal(moved, expected)


@pytest.mark.parametrize("t", range(6))
def test_one_token_changed_where_the_prefix_is_causal_too(t):
    model, (ids, suffix) = make(replace(TINY, causal=True), np.float64), texts(2)
    other = ids.copy()
    other[0, t] = ids[0, t] % 13 + 1
    moved = influence(model, pictures(2, np.float64), ids, suffix, lambda x, _: (x, other))
    np.testing.assert_array_equal(moved, np.arange(6) >= t)


@pytest.mark.parametrize("patch", range(4))
def test_one_patch_changed(patch):
    model, (ids, suffix) = make(SIGLIP, np.float64), texts(2)
    images = pictures(2, np.float64)
    other = images.data.copy()
    y, x = 4 * (patch // 2), 4 * (patch % 2)
    other[0, :, y : y + 4, x : x + 4] += 1
    moved = influence(model, images, ids, suffix, lambda _, ids: (Tensor(other), ids))
    assert moved.all()


def test_who_looks_at_whom():
    """The attention of the first block, padding at the end: the image looks at the prompt too."""
    model, (ids, suffix) = make(), texts(1, T=7)
    ids[:, 6:], suffix[:, 6:] = 0, False
    with watch_attention() as maps:
        model(pictures(1), ids, suffix)
    looks = maps[1][0] > 0  # the tower has one block, this is the decoder's first, (H, N+T, N+T)
    place = np.arange(4 + 7)
    prefix, present = place < 4 + PREFIX, place < 4 + 6
    expected = present[:, None] & present & (prefix | (place <= place[:, None]))
    np.testing.assert_array_equal(looks, np.broadcast_to(expected, looks.shape))


def test_no_row_feels_another():
    model, (ids, suffix) = make(dtype=np.float64), texts(3)
    images = pictures(3, np.float64)
    together = model(images, ids, suffix).data
    for i in range(3):
        row = slice(i, i + 1)
        alone = model(images[row], ids[row], suffix[row]).data
        np.testing.assert_allclose(alone[0], together[i], rtol=1e-10, atol=1e-10)


def test_several_texts_a_picture():
    """Six texts of two pictures are those texts with their picture, three each."""
    model, (ids, suffix) = make(dtype=np.float64), texts(6)
    images = pictures(2, np.float64)
    y = model(images, ids, suffix).data
    each = Tensor(images.data[[0, 0, 0, 1, 1, 1]])
    np.testing.assert_allclose(y, model(each, ids, suffix).data, rtol=1e-10, atol=1e-10)
    with pytest.raises(ValueError, match=r"expected ids \(B\*Q, T\) for 2 pictures, got \(5, 6\)"):
        model(images, ids[:5], suffix[:5])


@pytest.mark.parametrize("left", [0, 1, 3])
def test_padding_changes_nothing(left):
    """On the left, on the right or on both sides: the present tokens' logits stay."""
    model, (ids, suffix) = make(dtype=np.float64), texts(2)
    images = pictures(2, np.float64)
    widths = ((0, 0), (left, 3 - left))
    padded = model(images, np.pad(ids, widths), np.pad(suffix, widths)).data
    expected = model(images, ids, suffix).data
    np.testing.assert_allclose(padded[:, left : left + 6], expected, rtol=1e-10, atol=1e-10)


# The loss


def test_the_loss_is_the_mean_over_each_suffix():
    """By hand: -log p of each suffix token, read one column before it."""
    rng = np.random.default_rng(0)
    logits, ids = rng.normal(size=(3, 5, 7)), rng.integers(1, 7, (3, 5))
    suffix = np.array([[0, 0, 1, 1, 1], [0, 0, 0, 1, 0], [0, 1, 1, 0, 0]], bool)
    p = np.exp(logits) / np.exp(logits).sum(axis=2, keepdims=True)
    expected = [
        -np.mean([np.log(p[b, t - 1, ids[b, t]]) for t in np.flatnonzero(suffix[b])])
        for b in range(3)
    ]
    losses = suffix_loss(Tensor(logits), ids, suffix).data
    np.testing.assert_allclose(losses, expected, rtol=1e-12)


def test_only_the_suffix_is_learned():
    """Catches a loss on the prompt, on padding, or on the logits after the last token."""
    rng = np.random.default_rng(0)
    logits = Tensor(rng.normal(size=(2, 5, 7)), requires_grad=True)
    suffix = np.array([[0, 0, 1, 1, 0], [0, 0, 0, 0, 1]], bool)
    suffix_loss(logits, rng.integers(1, 7, (2, 5)), suffix).mean().backward()
    learned = np.abs(logits.grad).max(axis=2) > 0
    np.testing.assert_array_equal(learned[:, :-1], suffix[:, 1:])
    assert not learned[:, -1].any()


def test_a_text_without_a_suffix_is_refused():
    ids, suffix = texts(2)
    suffix[1] = np.arange(6) == 0  # its only learned token has nothing before it to say it
    with pytest.raises(ValueError, match="needs a token after its first"):
        suffix_loss(Tensor(np.zeros((2, 6, 14))), ids, suffix)


@pytest.mark.parametrize("threads", [1, 3])
def test_in_shards_it_is_the_same(threads):
    """Rows are independent, so a batch may be cut by pictures: losses and gradients agree."""
    model, (ids, suffix), images = make(dtype=np.float64), texts(6), pictures(3, np.float64)
    suffix_loss(model(images, ids, suffix), ids, suffix).mean().backward()
    expected = {name: p.grad for name, p in model.named_parameters()}
    model.zero_grad()

    def losses(rows):
        i = (rows[:, None] * 2 + np.arange(2)).reshape(-1)
        return suffix_loss(model(images[rows], ids[i], suffix[i]), ids[i], suffix[i]).reshape(-1, 2)

    in_shards(losses, np.arange(3), threads).mean().backward()
    for name, parameter in model.named_parameters():
        np.testing.assert_allclose(parameter.grad, expected[name], rtol=1e-9, atol=1e-12)


def test_it_overfits_8_examples():
    """8 pictures, one prompt, 8 answers of two words: only the picture tells which."""
    language = replace(LANGUAGE, width=48, heads=4, head_width=12, mlp_width=64)
    model, images = make(replace(SIGLIP, language=language)), pictures(8)
    prompt = np.tile([3, 4, 1], (8, 1))
    answers = np.array([[5 + i // 4, 7 + i % 4, 2] for i in range(8)])
    ids = np.concatenate([prompt, answers], axis=1)
    suffix = np.arange(6) >= np.full((8, 1), 3)
    optimizer = AdamW(decay_groups(model, weight_decay=0.01), lr=5e-3)
    for step in range(150):
        optimizer.lr = warmup_cosine(step, 150, 4e-3, 10)
        optimizer.zero_grad()
        loss = suffix_loss(model(images, ids, suffix), ids, suffix).mean()
        loss.backward()
        optimizer.step()
    assert loss.item() < 0.03  # measured .015; without the picture it ends at .69
    said = model(images, ids, suffix).data.argmax(axis=2)
    np.testing.assert_array_equal(said[:, 2:5], answers)
