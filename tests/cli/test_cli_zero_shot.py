"""`zero-shot`: any picture file, any label, any model file; or one line that says what is wrong."""

import os
import pickle
import struct
import zlib

import numpy as np
import pytest
import safetensors.numpy
from PIL import Image

from tinyvlm import checkpoint, images, model_files, zero_shot
from tinyvlm.blocks.text import TextConfig
from tinyvlm.blocks.vit import ViTConfig
from tinyvlm.cli import main
from tinyvlm.models.clip import CLIP, CLIPConfig
from tinyvlm.text import WordTokenizer

WORDS = WordTokenizer(["a", "an", "red", "blue", "star", "orange", "photo", "of"])
TEMPLATES = ("{}", "a photo of {}")


@pytest.fixture(scope="module")
def model_file(tmp_path_factory):
    """A small CLIP that has learnt nothing: whom it prefers is chance, but always the same."""
    vision = ViTConfig(width=16, depth=1, heads=2, mlp_width=16)
    V = WORDS.vocab_size
    text = TextConfig(vocab_size=V, eos_id=2, length=8, width=16, depth=1, heads=2, mlp_width=16)
    model = CLIP(CLIPConfig(vision, text, embed_width=8), np.random.default_rng(0))
    path = tmp_path_factory.mktemp("models") / "small.safetensors"
    about = model_files.describe(model, WORDS, "nothing", templates=list(TEMPLATES))
    model_files.save_model(path, model, about)
    return path


def pixels(Y=40, X=60):
    """A picture that is another one when turned or mirrored."""
    rows, columns = np.mgrid[:Y, :X]
    image = np.stack([rows * 5, columns * 4, (rows * columns) % 251], axis=-1)
    return image.clip(0, 255).astype(np.uint8)


@pytest.fixture
def photo(tmp_path):
    path = tmp_path / "photo.png"
    Image.fromarray(pixels()).save(path)
    return path


@pytest.fixture
def ask(model_file, capsys):
    """Run zero-shot and return (exit code, stdout, stderr)."""

    def run(picture, *labels, model=model_file, options=()):
        code = main(["zero-shot", str(picture), *labels, "--model", str(model), *options])
        shown = capsys.readouterr()
        return code, shown.out, shown.err

    return run


def refused(answer, *parts):
    code, out, err = answer
    assert code == 2
    assert out == ""
    assert err.startswith("tinyvlm: ")
    assert err.count("\n") == 1
    assert "Traceback" not in err
    for part in parts:
        assert str(part) in err, err


# What it answers


def test_it_prints_what_the_library_says(ask, photo, model_file):
    """Likeliest first; the probabilities are those of templates, articles and temperature."""
    labels = ["red star", "blue star", "orange star"]
    code, out, err = ask(photo, *labels)
    assert (code, err) == (0, "")
    model, words, about = model_files.load_model(model_file, CLIP)
    square = images.to_square(images.load(photo), 32)
    classes = zero_shot.classifier(model, words, labels, about["templates"], 8)
    vectors = zero_shot.embed_pictures(model, square[None])
    (expected,) = zero_shot.probabilities(vectors, classes, model.scale)
    assert out.splitlines() == [
        f"{labels[i]:11}  {expected[i]:.3f}  {'#' * round(40 * expected[i])}"
        for i in np.argsort(-expected)
    ]


def test_one_label_is_always_chosen(ask, photo):
    code, out, _ = ask(photo, "red star")
    assert code == 0
    assert "red star  1.000" in out
    assert "give at least two to compare" in out


def test_unknown_words_are_named(ask, photo):
    code, out, _ = ask(photo, "red zeppelin", "Blue STAR", "a zeppelin, of cheese")
    assert code == 0
    assert out.splitlines()[0] == "never seen in training: cheese, zeppelin"


@pytest.mark.parametrize(
    "label",
    [
        "rotes 星",
        "звезда",
        "نجمة",
        "🙂👩‍🚀",
        "e\u0301toile",
        "{} {0} %s",
        "byte \udcff",
        "two\nlines",
        " ".join(["star"] * 10_000),
    ],
    ids=ascii,
)
def test_any_label(ask, photo, label):
    code, out, err = ask(photo, label[:70_000], "red star")
    assert (code, err) == (0, "")
    assert "red star" in out


@pytest.mark.parametrize("label", ["", " ", "\n"])
def test_an_empty_label(ask, photo, label):
    refused(ask(photo, "red star", label), "label 2 is empty; write a word")


# Pictures of every kind


def save_as(path, kind):
    image = Image.fromarray(pixels())
    if kind == "animated":
        others = [Image.fromarray(pixels()[::-1]), Image.fromarray(pixels()[:, ::-1])]
        image.save(path, save_all=True, append_images=others, duration=50, lossless=True)
    elif kind == "exif":
        exif = Image.Exif()
        exif[0x0112] = 6  # shown after a quarter turn to the right
        image.transpose(Image.Transpose.ROTATE_90).save(path, exif=exif)
    elif kind == "transparent":
        image.putalpha(255)
        image.save(path)
    elif kind == "uncompressed":
        image.save(path)


@pytest.mark.parametrize(
    ("name", "kind"),
    [
        ("a.webp", "animated"),
        ("a.png", "exif"),
        ("a.tif", "uncompressed"),
        ("a.bmp", "uncompressed"),
        ("a.png", "transparent"),
        ("photo.txt", None),
    ],
)
def test_the_same_picture_in_another_file_gets_the_same_answer(ask, photo, tmp_path, name, kind):
    """Catches a second frame, a turn that is not undone, a format that is told by its name."""
    path = tmp_path / "other" / name
    path.parent.mkdir()
    if kind:
        save_as(path, kind)
    else:
        path.write_bytes(photo.read_bytes())
    assert ask(path, "red star", "blue star") == ask(photo, "red star", "blue star")


