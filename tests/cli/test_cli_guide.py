"""`ask`, `caption`, `detect`: any picture, words and model; or one line on what is wrong."""

import os

import numpy as np
import pytest
from conftest import GUIDE_WORDS, TRAINED_ON, save_guide, untaught_guide
from PIL import Image
from test_cli_zero_shot import pixels, png_header, refused, save_as

from tinyvlm import checkpoint, images, model_files, respond, show
from tinyvlm.blocks.text import TextConfig
from tinyvlm.blocks.vit import ViTConfig
from tinyvlm.cli import main
from tinyvlm.cli.guide import score
from tinyvlm.generate import Sampling
from tinyvlm.models.clip import CLIP, CLIPConfig
from tinyvlm.respond import Answer

ALL = [("ask", "what color is the star"), ("caption",), ("detect", "red star")]


def answer(text="", probability=0.5, finished=True, p=0.5):
    words = text.split()
    ids = tuple(GUIDE_WORDS.encode(text))
    return Answer(text, probability, ids, tuple((word, p) for word in words), (), finished)


@pytest.fixture
def guide_says(monkeypatch):
    """Put answers into the guide's mouth."""

    def put(*said):
        monkeypatch.setattr(respond, "different_answers", lambda *_, **__: [*said])

    return put


# What they print


def test_ask_prints_what_the_library_says(guide, exhibit):
    code, out, err = guide("ask", exhibit, "what color is the star")
    assert (code, err) == (0, "")
    first, *others = respond.different_answers(
        untaught_guide(),
        GUIDE_WORDS,
        images.load(exhibit),
        "answer en what color is the star",
        3,
        max_tokens=5,
    )
    lines = out.splitlines()
    assert lines[-2] == f"{first.text}  {score(first.probability)}"
    assert lines[-1] == "or: " + ", ".join(f"{o.text}  {score(o.probability)}" for o in others)


def test_caption_prints_what_the_library_says(guide, exhibit):
    code, out, err = guide("caption", exhibit)
    assert (code, err) == (0, "")
    (said,) = respond.respond(
        untaught_guide(),
        GUIDE_WORDS,
        images.load(exhibit)[None],
        ["caption en"],
        max_tokens=5,
    )
    assert out.splitlines()[-1] == f"{said.text}  {score(said.probability)}"


def test_an_answer_alone_says_nothing_of_limits(guide, exhibit, guide_says):
    guide_says(answer("red", 0.934), answer("blue", 0.0407), answer("", 0.00042))
    assert guide("ask", exhibit, "what color is the star")[1].splitlines() == [
        "red  0.934",
        "or: blue  0.041, (nothing)  0.0004",
    ]


@pytest.mark.parametrize(
    "words",
    [
        ["What COLOR is the star?"],
        ["what", "color", "is", "the", "star"],
        ["  what color, is the\nstar ?!"],
    ],
)
def test_capitals_marks_and_quotation_do_not_matter(guide, exhibit, words):
    plain = guide("ask", exhibit, "what color is the star")
    assert guide("ask", exhibit, *words) == plain
    assert guide("ask", exhibit, "where is the star") != plain


def test_unknown_words_are_named(guide, exhibit):
    code, out, _ = guide("ask", exhibit, "What COLOUR is the zebra, zebra?")
    assert code == 0
    assert out.splitlines()[0] == "never seen in training: colour, zebra"
    assert "never seen" not in guide("ask", exhibit, "what color is the star")[1]
    out = guide("detect", exhibit, "red zebra")[1]
    assert out.splitlines()[0] == "never seen in training: zebra"


@pytest.mark.parametrize("command", ALL, ids=lambda c: c[0])
def test_a_picture_of_another_size_is_nothing_it_knows(guide, exhibit, tmp_path, command):
    path = tmp_path / "wide.png"
    Image.fromarray(images.load(exhibit)).resize((60, 40)).save(path)
    name, *words = command
    out = guide(name, path, *words)[1]
    line = f"the guide knows only {TRAINED_ON}, 16 x 16 pixels; this picture has 60 x 40"
    assert line in out.splitlines()
    assert "knows only" not in guide(name, exhibit, *words)[1]


