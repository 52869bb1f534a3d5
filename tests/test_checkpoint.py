"""Checkpoints: what is saved comes back; anything else is refused in one line that names it."""

import ast
import errno
import json
import os
import pickle
import struct
from pathlib import Path

import numpy as np
import pytest
import safetensors.numpy
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import tinyvlm
from tinyvlm import checkpoint
from tinyvlm.blocks.text import TextConfig
from tinyvlm.blocks.vit import ViTConfig
from tinyvlm.errors import InputError
from tinyvlm.models.clip import CLIP, VIT_B_32, CLIPConfig
from tinyvlm.tensor import Tensor, no_grad
from tinyvlm.text import BytePairTokenizer, WordTokenizer

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
TEMPLATES = ("{}", "a photo of {}")


def saved_clip(path):
    model = small_clip()
    checkpoint.save_model(path, model, checkpoint.describe(model, WORDS, TEMPLATES, "tests"))
    return model


# There and back


def test_arrays_and_description_come_back(path):
    """Catches a 0-d array that becomes 1-d, a dtype that changes, and text that is not UTF-8."""
    checkpoint.save(path, ARRAYS, ABOUT)
    arrays, about = checkpoint.load(path)
    assert about == ABOUT
    assert set(arrays) == set(ARRAYS)
    for name, array in ARRAYS.items():
        assert (arrays[name].dtype, arrays[name].shape) == (array.dtype, array.shape), name
        np.testing.assert_array_equal(arrays[name], array)
    arrays["model.w"] += 1  # an array of one's own, not a window into the file
    assert checkpoint.load(path)[0]["model.w"][0, 0] == 0


@pytest.mark.parametrize(
    "view",
    [
        lambda x: x.T,
        lambda x: x[::-1, ::2],
        lambda x: np.broadcast_to(x[:1], (5, 4)),
        lambda x: np.asfortranarray(x),
        lambda x: x[1:2, :],
    ],
)
def test_any_layout_is_saved_as_it_reads(path, view):
    """Catches memory that is written as it lies: a transposed matrix would come back shuffled."""
    x = view(np.arange(12, dtype=np.float32).reshape(3, 4))
    checkpoint.save(path, {"x": x}, {})
    np.testing.assert_array_equal(checkpoint.load(path)[0]["x"], x)


def test_select():
    arrays = {"model.a.b": 1, "model.c": 2, "models.d": 3, "optimizer.m.a": 4, "model": 5}
    assert checkpoint.select(arrays, "model") == {"a.b": 1, "c": 2}


@pytest.mark.parametrize("config", [VIT_B_32, small_clip().config])
def test_a_config_comes_back_equal(config):
    text = json.dumps(checkpoint.config_to_json(config))
    assert checkpoint.config_from_json(CLIPConfig, json.loads(text)) == config


def test_a_loaded_model_gives_the_same_logits(path):
    model = saved_clip(path)
    loaded, words, about = checkpoint.load_model(path)
    rng = np.random.default_rng(0)
    images = Tensor(rng.normal(size=(3, 3, 32, 32)).astype(np.float32))
    ids = words.batch(["red star", "blue star"], 6)
    np.testing.assert_array_equal(ids, WORDS.batch(["red star", "blue star"], 6))
    with no_grad():
        assert loaded(images, ids).data.tobytes() == model.eval()(images, ids).data.tobytes()
    assert loaded.config == model.config
    assert not loaded.training
    assert about["templates"] == list(TEMPLATES)
    assert about["trained_on"] == "tests"


def test_a_tokenizer_of_byte_pairs_comes_back(path):
    model = small_clip(V=262)
    pairs = BytePairTokenizer.train(["a red star", "a blue star"], vocab_size=262)
    checkpoint.save_model(path, model, checkpoint.describe(model, pairs, TEMPLATES, "tests"))
    text = "ein roter Stern 星"
    assert checkpoint.load_model(path)[1].encode(text) == pairs.encode(text)


def test_it_is_a_plain_safetensors_file(path):
    """The weights can be read without this library."""
    model = saved_clip(path)
    arrays = safetensors.numpy.load_file(path)
    assert {f"model.{name}" for name in model.state_dict()} == set(arrays)


# Files that are no checkpoint


def header(text):
    return struct.pack("<Q", len(text)) + text


def tensor_header(dtype, shape, end, **metadata):
    entry = {"dtype": dtype, "shape": shape, "data_offsets": [0, end]}
    return header(json.dumps({"__metadata__": metadata, "x": entry}).encode())


class Trap:
    """Unpickling this creates the file it was made with."""

    def __init__(self, path):
        self.path = path

    def __reduce__(self):
        return os.mkdir, (str(self.path),)


