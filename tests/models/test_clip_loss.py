"""CLIP's loss against its formula, with one positive a row and with several, and at the start."""

import math

import numpy as np
import pytest

from tinyvlm.blocks.text import TextConfig
from tinyvlm.blocks.vit import ViTConfig
from tinyvlm.models.clip import CLIP, CLIPConfig, clip_loss
from tinyvlm.nn import functional as F
from tinyvlm.tensor import Tensor


def vectors(n, E, seed):
    """Random unit vectors (n, E)."""
    return F.l2_normalize(Tensor(np.random.default_rng(seed).normal(size=(n, E)).astype("f")))


def written_out(logits, positives):
    """Half the sum, over both directions, of -mean over rows of mean over positives of log p."""
    total = 0.0
    for scores, fits in ((logits, positives), (logits.T, positives.T)):
        log_p = scores - np.log(np.exp(scores).sum(axis=1, keepdims=True))
        total += -np.mean([row[hits].mean() for row, hits in zip(log_p, fits, strict=True)])
    return total / 2


def random_logits(B, M, seed=3):
    return np.random.default_rng(seed).normal(size=(B, M)) * 3


def test_the_plain_loss():
    logits = random_logits(5, 5)
    expected = written_out(logits, np.eye(5, dtype=bool))
    assert clip_loss(Tensor(logits)).item() == pytest.approx(expected, rel=1e-12)
    identity = clip_loss(Tensor(logits), np.eye(5, dtype=bool)).item()
    assert identity == clip_loss(Tensor(logits)).item()
    assert clip_loss(Tensor(random_logits(1, 1))).item() == 0


@pytest.mark.parametrize("shape", [(5, 5), (3, 7), (6, 2)])
def test_the_loss_with_several_positives(shape):
    """Catches positives that share one mass per picture only, or are weighed by their number."""
    logits, rng = random_logits(*shape), np.random.default_rng(4)
    positives = rng.random(shape) < 0.4
    each = np.arange(max(shape))
    positives[each % shape[0], each % shape[1]] = True  # no row and no column without one
    assert (positives.sum(axis=0) > 1).any() or (positives.sum(axis=1) > 1).any()
    expected = written_out(logits, positives)
    assert clip_loss(Tensor(logits), positives).item() == pytest.approx(expected, rel=1e-12)


def test_both_directions_weigh_the_same():
    """loss(logits) = loss(logits^T), and each direction alone is another number."""
    logits, positives = random_logits(4, 4), np.eye(4, dtype=bool)
    positives[1, 3] = True
    assert clip_loss(Tensor(logits)).item() == pytest.approx(clip_loss(Tensor(logits.T)).item())
    for given in (positives, np.eye(4, dtype=bool)):
        loss = clip_loss(Tensor(logits), given).item()
        assert clip_loss(Tensor(logits.T), given.T).item() == pytest.approx(loss, rel=1e-12)
    one_way = F.cross_entropy(Tensor(logits), np.arange(4)).item()
    assert clip_loss(Tensor(logits)).item() != pytest.approx(one_way, rel=1e-3)


def test_the_loss_keeps_float32():
    """Catches targets whose float64 spreads to the loss."""
    logits = Tensor(random_logits(3, 3).astype(np.float32), requires_grad=True)
    loss = clip_loss(logits)
    loss.backward()
    assert loss.dtype == logits.grad.dtype == np.float32


def test_the_loss_of_random_vectors():
    """Cosines in E dimensions have variance 1/E, so the loss is about ln B + scale^2 / (2 E)."""
    config = CLIPConfig(ViTConfig(depth=0), TextConfig(vocab_size=50, eos_id=49, depth=0))
    model = CLIP(config, np.random.default_rng(0))
    loss = clip_loss(model.logits(vectors(256, 512, 0), vectors(256, 512, 1))).item()
    assert loss == pytest.approx(math.log(256) + model.scale**2 / (2 * 512), abs=0.1)


def test_the_loss_at_the_start():
    """ln B + (spread of the logits)^2 / 2 in each direction, for pairs that know nothing yet."""
    config = CLIPConfig(ViTConfig(depth=1), TextConfig(vocab_size=50, eos_id=49, depth=1))
    model, rng = CLIP(config, np.random.default_rng(0)), np.random.default_rng(1)
    ids = rng.integers(0, 49, (64, 9))
    ids[:, -1] = 49
    logits = model(Tensor(rng.normal(size=(64, 3, 32, 32)).astype(np.float32)), ids)
    spread = (logits.data.var(axis=1).mean() + logits.data.var(axis=0).mean()) / 2
    assert clip_loss(logits).item() == pytest.approx(math.log(64) + spread / 2, abs=0.2)


def test_a_picture_without_a_true_text_is_refused():
    with pytest.raises(ValueError, match="needs a positive"):
        clip_loss(Tensor(np.zeros((3, 2), np.float32)))