@pytest.mark.parametrize("kind", ["1x1", "cmyk", "palette", "16-bit", "grey", "long"])
def test_other_valid_pictures(ask, tmp_path, kind):
    image = Image.fromarray(pixels())
    path = tmp_path / ("a.jpg" if kind == "cmyk" else "a.png")
    if kind == "1x1":
        image = Image.fromarray(np.full((1, 1, 3), 77, np.uint8))
    elif kind == "cmyk":
        image = image.convert("CMYK")
    elif kind == "palette":
        image = image.quantize(16)
    elif kind == "16-bit":
        image = Image.fromarray(pixels()[..., 0].astype(np.uint16) * 257)
    elif kind == "grey":
        image = image.convert("L")
    elif kind == "long":
        image = image.resize((3000, 5))
    image.save(path)
    code, out, err = ask(path, "red star", "blue star")
    assert (code, err) == (0, "")
    assert len(out.splitlines()) == 2


def png_header(width, height):
    """The first bytes of a PNG that claims a size and holds no pixels."""

    def chunk(kind, data):
        return (
            struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))
        )

    size = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", size) + chunk(b"IDAT", b"") + chunk(b"IEND", b"")


def test_pictures_that_are_none(ask, tmp_path, photo):
    whole = photo.read_bytes()
    files = {
        "empty.png": (b"", "is empty (0 bytes)"),
        "cut.png": (whole[: len(whole) // 2], "is damaged or cut short"),
        "text.png": (b"I am a poem about a picture. " * 9, "is not a picture that can be read"),
        "huge.png": (png_header(20_000, 20_000), "has more than 64,000,000 pixels"),
        "script.svg": (b"<svg xmlns='http://www.w3.org/2000/svg'/>", "is not a picture"),
    }
    for name, (content, message) in files.items():
        path = tmp_path / name
        path.write_bytes(content)
        refused(ask(path, "red star", "blue star"), path, message)
    refused(ask(tmp_path / "missing.png", "star"), tmp_path / "missing.png", "does not exist")
    refused(ask(tmp_path, "star"), tmp_path, "is a folder; name a picture in it")


def test_a_bad_picture_needs_no_model(ask, tmp_path):
    """What is wrong first is said first."""
    answer = ask(tmp_path / "missing.png", "star", model=tmp_path / "missing too")
    refused(answer, "missing.png' does not exist")


# Models


def test_models_that_are_none(ask, photo, model_file, tmp_path):
    whole = model_file.read_bytes()
    foreign = safetensors.numpy.save({"visual.proj": np.zeros((4, 4))}, {"format": "pt"})
    files = {
        "empty.safetensors": (b"", "is damaged or no safetensors file"),
        "cut.safetensors": (whole[: len(whole) // 2], "is damaged or no safetensors file"),
        "weights.pt": (b"PK\x03\x04" + pickle.dumps({"w": 1}), "is damaged or no safetensors"),
        "foreign.safetensors": (foreign, "but no checkpoint written by tinyvlm"),
        "photo.png": (photo.read_bytes(), "is damaged or no safetensors file"),
    }
    for name, (content, message) in files.items():
        path = tmp_path / name
        path.write_bytes(content)
        refused(ask(photo, "red star", "blue star", model=path), path, message)
    refused(ask(photo, "star", model=tmp_path / "nowhere"), "no checkpoint at", "nowhere")
    refused(ask(photo, "star", model=tmp_path), "no checkpoint at", tmp_path)


def test_without_a_model_that_came_with_the_code(photo, monkeypatch, tmp_path, capsys):
    monkeypatch.setattr(model_files, "WEIGHTS", tmp_path)
    code = main(["zero-shot", str(photo), "red star"])
    refused((code, *capsys.readouterr()), "clip-museum.safetensors is missing", "train clip")


@pytest.mark.filterwarnings("ignore::RuntimeWarning")
@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_weights_that_are_no_numbers(ask, photo, model_file, tmp_path, value):
    arrays, about = checkpoint.load(model_file)
    arrays["model.image_projection.weight"][:] = value
    path = tmp_path / "nan.safetensors"
    checkpoint.save(path, arrays, about)
    refused(ask(photo, "red star", "blue star", model=path), path, "its weights are damaged")


# The picture with each label's patches


def test_show_writes_a_picture(ask, photo, tmp_path):
    out = tmp_path / "map.png"
    code, said, _ = ask(photo, "red star", "blue star", "star", options=["--show", str(out)])
    assert code == 0
    assert said.splitlines()[-1] == f"wrote {out}"
    with Image.open(out) as image:
        image.load()
        assert image.format == "PNG"
        assert image.width > 3 * 160


def test_show_with_a_label_of_ten_thousand_words(ask, photo, tmp_path):
    out = tmp_path / "map.png"
    label = " ".join(["zeppelin"] * 10_000)
    assert ask(photo, label, "red star", options=["--show", str(out)])[0] == 0
    with Image.open(out) as image:
        assert image.height < 2000


@pytest.mark.parametrize("name", ["map.xyz", "nowhere/map.png", "map"])
def test_show_where_it_cannot_write(ask, photo, tmp_path, name):
    before = sorted(os.listdir(tmp_path))
    code, _, err = ask(photo, "red star", "star", options=["--show", str(tmp_path / name)])
    assert code == 2
    assert err.startswith("tinyvlm: ")
    assert name in err
    assert err.count("\n") == 1
    assert sorted(os.listdir(tmp_path)) == before