def not_a_checkpoint():
    yield "empty", b""
    yield "random", np.random.default_rng(0).bytes(5000)
    yield "text", b"these are not the weights you are looking for" * 20
    yield "header_beyond_the_file", struct.pack("<Q", 10**6) + b"{}"
    yield "header_of_2_to_the_63", struct.pack("<Q", 2**63) + b"{}"
    yield "header_is_no_json", header(b"{'a': 1}") + b"0" * 64
    yield "header_is_a_list", header(b"[1, 2]")
    yield "header_is_deep", header(b"[" * 100_000)
    yield "numbers_beyond_the_file", tensor_header("F32", [1000], 4000) + b"0" * 8
    yield "numbers_overlap", tensor_header("F32", [1000], 8) + b"0" * 8
    yield "negative_shape", tensor_header("F32", [-1], 8) + b"0" * 8
    yield "unknown_type", tensor_header("F99", [2], 8, format="tinyvlm-1") + b"0" * 8
    yield "a_type_numpy_lacks", tensor_header("BF16", [4], 8, format="tinyvlm-1") + b"0" * 8
    yield "zip", b"PK\x03\x04" + b"\0" * 100


@pytest.mark.parametrize(("name", "content"), [*not_a_checkpoint()], ids=lambda x: str(x)[:30])
def test_what_is_no_safetensors_file_is_refused(path, name, content):
    path.write_bytes(content)
    with pytest.raises(InputError, match="is damaged or no safetensors file") as error:
        checkpoint.load(path)
    one_line(error, path)
    with pytest.raises(InputError):
        checkpoint.load_model(path)


