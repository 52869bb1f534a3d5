"""Clones with a guide of few numbers, and without any."""

import numpy as np
import pytest

from tinyvlm import model_files
from tinyvlm.blocks.gemma import GemmaConfig
from tinyvlm.blocks.vit import ViTConfig
from tinyvlm.models.paligemma import PaliGemma, PaliGemmaConfig
from tinyvlm.recipes import guide, guide_texts


@pytest.fixture
def unshipped(tmp_path, monkeypatch):
    """The folder of a clone's weights, empty."""
    folder = tmp_path / "weights"
    folder.mkdir()
    monkeypatch.setattr(model_files, "WEIGHTS", folder)
    return folder


@pytest.fixture
def shipped(unshipped):
    """The file of an untrained guide in it."""
    words = guide_texts.tokenizer().vocab_size
    vision = ViTConfig(image_size=48, patch_size=16, width=8, depth=1, heads=2, mlp_width=8)
    language = GemmaConfig(words, width=8, depth=1, heads=2, kv_heads=1, head_width=4, mlp_width=8)
    model = PaliGemma(PaliGemmaConfig(vision, language), np.random.default_rng(0))
    path = unshipped / "guide-museum.safetensors"
    model_files.save_model(path, model, guide.about(model))
    return path
