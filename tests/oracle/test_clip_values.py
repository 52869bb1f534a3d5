"""Tiny CLIPs give the logits, losses and gradients PyTorch gave with the same weights."""

from pathlib import Path

import numpy as np
import pytest
from clip_cases import CASES, EMBED_WIDTH, IDS, POSITIVES

from tinyvlm.blocks.text import TextConfig
from tinyvlm.blocks.vit import ViTConfig
from tinyvlm.models.clip import CLIP, CLIPConfig, clip_loss
from tinyvlm.tensor import Tensor

with np.load(Path(__file__).with_name("clip_values.npz"), allow_pickle=False) as file:
    STORED = {name: file[name] for name in file.files}


def stored(case, kind):
    """{name: values} of a case, kind being "weight:" or "gradient:"."""
    start = f"{case}:{kind}"
    return {key[len(start) :]: v for key, v in STORED.items() if key.startswith(start)}


def model_of(case, dtype):
    config = CLIPConfig(
        ViTConfig(**CASES[case]["vision"]), TextConfig(**CASES[case]["text"]), EMBED_WIDTH
    )
    model = CLIP(config, np.random.default_rng(0))
    model.load_state_dict(stored(case, "weight:"))
    for parameter in model.parameters():
        parameter.data = parameter.data.astype(dtype)
    return model


def off_by(ours, theirs, floor=0.0):
    """The largest difference, as a share of the largest value of the array (at least floor)."""
    assert ours.shape == theirs.shape
    return np.abs(ours - theirs).max() / max(np.abs(theirs).max(), floor)


# Allowed differences, as a share of the largest value of an array.
FLOAT64 = 1e-11  # logits and losses, measured 6e-13: our eps of the L2 norm is inside the root
STORED_GRADIENT = 1e-7  # measured 6e-8: gradients are stored in float32
FLOAT32 = 1e-5  # measured 2e-6


@pytest.mark.parametrize("case", CASES)
@pytest.mark.parametrize(
    ("dtype", "of_values", "of_gradients"),
    [("float64", FLOAT64, STORED_GRADIENT), ("float32", FLOAT32, FLOAT32)],
)
def test_logits_losses_and_gradients_are_those_of_pytorch(case, dtype, of_values, of_gradients):
    """Catches what is consistent with itself but not the field's: the order of norms and positions,
    the kind of GELU, which end of text is read, where the class token stands, heads, eps."""
    model = model_of(case, dtype)
    logits = model(Tensor(STORED[f"{case}:images"].astype(dtype)), IDS)
    losses = clip_loss(logits), clip_loss(logits, POSITIVES)
    (losses[0] + losses[1]).backward()
    assert logits.dtype == dtype
    assert off_by(logits.data, STORED[f"{case}:logits"]) < of_values
    assert off_by(np.array([x.item() for x in losses]), STORED[f"{case}:losses"]) < of_values
    gradients = stored(case, "gradient:")
    # The key bias has no influence, its gradient is rounding: it is held against the largest one.
    largest = max(np.abs(g).max() for g in gradients.values())
    for name, parameter in model.named_parameters():
        floor = largest if name.endswith("attention.k.bias") else 0.0
        assert off_by(parameter.grad, gradients[name], floor) < of_gradients, name


def test_the_stored_values_belong_to_the_cases():
    """Catches cases that were changed without storing new values."""
    assert {key.partition(":")[0] for key in STORED} == CASES.keys()
    for case in CASES:
        names = dict(model_of(case, "float32").named_parameters()).keys()
        assert stored(case, "weight:").keys() == stored(case, "gradient:").keys() == names