def test_every_cut_is_noticed(path):
    """Catches a file that was copied in part, wherever the copy ended."""
    saved_clip(path)
    content = path.read_bytes()
    for end in [1, 7, 8, 9, 200, len(content) // 2, len(content) - 4, len(content) - 1]:
        path.write_bytes(content[:end])
        with pytest.raises(InputError, match="is damaged or no safetensors file") as error:
            checkpoint.load_model(path)
        one_line(error, path)


def test_nothing_is_unpickled(path, tmp_path):
    """A pickle, as torch.save and np.save write it, is refused and what is in it does not run."""
    made = tmp_path / "made_by_the_pickle"
    path.write_bytes(pickle.dumps(Trap(made)))
    with pytest.raises(InputError, match="is damaged or no safetensors file"):
        checkpoint.load(path)
    with open(path, "wb") as file:
        np.save(file, np.array([Trap(made)]), allow_pickle=True)
    with pytest.raises(InputError, match="is damaged or no safetensors file"):
        checkpoint.load_model(path)
    assert not made.exists()
    pickle.loads(pickle.dumps(Trap(made)))
    assert made.exists()  # the trap works


def test_the_package_has_no_call_that_unpickles():
    """No import of pickle and its users, and np.load only with allow_pickle=False."""
    forbidden = {"pickle", "marshal", "shelve", "dill", "joblib", "cloudpickle"}
    for source in Path(tinyvlm.__file__).parent.rglob("*.py"):
        for node in ast.walk(ast.parse(source.read_text(encoding="utf-8"))):
            names = []
            if isinstance(node, ast.Import):
                names = [alias.name.partition(".")[0] for alias in node.names]
            elif isinstance(node, ast.ImportFrom):
                names = [(node.module or "").partition(".")[0]]
            assert not forbidden & set(names), source
            if isinstance(node, ast.Call):
                called = ast.unparse(node.func)
                assert called not in ("eval", "exec", "torch.load"), source
                if called in ("np.load", "numpy.load"):
                    given_as = {
                        keyword.arg: ast.unparse(keyword.value) for keyword in node.keywords
                    }
                    assert given_as.get("allow_pickle") == "False", source


@pytest.mark.parametrize("what", ["missing", "folder"])
def test_nothing_there(path, what):
    if what == "folder":
        path.mkdir()
    with pytest.raises(InputError, match=r"no checkpoint at .*; make one with: python -m") as error:
        checkpoint.load(path)
    one_line(error, path)


@pytest.mark.parametrize("dtype", ["F32", "BF16", "F8_E4M3"])
def test_a_foreign_safetensors_file(path, dtype):
    """Published weights, also in number types that NumPy lacks, and those without metadata."""
    size = {"F32": 4, "BF16": 2, "F8_E4M3": 1}[dtype]
    path.write_bytes(tensor_header(dtype, [4], 4 * size, format="pt") + b"0" * 4 * size)
    with pytest.raises(InputError, match="but no checkpoint written by tinyvlm") as error:
        checkpoint.load_model(path)
    one_line(error, path)


def test_a_foreign_file_without_metadata(path):
    safetensors.numpy.save_file({"x": np.zeros(3)}, path)
    with pytest.raises(InputError, match="but no checkpoint written by tinyvlm"):
        checkpoint.load(path)


@pytest.mark.parametrize(
    "about", [None, "", "{", '{"step": 3', "[1, 2]", "3", "null", '"text"', "[" * 100_000]
)
def test_a_damaged_description(path, about):
    metadata = {"format": checkpoint.FORMAT} | ({} if about is None else {"about": about})
    safetensors.numpy.save_file({"x": np.zeros(3)}, path, metadata)
    with pytest.raises(InputError, match="its description is damaged") as error:
        checkpoint.load(path)
    one_line(error, path)


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
        checkpoint.load_model(path)
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
        checkpoint.load_model(path)
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
        model, words, about = checkpoint.load_model(path)
    except InputError as error:
        assert str(path) in str(error)
        assert "\n" not in str(error)
    else:
        assert model.parameter_count() == small_clip().parameter_count()
        assert words.batch(["red"], 6).shape == (1, 6)
        assert len([template.format("a red star") for template in about["templates"]]) == 2


# Writing


def fill_the_disk(monkeypatch):
    def refuse(_):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(checkpoint.os, "fsync", refuse)


def test_a_full_disk_keeps_the_old_file(path, monkeypatch):
    checkpoint.save(path, ARRAYS, ABOUT)
    old = path.read_bytes()
    fill_the_disk(monkeypatch)
    with pytest.raises(InputError, match="No space left on device; the file that was") as error:
        checkpoint.save(path, {"other": np.zeros(9)}, {})
    one_line(error, path)
    assert path.read_bytes() == old
    assert os.listdir(path.parent) == [path.name]


def test_a_full_disk_leaves_no_half_file(path, monkeypatch):
    fill_the_disk(monkeypatch)
    with pytest.raises(InputError, match=r"No space left on device$"):
        checkpoint.save(path, ARRAYS, ABOUT)
    assert os.listdir(path.parent) == []


def test_ctrl_c_leaves_no_half_file(path, monkeypatch):
    checkpoint.save(path, ARRAYS, ABOUT)
    old = path.read_bytes()

    def interrupt(_):
        raise KeyboardInterrupt

    monkeypatch.setattr(checkpoint.os, "fsync", interrupt)
    with pytest.raises(KeyboardInterrupt):
        checkpoint.save(path, {"other": np.zeros(9)}, {})
    assert path.read_bytes() == old
    assert os.listdir(path.parent) == [path.name]


def test_the_bytes_are_on_the_disk_before_the_name(path, monkeypatch):
    """Catches a rename that a power cut makes point at nothing."""
    done = []
    fsync, replace = os.fsync, os.replace
    monkeypatch.setattr(checkpoint.os, "fsync", lambda f: (done.append("fsync"), fsync(f)))
    monkeypatch.setattr(
        checkpoint.os, "replace", lambda a, b: (done.append("replace"), replace(a, b))
    )
    checkpoint.write_atomically(path, b"content")
    assert done == ["fsync", "replace"]
    assert path.read_bytes() == b"content"


def test_folders_are_made(tmp_path):
    checkpoint.save(tmp_path / "a" / "b" / "c.safetensors", {}, ABOUT)
    assert checkpoint.load(tmp_path / "a" / "b" / "c.safetensors") == ({}, ABOUT)


def test_a_file_where_a_folder_should_be(tmp_path):
    (tmp_path / "file").write_text("a file")
    path = tmp_path / "file" / "c.safetensors"
    with pytest.raises(InputError, match="could not write") as error:
        checkpoint.save(path, ARRAYS, ABOUT)
    one_line(error, path)


def test_a_folder_where_the_file_should_be(path):
    path.mkdir()
    with pytest.raises(InputError, match="could not write") as error:
        checkpoint.save(path, ARRAYS, ABOUT)
    one_line(error, path)
    assert os.listdir(path.parent) == [path.name]


def test_a_model_that_does_not_come_with_the_code(monkeypatch, tmp_path):
    monkeypatch.setattr(checkpoint, "WEIGHTS", tmp_path)
    with pytest.raises(InputError, match=r"clip-museum\.safetensors is missing; use a clone"):
        checkpoint.shipped("clip-museum")
    saved_clip(tmp_path / "clip-museum.safetensors")
    assert checkpoint.shipped("clip-museum") == tmp_path / "clip-museum.safetensors"
