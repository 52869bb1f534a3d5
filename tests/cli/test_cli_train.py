"""`train clip`: on the museum and on any folder a user may have, and what it says of bad ones."""

import csv
import errno
import json
import os
import struct
import zlib
from functools import partial
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from tinyvlm import checkpoint, model_files
from tinyvlm.blocks.vit import ViTConfig
from tinyvlm.cli import main
from tinyvlm.models.clip import CLIP
from tinyvlm.recipes import clip_folder, clip_museum
from tinyvlm.tensor import Tensor
from tinyvlm.train import Recipe

TINY = {"width": 16, "depth": 1, "heads": 2, "mlp_width": 16}


@pytest.fixture(autouse=True)
def small(monkeypatch):
    """Towers, batches and training sets with which a run takes a tenth of a second."""
    monkeypatch.setattr(clip_folder, "VISION", ViTConfig(**TINY))
    monkeypatch.setattr(clip_museum, "ViTConfig", partial(ViTConfig, **TINY))
    monkeypatch.setattr(clip_museum, "Recipe", partial(Recipe, batch_size=8, save_every=2))
    museum = partial(clip_museum.TrainingSet, count=40)
    monkeypatch.setattr(clip_museum, "TrainingSet", museum)


@pytest.fixture
def train(tmp_path, capsys):
    """Run train clip --data ROOT and return (exit code, stdout, stderr)."""

    def run(root, *options, steps=2, out=tmp_path / "out"):
        words = ["train", "clip", "--data", str(root), "--out", str(out), "--steps", str(steps)]
        code = main([*words, *options])
        shown = capsys.readouterr()
        return code, shown.out, shown.err

    return run


def picture(path, shade=100, size=(36, 40)):
    path.parent.mkdir(parents=True, exist_ok=True)
    noise = np.random.default_rng(shade).integers(0, 30, (*size, 3))
    Image.fromarray((noise + shade).astype(np.uint8)).save(path)


@pytest.fixture
def pets(tmp_path):
    root = tmp_path / "pets"
    for i, name in enumerate(("cat", "dog", "guinea_pig")):
        for j in range(3):
            picture(root / name / f"{j}.png", 40 + 60 * i + 10 * j)
    return root


@pytest.fixture
def captioned(tmp_path):
    """A function that writes a metadata file as given beside three pictures."""
    root = tmp_path / "captioned"
    for i in range(3):
        picture(root / f"{i}.png", 50 + 60 * i)

    def make(content, name="metadata.csv"):
        (root / name).write_bytes(content if isinstance(content, bytes) else content.encode())
        return root

    return make


def refused(answer, *parts):
    """Exit code 2, and after the progress bars one line that has all the parts."""
    code, out, err = answer
    assert code == 2, out
    assert "Traceback" not in err
    message = [line for line in err.splitlines() if line.startswith("tinyvlm: ")]
    assert len(message) == 1, err
    assert err.endswith(message[0] + "\n")
    for part in parts:
        assert str(part) in message[0], message[0]


# Folders that work


def test_class_folders(train, pets, tmp_path, capsys):
    """From the folder to an answer: the line it prints at the end is a command that works."""
    code, out, _ = train(pets)
    assert code == 0
    assert sorted(os.listdir(tmp_path / "out")) == [
        "checkpoint.safetensors",
        "log.csv",
        "model.safetensors",
    ]
    assert f"the model is in {tmp_path / 'out' / 'model.safetensors'}; use it with:" in out
    (command,) = [line.strip() for line in out.splitlines() if "zero-shot PICTURE" in line]
    assert command.startswith("python -m tinyvlm zero-shot PICTURE ")
    for file in (command.split()[-1], str(tmp_path / "out" / "checkpoint.safetensors")):
        asked = ["zero-shot", str(pets / "dog" / "0.png"), "dog", "guinea pig", "--model", file]
        assert main(asked) == 0
        shown = capsys.readouterr().out
        assert "guinea pig  " in shown
        assert "never seen" not in shown