def test_an_answer_that_is_cut_says_so(guide, exhibit, guide_says):
    guide_says(answer("a red star", finished=False))
    cut, said = guide("caption", exhibit)[1].splitlines()
    assert cut == "the answer has no end; it was cut after 5 tokens"
    assert said == "a red star  0.500"


@pytest.mark.parametrize(
    ("p", "text"), [(1.0, "1.000"), (0.00101, "0.001"), (0.00042, "0.0004"), (3e-7, "3e-07")]
)
def test_scores(p, text):
    assert score(p) == text


# Drawn words


def test_words_are_drawn_with_a_seed(guide, exhibit):
    options = ["--temperature", "2"]
    said = [guide("caption", exhibit, *options, "--seed", str(i))[1] for i in (0, 0, 1)]
    assert said[0] == said[1] != said[2]
    assert guide("caption", exhibit, *options)[1] == said[0]
    greedy = guide("caption", exhibit)
    assert said[0] != greedy[1]
    assert guide("caption", exhibit, "--seed", "9") == greedy


@pytest.mark.parametrize(
    "option", [["--top-k", "1"], ["--top-p", "1e-9"], ["--temperature", "1e-9"]]
)
def test_the_narrowest_draw_is_greedy(guide, exhibit, option):
    assert guide("caption", exhibit, *option) == guide("caption", exhibit)
    question = "what color is the star"
    drawn = guide("ask", exhibit, question, *option)[1].splitlines()
    assert drawn == guide("ask", exhibit, question)[1].splitlines()[:-1]  # without other answers


def test_each_option_is_handed_on(guide, exhibit, monkeypatch):
    given = []

    def told(*_, sampling, rng, **__):
        given.append((sampling, rng.random()))
        return [answer("red")]

    monkeypatch.setattr(respond, "respond", told)
    options = ["--temperature", "0.7", "--top-k", "5", "--top-p", "0.9", "--seed", "4"]
    guide("ask", exhibit, "where", *options)
    guide("caption", exhibit, "--top-k", "2")
    assert given == [
        (Sampling(0.7, 5, 0.9), np.random.default_rng(4).random()),
        (Sampling(1.0, 2, 1.0), np.random.default_rng(0).random()),
    ]


@pytest.mark.parametrize(
    ("option", "message"),
    [
        (["--temperature", "0"], "temperature is 0.0: give more than 0"),
        (["--temperature", "nan"], "temperature is nan: give more than 0"),
        (["--top-p", "1.5"], "top_p is 1.5: give more than 0 and at most 1"),
    ],
)
def test_options_that_draw_nothing(guide, exhibit, option, message):
    refused(guide("caption", exhibit, *option), message)


# Words of every kind


@pytest.mark.parametrize(("command", "what"), [("ask", "QUESTION"), ("detect", "THING")])
@pytest.mark.parametrize("text", ["", " ", "\n", "?!"])
def test_no_words(guide, exhibit, command, what, text):
    refused(guide(command, exhibit, text), "has no word after", f"write the {what}")


@pytest.mark.parametrize("command", ["ask", "detect"])
def test_ten_thousand_words(guide, exhibit, command):
    answered = guide(command, exhibit, "star " * 10_000)
    refused(answered, "tokens and 64 are read: ask shorter")
    assert len(answered[2]) < 300


@pytest.mark.parametrize("command", ["ask", "detect"])
@pytest.mark.parametrize(
    "text",
    [
        "rotes 星",
        "نجمة",
        "🙂👩‍🚀",
        "e\u0301toile",
        "{} {0} %s",
        "byte \udcff",
        "<loc0001>",
        "<unk>",
        "-1",
    ],
    ids=ascii,
)
def test_any_words(guide, exhibit, command, text):
    code, out, err = guide(command, exhibit, text)
    assert (code, err) == (0, "")
    assert out


# Pictures of every kind


