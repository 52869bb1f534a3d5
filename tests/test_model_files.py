"""Models as files: what is saved comes back; a file that does not fit is refused in one line."""

import json
import struct

import numpy as np
import pytest
import safetensors.numpy
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tinyvlm import checkpoint, model_files
from tinyvlm.blocks.gemma import GemmaConfig
from tinyvlm.blocks.text import TextConfig
from tinyvlm.blocks.vit import ViTConfig
from tinyvlm.errors import InputError
from tinyvlm.models.clip import CLIP, VIT_B_32, CLIPConfig
from tinyvlm.models.paligemma import PaliGemma, PaliGemmaConfig
from tinyvlm.tensor import Tensor, no_grad
from tinyvlm.text import BytePairTokenizer, WordTokenizer
from tinyvlm.text.locations import location_words

ARRAYS = {
    "model.w": np.arange(6, dtype=np.float32).reshape(2, 3),
    "model.scale": np.array(2.5, np.float32),
    "ids": np.array([1, -2, 3], np.int64),
    "flags": np.array([[True], [False]]),
    "nothing": np.zeros((0, 4)),
}
ABOUT = {"kind": "clip", "step": 7, "rate": 0.1, "words": ["é", "星", "🙂"], "nested": {"a": None}}


def one_line(error, path):
    message = str(error.value)
    assert str(path) in message
    assert "\n" not in message
    return message


@pytest.fixture
def path(tmp_path):
    return tmp_path / "some.safetensors"


def small_clip(V=7):
    vision = ViTConfig(width=16, depth=1, heads=2, mlp_width=16)
    text = TextConfig(vocab_size=V, eos_id=2, length=6, width=16, depth=1, heads=2, mlp_width=16)
    return CLIP(CLIPConfig(vision, text, embed_width=8), np.random.default_rng(3))


WORDS = WordTokenizer(["red", "blue", "star"])
TEMPLATES = ["{}", "a photo of {}"]


def describe(model, words=WORDS):
    return model_files.describe(model, words, "tests", templates=TEMPLATES)


def saved_clip(path):
    model = small_clip()
    model_files.save_model(path, model, describe(model))
    return model


# There and back


@pytest.mark.parametrize("config", [VIT_B_32, small_clip().config])
def test_a_config_comes_back_equal(config):
    text = json.dumps(checkpoint.config_to_json(config))
    assert checkpoint.config_from_json(CLIPConfig, json.loads(text)) == config


def test_it_is_a_plain_safetensors_file(path):
    """The weights can be read without this library."""
    model = saved_clip(path)
    arrays = safetensors.numpy.load_file(path)
    assert {f"model.{name}" for name in model.state_dict()} == set(arrays)


def test_a_loaded_model_gives_the_same_logits(path):
    model = saved_clip(path)
    loaded, words, about = model_files.load_model(path, CLIP)
    rng = np.random.default_rng(0)
    images = Tensor(rng.normal(size=(3, 3, 32, 32)).astype(np.float32))
    ids = words.batch(["red star", "blue star"], 6)
    np.testing.assert_array_equal(ids, WORDS.batch(["red star", "blue star"], 6))
    with no_grad():
        assert loaded(images, ids).data.tobytes() == model.eval()(images, ids).data.tobytes()
    assert loaded.config == model.config
    assert not loaded.training
    assert about["templates"] == TEMPLATES
    assert about["trained_on"] == "tests"


def test_a_tokenizer_of_byte_pairs_comes_back(path):
    model = small_clip(V=262)
    pairs = BytePairTokenizer.train(["a red star", "a blue star"], vocab_size=262)
    model_files.save_model(path, model, describe(model, pairs))
    text = "ein roter Stern 星"
    assert model_files.load_model(path, CLIP)[1].encode(text) == pairs.encode(text)


# Checkpoints that do not fit what they describe


def wrong_weights():
    yield "missing text.position", lambda arrays: arrays.pop("model.text.position")
    yield "unexpected extra", lambda arrays: arrays.update({"model.extra": np.zeros(3)})
    wrong_shape = {"model.text.position": np.zeros((5, 16), np.float32)}
    yield r"text.position is \(5, 16\) where \(6, 16\)", lambda arrays: arrays.update(wrong_shape)
    yield r"missing logit_scale; missing .* and \d+ more", lambda arrays: arrays.clear()


@pytest.mark.parametrize(("message", "change"), [*wrong_weights()], ids=lambda x: str(x)[:20])
def test_weights_that_do_not_fit_are_listed(path, message, change):
    saved_clip(path)
    arrays, about = checkpoint.load(path)
    change(arrays)
    checkpoint.save(path, arrays, about)
    with pytest.raises(InputError, match=f"the weights don't fit this model: .*{message}") as error:
        model_files.load_model(path, CLIP)
    one_line(error, path)


def without(about, name):
    return {key: value for key, value in about.items() if key != name}


