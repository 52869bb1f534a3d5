"""A guide that has learnt nothing, as a file, and the commands that ask it."""

import numpy as np
import pytest
from PIL import Image

from tinyvlm import model_files
from tinyvlm.blocks.gemma import GemmaConfig
from tinyvlm.blocks.vit import ViTConfig
from tinyvlm.cli import guide as cli_guide
from tinyvlm.cli import main
from tinyvlm.models.paligemma import PaliGemma, PaliGemmaConfig
from tinyvlm.text import WordTokenizer
from tinyvlm.text.locations import location_words

TEXTS = "answer en what color is the red star caption en detect a blue circle where"
GUIDE_WORDS = WordTokenizer([*dict.fromkeys(TEXTS.split()), *location_words(17)])
TRAINED_ON = "pictures of nothing"


def untaught_guide():
    """What it says is chance, but always the same; its weights are large enough to say several."""
    vision = ViTConfig(image_size=16, patch_size=4, width=16, depth=1, heads=2, mlp_width=16)
    V = GUIDE_WORDS.vocab_size
    language = GemmaConfig(V, width=12, depth=2, heads=2, head_width=6, mlp_width=16)
    model = PaliGemma(PaliGemmaConfig(vision, language), np.random.default_rng(3))
    for parameter in model.language.parameters():
        parameter.data *= np.float32(3)
    model.language.token_embedding.weight.data[:4] = 0  # it rarely says what is no word
    return model


def save_guide(path, model):
    about = model_files.describe(model, GUIDE_WORDS, TRAINED_ON, bins=17)
    model_files.save_model(path, model, about)
    return path


@pytest.fixture(scope="session")
def guide_file(tmp_path_factory):
    return save_guide(tmp_path_factory.mktemp("guides") / "small.safetensors", untaught_guide())


@pytest.fixture
def exhibit(tmp_path):
    """A picture of the size that the guide was made for."""
    path = tmp_path / "exhibit.png"
    colours = np.random.default_rng(0).integers(0, 256, (4, 4, 3), dtype=np.uint8)
    Image.fromarray(colours.repeat(4, axis=0).repeat(4, axis=1)).save(path)
    return path


@pytest.fixture
def guide(guide_file, monkeypatch, capsys):
    """Run a command of the guide and return (exit code, stdout, stderr). It is soon cut short."""
    monkeypatch.setattr(cli_guide, "MOST_TOKENS", 5)

    def run(command, picture, *words, model=guide_file):
        code = main([command, str(picture), *words, "--model", str(model)])
        shown = capsys.readouterr()
        return code, shown.out, shown.err

    return run