def test_train_and_test_halves(train, pets, tmp_path):
    both = tmp_path / "both"
    both.mkdir()
    pets.rename(both / "train")
    for name in ("cat", "dog", "guinea_pig", "zebra"):
        picture(both / "test" / name / "0.png", 80)
    code, out, _ = train(both)
    assert code == 0
    assert "test pictures named rightly: 0." in out
    assert "(chance 0.250)" in out
    about = checkpoint.load(tmp_path / "out" / "model.safetensors")[1]
    assert about["trained_on"] == "9 pictures of both"


def test_the_default_folder_has_the_name_of_the_data(pets, monkeypatch, tmp_path, capsys):
    monkeypatch.chdir(tmp_path)
    assert main(["train", "clip", "--data", "pets", "--steps", "1"]) == 0
    assert (tmp_path / "runs" / "clip-pets" / "model.safetensors").exists()


def test_the_museum(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    assert main(["train", "clip", "--steps", "3", "--threads", "1", "--seed", "5"]) == 0
    out = capsys.readouterr().out
    assert "seen: colour 0." in out
    assert "held_out: colour 0." in out
    folder = tmp_path / "runs" / "clip-museum"
    model, _, about = model_files.load_model(folder / "model.safetensors", CLIP)
    assert (about["evaluation"], about["seed"]) == ("museum-eval-v1", 5)
    assert set(about["results"]) == {"seen", "held_out"}
    assert model.config.vision.width == 16
    assert len((folder / "log.csv").read_text().splitlines()) == 4
    assert main(["train", "clip", "--steps", "3", "--seed", "6", "--resume"]) == 2
    assert "made with seed=5, not 6" in capsys.readouterr().err


@pytest.mark.parametrize(
    "text",
    [
        "word " * 10_000,
        "一只猫在垫子上",
        "Ünïcödé звезда نجمة",
        "🙂🐱 👩‍🚀",
        "!!! ... ???",
        "{} {0} %s <image>",
        '"quoted", with a comma',
    ],
    ids=ascii,
)
def test_any_caption(train, captioned, text):
    """Catches captions that are formatted, cut to nothing, or that break the batch."""
    root = captioned("")
    rows = [("file_name", "text"), ("0.png", text), ("1.png", "a cat"), ("2.png", "a dog")]
    with open(root / "metadata.csv", "w", newline="", encoding="utf-8") as file:
        csv.writer(file).writerows(rows)
    code, out, err = train(root, steps=1)
    assert code == 0, err
    assert "skipped" not in out


def test_captions_as_json_lines(train, captioned):
    rows = [{"file_name": f"{i}.png", "text": f"the number {i}"} for i in range(3)]
    root = captioned("\n".join(map(json.dumps, rows)), "metadata.jsonl")
    assert train(root, steps=1)[0] == 0


def test_a_class_with_one_picture(train, pets):
    (pets / "cat" / "1.png").unlink()
    (pets / "cat" / "2.png").unlink()
    assert train(pets)[0] == 0


# Pictures that are skipped


def png_header(width, height):
    """The first bytes of a PNG that claims a size and holds no pixels."""

    def chunk(kind, data):
        return (
            struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))
        )

    size = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", size) + chunk(b"IDAT", b"") + chunk(b"IEND", b"")


def test_unreadable_pictures_are_skipped_counted_and_named(train, pets):
    """And the odd ones that are valid are not."""
    whole = (pets / "cat" / "0.png").read_bytes()
    bad = {
        "empty.png": (b"", "is empty (0 bytes)"),
        "cut.jpg": (whole[:-200], "is damaged or cut short"),
        "text.gif": (b"not a picture at all", "is not a picture"),
        "huge.png": (png_header(20_000, 20_000), "has more than 64,000,000 pixels"),
    }
    for name, (content, _) in bad.items():
        (pets / "dog" / name).write_bytes(content)
    good = Image.fromarray(np.full((9, 9, 3), 80, np.uint8))
    good.resize((1, 1)).save(pets / "dog" / "1x1.png")
    good.convert("CMYK").save(pets / "dog" / "cmyk.jpg")
    good.quantize(4).save(pets / "dog" / "palette.png")
    good.save(pets / "dog" / "animated.gif", save_all=True, append_images=[good.rotate(90)])
    Image.fromarray(np.full((9, 9), 40_000, np.uint16)).save(pets / "dog" / "16-bit.png")
    exif = Image.Exif()
    exif[0x0112] = 8
    good.save(pets / "dog" / "turned.jpg", exif=exif)
    code, out, _ = train(pets)
    assert code == 0
    lines = out.splitlines()
    assert lines[0].startswith(f"skipped 4 entries of {pets}, all named in ")
    for name, (_, reason) in bad.items():
        (line,) = [line for line in lines[1:5] if name in line]
        assert str(pets / "dog" / name) in line
        assert reason in line
    assert not any(name in out for name in ("1x1", "cmyk", "palette", "animated", "16-bit", "turn"))