@pytest.mark.parametrize("command", ALL, ids=lambda c: c[0])
@pytest.mark.parametrize(
    ("name", "kind"),
    [("a.webp", "animated"), ("a.png", "exif"), ("a.png", "transparent"), ("a.txt", "text name")],
)
def test_the_same_picture_in_another_file(guide, tmp_path, command, name, kind):
    """A second frame, a turn, an alpha channel, a wrong name: the answer stays."""
    plain, other = tmp_path / "plain.png", tmp_path / name
    Image.fromarray(pixels()).save(plain)
    if kind == "text name":
        other.write_bytes(plain.read_bytes())
    else:
        save_as(other, kind)
    name, *words = command
    code, out, err = guide(name, other, *words)
    assert (code, err) == (0, "")
    assert (code, out, err) == guide(name, plain, *words)


@pytest.mark.parametrize("command", ALL, ids=lambda c: c[0])
@pytest.mark.parametrize("kind", ["1x1", "cmyk", "palette", "16-bit", "grey", "long"])
def test_other_valid_pictures(guide, tmp_path, command, kind):
    image = Image.fromarray(pixels())
    path = tmp_path / ("a.jpg" if kind == "cmyk" else "a.png")
    if kind == "1x1":
        image = Image.fromarray(np.full((1, 1, 3), 77, np.uint8))
    elif kind == "palette":
        image = image.quantize(16)
    elif kind == "16-bit":
        image = Image.fromarray(pixels()[..., 0].astype(np.uint16) * 257)
    elif kind == "long":
        image = image.resize((3000, 5))
    else:
        image = image.convert("CMYK" if kind == "cmyk" else "L")
    image.save(path)
    name, *words = command
    out = tmp_path / "shown.png"
    code, said, err = guide(name, path, *words, "--show", str(out))
    assert (code, err) == (0, "")
    assert "the guide knows only" in said
    assert images.load(out).shape[1] > 150


