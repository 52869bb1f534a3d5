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

import tinyvlm
from tinyvlm import checkpoint
from tinyvlm.errors import InputError

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


def test_every_cut_is_noticed(path):
    """Catches a file that was copied in part, wherever the copy ended."""
    checkpoint.save(path, ARRAYS, ABOUT)
    content = path.read_bytes()
    for end in [1, 7, 8, 9, 200, len(content) // 2, len(content) - 4, len(content) - 1]:
        path.write_bytes(content[:end])
        with pytest.raises(InputError, match="is damaged or no safetensors file") as error:
            checkpoint.load(path)
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
        checkpoint.load(path)
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
                if called == "eval" and source.name == "expression.py":
                    continue  # a formula, of which every node was checked to be arithmetic
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
        checkpoint.load(path)
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