def wrong_descriptions():
    for name in ("kind", "config", "tokenizer", "templates"):
        yield f"no_{name}", lambda about, name=name: without(about, name)
        for value in (None, 3, [], {}, "x", [["x"]]):
            yield f"{name}={value!r}", lambda about, n=name, v=value: about | {n: v}

    def config(**changes):
        return lambda about: about | {"config": about["config"] | changes}

    def vision(**changes):
        return lambda about: config(vision=about["config"]["vision"] | changes)(about)

    yield "unknown_field", config(color="red")
    yield "vision_is_none", config(vision=None)
    yield "vision_is_a_list", config(vision=[1])
    for value in (0, -1, 3, "x", None, 1.5, [16], 10**6, 10**30):
        yield f"width={value!r}", vision(width=value)
        yield f"heads={value!r}", vision(heads=value)
        yield f"patch_size={value!r}", vision(patch_size=value)
    for value in (0, 2, "x", None, 1.5, 10**9):
        yield f"depth={value!r}", vision(depth=value)
    for value in ("gelu", "np", "", None, 3):
        yield f"activation={value!r}", vision(activation=value)
    yield "embed_width", config(embed_width="8")
    yield "template_without_end", lambda about: about | {"templates": ["a {"]}
    yield "template_with_a_name", lambda about: about | {"templates": ["a {label}"]}
    yield "template_with_two", lambda about: about | {"templates": ["{} and {}"]}
    yield "template_attribute", lambda about: about | {"templates": ["{0.x}"]}
    yield "words_too_many", lambda about: about | {"tokenizer": WordTokenizer([*"abcd"]).to_json()}
    yield "words_twice", lambda about: about | {"tokenizer": {"kind": "words", "words": ["a", "a"]}}


@pytest.mark.parametrize(("name", "change"), [*wrong_descriptions()], ids=lambda x: str(x)[:40])
def test_a_description_that_makes_no_model(path, name, change):
    """Catches a traceback out of the model's own code for a file that claims odd things."""
    saved_clip(path)
    arrays, about = checkpoint.load(path)
    checkpoint.save(path, arrays, change(about))
    with pytest.raises(InputError) as error:
        model_files.load_model(path, CLIP)
    one_line(error, path)


@settings(max_examples=150, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.integers(0, 10**9), st.integers(1, 255))
def test_a_changed_byte_gives_a_model_or_one_line(tmp_path, place, change):
    """Any byte of the header, where names, shapes and the description stand."""
    good = tmp_path / "good.safetensors"
    if not good.exists():
        saved_clip(good)
    content = bytearray(good.read_bytes())
    (length,) = struct.unpack("<Q", content[:8])
    content[place % (8 + length)] ^= change
    path = tmp_path / "changed.safetensors"
    path.write_bytes(content)
    try:
        model, words, about = model_files.load_model(path, CLIP)
    except InputError as error:
        assert str(path) in str(error)
        assert "\n" not in str(error)
    else:
        assert model.parameter_count() == small_clip().parameter_count()
        assert words.batch(["red"], 6).shape == (1, 6)
        assert len([template.format("a red star") for template in about["templates"]]) == 2


# A guide


def saved_guide(path, **changes):
    words = WordTokenizer(["caption", "en", *location_words(3)])
    vision = ViTConfig(width=16, depth=1, heads=2, mlp_width=16)
    language = GemmaConfig(words.vocab_size, width=12, depth=1, head_width=6, mlp_width=8)
    model = PaliGemma(PaliGemmaConfig(vision, language), np.random.default_rng(3))
    about = model_files.describe(model, words, "tests", bins=3) | changes
    model_files.save_model(path, model, about)
    return model


def test_a_guide_comes_back(path):
    model = saved_guide(path)
    loaded, words, about = model_files.load_model(path, PaliGemma)
    assert loaded.config == model.config
    assert about["bins"] == 3
    ids = words.batch(["caption en"], 4)
    images = Tensor(np.ones((1, 3, 32, 32), np.float32))
    with no_grad():
        expected = model.eval()(images, ids, ids == words.eos_id).data
        assert (loaded(images, ids, ids == words.eos_id).data == expected).all()


@pytest.mark.parametrize("bins", [None, -1, 1, 4, "3", 10**9, [3]])
def test_a_guide_without_its_location_words(path, bins):
    saved_guide(path, bins=bins)
    with pytest.raises(InputError) as error:
        model_files.load_model(path, PaliGemma)
    one_line(error, path)


def test_another_kind_of_model(path):
    saved_clip(path)
    with pytest.raises(InputError, match="it holds a CLIP; give a file with a PaliGemma") as error:
        model_files.load_model(path, PaliGemma)
    one_line(error, path)
    saved_guide(path)
    with pytest.raises(InputError, match="it holds a PaliGemma; give a file with a CLIP"):
        model_files.load_model(path, CLIP)


# Shipped with the code


def test_a_model_that_does_not_come_with_the_code(monkeypatch, tmp_path):
    monkeypatch.setattr(model_files, "WEIGHTS", tmp_path)
    with pytest.raises(InputError, match=r"clip-museum\.safetensors is missing; use a clone"):
        model_files.shipped("clip-museum")
    saved_clip(tmp_path / "clip-museum.safetensors")
    assert model_files.shipped("clip-museum") == tmp_path / "clip-museum.safetensors"