def test_of_many_skipped_pictures_ten_are_named(train, pets):
    for i in range(13):
        (pets / "dog" / f"bad{i}.png").write_bytes(b"")
    _, out, _ = train(pets, steps=1)
    first = out.splitlines()[0]
    assert first.startswith("skipped 13 entries of ")
    assert len([line for line in out.splitlines() if "is empty" in line]) == 10
    log = Path(first.split("all named in ")[1].rstrip(":"))
    with open(log, newline="") as file:
        rows = list(csv.reader(file))
    assert rows[0] == ["path", "reason"]
    assert {Path(path).name for path, _ in rows[1:]} == {f"bad{i}.png" for i in range(13)}


def test_skipped_test_pictures_are_named_too(train, pets, tmp_path):
    both = tmp_path / "both"
    both.mkdir()
    pets.rename(both / "train")
    picture(both / "test" / "cat" / "0.png")
    (both / "test" / "dog").mkdir()
    (both / "test" / "dog" / "bad.png").write_bytes(b"")
    picture(both / "test" / "dog" / "good.png")
    code, out, _ = train(both)
    assert code == 0
    assert "skipped 1 entries of " in out
    assert "bad.png' is empty" in out


def test_a_test_half_that_cannot_be_read_costs_no_model(train, pets, tmp_path):
    both = tmp_path / "both"
    both.mkdir()
    pets.rename(both / "train")
    for name in ("cat", "dog"):
        (both / "test" / name).mkdir(parents=True)
        (both / "test" / name / "bad.png").write_bytes(b"")
    refused(train(both), "no picture of", "test' can be read")
    model_files.load_model(tmp_path / "out" / "model.safetensors", CLIP)


@pytest.mark.skipif(os.name == "nt", reason="Windows has no such names")
def test_a_file_name_that_is_no_text(train, pets):
    """Catches a traceback while the skipped files are named."""
    try:
        (pets / "dog" / "bad\udcff.png").write_bytes(b"")
    except OSError:
        pytest.skip("this disk takes no such names")
    code, out, _ = train(pets)
    assert code == 0
    assert "bad\\udcff.png" in out


def test_empty_captions_are_left_out(train, captioned):
    root = captioned('file_name,text\n0.png,a cat\n1.png,"  "\n2.png,a dog\n')
    code, out, _ = train(root)
    assert code == 0
    assert "1.png: no caption" in out


# Folders that are refused


def test_folders_that_are_none(train, pets, tmp_path):
    (tmp_path / "empty").mkdir()
    refused(train(tmp_path / "nowhere"), "nowhere' does not exist")
    refused(train(pets / "cat" / "0.png"), "0.png' is no folder")
    refused(train(tmp_path / "empty"), "empty' is no folder of pictures: it needs a folder per")
    refused(train(pets / "cat"), "cat' is no folder of pictures")
    assert not (tmp_path / "out").exists()


def test_a_folder_with_one_class(train, pets, tmp_path):
    for name in ("dog", "guinea_pig"):
        (pets / name).rename(tmp_path / name)
    refused(train(pets), pets, "all pictures have the same sentences", "at least two classes")
    assert not (tmp_path / "out").exists()


