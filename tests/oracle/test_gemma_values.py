"""Tiny Gemmas give the logits, losses and gradients PyTorch gave with the same weights."""

from pathlib import Path

import numpy as np
import pytest
from gemma_cases import CASES, IDS, IMAGE_TOKENS, SUFFIX

from tinyvlm.blocks.gemma import Gemma, GemmaConfig, count_positions
from tinyvlm.models.paligemma import suffix_loss
from tinyvlm.nn import functional as F
from tinyvlm.nn.masks import Mask
from tinyvlm.tensor import Tensor

with np.load(Path(__file__).with_name("gemma_values.npz"), allow_pickle=False) as file:
    STORED = {name: file[name] for name in file.files}


def stored(case, kind):
    """{name: values} of a case, kind being "weight:" or "gradient:"."""
    start = f"{case}:{kind}"
    return {key[len(start) :]: v for key, v in STORED.items() if key.startswith(start)}


def model_of(case, dtype):
    model = Gemma(GemmaConfig(**CASES[case]), np.random.default_rng(0))
    model.load_state_dict(stored(case, "weight:"))
    for parameter in model.parameters():
        parameter.data = parameter.data.astype(dtype)
    return model


def off_by(ours, theirs):
    """The largest difference, as a share of the largest value of the array."""
    assert ours.shape == theirs.shape
    return np.abs(ours - theirs).max() / np.abs(theirs).max()


# Allowed differences, as a share of the largest value of an array.
FLOAT64 = 1e-14  # measured 2e-15
STORED_GRADIENT = 1e-7  # measured 5e-8: gradients are stored in float32
FLOAT32 = 1e-5  # measured 2e-6


@pytest.mark.parametrize("case", CASES)
@pytest.mark.parametrize(
    ("dtype", "of_values", "of_gradients"),
    [("float64", FLOAT64, STORED_GRADIENT), ("float32", FLOAT32, FLOAT32)],
)
def test_logits_losses_and_gradients_are_those_of_pytorch(case, dtype, of_values, of_gradients):
    """Catches what is consistent with itself but not Gemma's: w for 1 + w, neighbouring pairs in
    RoPE, scaled image tokens, the wrong GELU, a shifted loss, padding that counts."""
    model = model_of(case, dtype)
    image_tokens = Tensor(STORED[f"{case}:image_tokens"].astype(dtype), requires_grad=True)
    x = F.concatenate([image_tokens, model.embed(IDS)], axis=1)
    suffix = np.pad(SUFFIX, ((0, 0), (IMAGE_TOKENS, 0)))
    present = np.pad(IDS != 0, ((0, 0), (IMAGE_TOKENS, 0)), constant_values=True)
    x = model(x, Mask.prefix_lm(suffix, present), count_positions(present), keep=IDS.shape[1])
    logits = model.logits(x)
    losses = suffix_loss(logits, IDS, SUFFIX)
    losses.mean().backward()
    assert logits.dtype == losses.dtype == dtype
    words = IDS != 0
    assert off_by(logits.data[words], STORED[f"{case}:logits"][words]) < of_values
    assert off_by(losses.data, STORED[f"{case}:losses"]) < of_values
    assert off_by(image_tokens.grad, STORED[f"{case}:image_gradient"]) < of_gradients
    gradients = stored(case, "gradient:")
    for name, parameter in model.named_parameters():
        assert off_by(parameter.grad, gradients[name]) < of_gradients, name


def test_the_stored_values_belong_to_the_cases():
    """Catches cases that were changed without storing new values."""
    assert {key.partition(":")[0] for key in STORED} == CASES.keys()
    for case in CASES:
        names = dict(model_of(case, "float32").named_parameters()).keys()
        assert stored(case, "weight:").keys() == stored(case, "gradient:").keys() == names