@pytest.mark.parametrize("command", ALL, ids=lambda c: c[0])
def test_pictures_that_are_none(guide, exhibit, tmp_path, command):
    whole = exhibit.read_bytes()
    files = {
        "empty.png": (b"", "is empty (0 bytes)"),
        "cut.png": (whole[: len(whole) // 2], "is damaged or cut short"),
        "text.png": (b"I am a poem about a picture. " * 9, "is not a picture that can be read"),
        "huge.png": (png_header(20_000, 20_000), "has more than 64,000,000 pixels"),
    }
    name, *words = command
    for file, (content, message) in files.items():
        path = tmp_path / file
        path.write_bytes(content)
        refused(guide(name, path, *words), path, message)
    refused(guide(name, tmp_path / "missing.png", *words), "missing.png", "does not exist")
    refused(guide(name, tmp_path, *words), "is a folder; name a picture in it")


# Models


@pytest.mark.parametrize("command", ALL, ids=lambda c: c[0])
def test_models_that_are_none(guide, exhibit, guide_file, tmp_path, command):
    whole = guide_file.read_bytes()
    files = {
        "empty.safetensors": (b"", "is damaged or no safetensors file"),
        "cut.safetensors": (whole[: len(whole) // 2], "is damaged or no safetensors file"),
        "picture.png": (exhibit.read_bytes(), "is damaged or no safetensors file"),
    }
    name, *words = command
    for file, (content, message) in files.items():
        path = tmp_path / file
        path.write_bytes(content)
        refused(guide(name, exhibit, *words, model=path), path, message)
    refused(guide(name, exhibit, *words, model=tmp_path / "nowhere"), "no checkpoint at")


def test_a_model_of_another_kind(guide, exhibit, tmp_path):
    text = TextConfig(GUIDE_WORDS.vocab_size, 2, length=8, width=16, depth=1, heads=2, mlp_width=16)
    vision = ViTConfig(16, width=16, depth=1, heads=2, mlp_width=16)
    model = CLIP(CLIPConfig(vision, text, embed_width=8), np.random.default_rng(0))
    path = tmp_path / "clip.safetensors"
    about = model_files.describe(model, GUIDE_WORDS, "nothing", templates=["{}"])
    model_files.save_model(path, model, about)
    answered = guide("caption", exhibit, model=path)
    refused(answered, path, "it holds a CLIP; give a file with a PaliGemma")


@pytest.mark.parametrize("command", ALL, ids=lambda c: c[0])
def test_without_a_model_that_came_with_the_code(exhibit, monkeypatch, tmp_path, capsys, command):
    monkeypatch.setattr(model_files, "WEIGHTS", tmp_path)
    name, *words = command
    code = main([name, str(exhibit), *words])
    refused((code, *capsys.readouterr()), "guide-museum.safetensors is missing", "train")


@pytest.mark.parametrize("command", [*ALL, ("caption", "--top-p", "0.5")], ids=lambda c: c[0])
@pytest.mark.parametrize("value", [np.nan, np.inf, 1e38])
def test_weights_that_are_no_numbers(guide, exhibit, tmp_path, command, value):
    """One line, and no warning of NumPy's beside it."""
    model = untaught_guide()
    model.projector.linear.weight.data[:] = value
    path = save_guide(tmp_path / "nan.safetensors", model)
    name, *words = command
    refused(guide(name, exhibit, *words, model=path), path, "its weights are damaged")


def test_a_description_that_does_not_say_what_it_was_trained_on(guide, guide_file, tmp_path):
    arrays, about = checkpoint.load(guide_file)
    Image.fromarray(pixels()).save(tmp_path / "a.png")
    for said, line in ((None, "only other pictures, 16"), ("two\nlines", "only two lines, 16")):
        about["trained_on"] = said
        if said is None:
            del about["trained_on"]
        path = tmp_path / "silent.safetensors"
        checkpoint.save(path, arrays, about)
        code, out, _ = guide("caption", tmp_path / "a.png", model=path)
        assert code == 0
        assert line in out


# The picture, once a word


@pytest.mark.parametrize("command", ["ask", "caption"])
def test_show_writes_a_picture_for_each_word(guide, exhibit, tmp_path, guide_says, command):
    guide_says(answer("a red star"))
    path = tmp_path / "looked.png"
    words = ["what color is the star"] if command == "ask" else []
    code, said, _ = guide(command, exhibit, *words, "--show", str(path))
    assert code == 0
    assert said.splitlines()[-1] == f"wrote {path}"
    with Image.open(path) as image:
        assert image.format == "PNG"
        assert 3 * 192 < image.width < 4 * 192


def test_what_is_shown_is_the_attention_of_the_words(guide, exhibit, tmp_path, guide_says):
    """Another prompt, another answer or another word: another light."""
    shown = []
    for i, (question, said) in enumerate([("where", "red"), ("where", "blue"), ("what", "red")]):
        guide_says(answer(said))
        guide("ask", exhibit, question, "--show", str(tmp_path / f"{i}.png"))
        shown.append(images.load(tmp_path / f"{i}.png")[20:212, 20:212])
    question = "answer en where"
    model, ids = untaught_guide(), GUIDE_WORDS.encode("blue")
    square = images.load(exhibit)
    _, maps = respond.attention_of_words(model, GUIDE_WORDS, square, question, ids)
    np.testing.assert_array_equal(shown[1], np.asarray(show.overlay(square, maps[0], 192)))
    assert not np.array_equal(shown[0], shown[2])


@pytest.mark.parametrize("said", ["", "star " * 64], ids=["nothing", "much"])
def test_show_with_no_word_and_with_many(guide, exhibit, tmp_path, guide_says, said):
    guide_says(answer(said.strip()))
    path = tmp_path / "looked.png"
    assert guide("caption", exhibit, "--show", str(path))[0] == 0
    assert max(images.load(path).shape) < 3000


@pytest.mark.parametrize("command", ALL, ids=lambda c: c[0])
@pytest.mark.parametrize("name", ["map.xyz", "nowhere/map.png", "map"])
def test_show_where_it_cannot_write(guide, exhibit, tmp_path, command, name):
    before = sorted(os.listdir(tmp_path))
    code, _, err = guide(command[0], exhibit, *command[1:], "--show", str(tmp_path / name))
    assert code == 2
    assert err.startswith("tinyvlm: ")
    assert name in err
    assert err.count("\n") == 1
    assert sorted(os.listdir(tmp_path)) == before