def test_a_folder_without_one_readable_picture(train, pets, tmp_path):
    for path in pets.rglob("*.png"):
        path.write_bytes(b"")
    refused(train(pets), "no picture of", pets, "first: ", "is empty")
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize(
    ("content", "parts"),
    [
        ("file_name,caption\n0.png,a cat\n", ["line 1: no column 'text'"]),
        ("picture,text\n0.png,a cat\n", ["line 1: no column 'file_name'"]),
        ("file_name,text\n0.png,a cat\n../photo.png,a dog\n", ["line 3", "leaves the folder"]),
        ("file_name,text\n/etc/passwd,a dog\n", ["line 2", "leaves the folder"]),
        ("file_name,text\nC:\\photo.png,a dog\n", ["line 2", "leaves the folder"]),
        ("file_name,text\n0.png,a, b\n", ["line 2: 3 fields under 2 columns"]),
        ("file_name,text\n0.png,\n", ["has no row with a file_name and a text"]),
        ("", ["has no row with a file_name and a text"]),
        (b"\xff\xfe\x00", ["is not UTF-8 text"]),
    ],
)
def test_metadata_that_is_refused(train, captioned, tmp_path, content, parts):
    root = captioned(content)
    refused(train(root), root / "metadata.csv", *parts)
    assert not (tmp_path / "out").exists()


@pytest.mark.skipif(os.name == "nt", reason="links need rights on Windows")
def test_a_link_that_leaves_the_folder(train, captioned, tmp_path):
    picture(tmp_path / "private.png")
    root = captioned("file_name,text\n0.png,a cat\nlink.png,a secret\n")
    (root / "link.png").symlink_to(tmp_path / "private.png")
    refused(train(root), "line 3", "'link.png' leaves the folder")


# Going on


def test_resume(train, pets, tmp_path):
    def weights():
        arrays, _ = checkpoint.load(tmp_path / "out" / "model.safetensors")
        return {name: array.tobytes() for name, array in arrays.items()}

    refused(train(pets, "--resume"), "no checkpoint at", tmp_path / "out")
    assert train(pets)[0] == 0
    before = weights()
    assert train(pets, "--resume")[0] == 0
    refused(train(pets, "--resume", steps=3), "was made with steps=2, not 3")
    refused(train(pets, "--resume", "--seed", "1"), "was made with seed=0, not 1")
    (pets / "dog").rename(pets / "wolf")
    refused(train(pets, "--resume"), "was made with another tokenizer")
    assert weights() == before


def test_resume_from_what_is_damaged(train, pets, tmp_path):
    train(pets)
    path = tmp_path / "out" / "checkpoint.safetensors"
    whole = path.read_bytes()
    for content, part in (
        (whole[:-100], "is damaged or no safetensors file"),
        (b"", "is damaged or no safetensors file"),
        ((tmp_path / "out" / "model.safetensors").read_bytes(), "no state of training to resume"),
    ):
        path.write_bytes(content)
        refused(train(pets, "--resume"), path, part)
        assert path.read_bytes() == content


# When it goes wrong on the way


def test_a_loss_that_is_no_number(train, pets, tmp_path, monkeypatch):
    """The step and the first parameter are named, and the old run's checkpoint stays."""
    train(pets)
    before = (tmp_path / "out" / "checkpoint.safetensors").read_bytes()
    clip_loss = clip_folder.clip_loss
    steps = []

    def spoiled(logits, positives):
        steps.append(1)
        loss = clip_loss(logits, positives)
        return loss * Tensor(np.float32(np.nan)) if len(steps) == 3 else loss

    monkeypatch.setattr(clip_folder, "clip_loss", spoiled)
    answer = train(pets, steps=5)
    refused(answer, "training stopped at step 3: the loss is nan", "gradient that is not finite")
    refused(answer, "that of logit_scale; the last checkpoint is kept")
    assert (tmp_path / "out" / "checkpoint.safetensors").read_bytes() == before


def test_a_full_disk(train, pets, tmp_path, monkeypatch):
    train(pets)
    files = {path.name: path.read_bytes() for path in (tmp_path / "out").iterdir()}

    def refuse(_):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(checkpoint.os, "fsync", refuse)
    answer = train(pets, steps=3)
    refused(answer, "checkpoint.safetensors: No space left on device; the file that was there is")
    assert sorted(os.listdir(tmp_path / "out")) == sorted(files)
    for name in ("checkpoint.safetensors", "model.safetensors"):
        assert (tmp_path / "out" / name).read_bytes() == files[name]


def test_an_out_that_is_a_file(train, pets, tmp_path):
    (tmp_path / "file").write_text("no folder")
    refused(train(pets, out=tmp_path / "file"), "could not write", tmp_path / "file" / "log.csv")
    assert (tmp_path / "file").read_text() == "no folder"
