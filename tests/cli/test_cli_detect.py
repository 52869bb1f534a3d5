"""`detect`: boxes in the pixels of the user's own picture, with scores, or nothing found."""

import numpy as np
import pytest
from conftest import GUIDE_WORDS
from PIL import Image

from tinyvlm import images, respond
from tinyvlm.cli.detect import in_pixels, out_of_square, without_article
from tinyvlm.respond import Answer

# y min, x min, y max, x max in sixteenths
FIRST = "<loc0002> <loc0004> <loc0010> <loc0016> red star"
SECOND = "<loc0000> <loc0000> <loc0008> <loc0004> red star"


@pytest.fixture
def guide_points(monkeypatch):
    """Put an answer into the guide's mouth; returns the prompts that it is asked."""
    prompts = []

    def put(text, p=None):
        words = text.split()
        tokens = tuple(zip(words, p or [0.5] * len(words), strict=True))
        said = Answer(text, 0.25, tuple(GUIDE_WORDS.encode(text)), tokens, (), True)

        def different_answers(model, words, picture, prompt, *_, **__):
            prompts.append(prompt)
            return [said]

        monkeypatch.setattr(respond, "different_answers", different_answers)
        return prompts

    return put


def test_boxes_and_scores(guide, exhibit, guide_points):
    guide_points(f"{FIRST} {SECOND}", [0.9, 0.8, 0.7, 0.6, 0.5, 1.0, 1, 1, 1, 1, 1, 0.01])
    code, out, err = guide("detect", exhibit, "red star")
    assert (code, err) == (0, "")
    assert out.splitlines() == [
        "red star  0.375  x 4  y 2  width 12  height 8",
        "red star  0.010  x 0  y 0  width 4  height 8",
    ]


def test_boxes_in_the_pixels_of_another_picture(guide, tmp_path, guide_points):
    """80 x 40: the middle 40 x 40 is what the guide sees, 2.5 pixels for one of its 16."""
    Image.fromarray(np.zeros((40, 80, 3), np.uint8)).save(tmp_path / "wide.png")
    guide_points(FIRST)
    out = guide("detect", tmp_path / "wide.png", "red star")[1]
    assert out.splitlines()[-1] == "red star  0.125  x 30  y 5  width 30  height 20"


@pytest.mark.parametrize(
    "shape", [(48, 48), (40, 80), (80, 40), (37, 101), (101, 37), (7, 7), (1, 1), (999, 1000)]
)
def test_out_of_square_undoes_to_square(shape):
    """A bright block in a dark picture is found in the square, and its box leads back to it."""
    Y, X = shape
    side = min(Y, X)
    low = np.array([X - side, Y - side]) // 2 + side // 4  # x, y, inside what is cut out
    edge = max(1, side // 3)
    picture = np.zeros((Y, X, 3), np.uint8)
    picture[low[1] : low[1] + edge, low[0] : low[0] + edge] = 255
    weights = images.to_square(picture, 480)[..., 0] / 255.0
    rows, columns = np.nonzero(weights > 0.5)
    box = [columns.min(), rows.min(), np.ptp(columns) + 1, np.ptp(rows) + 1]
    (back,) = out_of_square(np.array([box], float), shape, 480)
    np.testing.assert_allclose(back, [*low, edge, edge], atol=max(0.1, 1.5 * side / 480))


def test_the_whole_square_of_any_picture_lies_in_it():
    rng = np.random.default_rng(0)
    for Y, X in rng.integers(1, 3000, (200, 2)).tolist():
        ((x, y, width, height),) = out_of_square(np.array([[0.0, 0, 48, 48]]), (Y, X), 48)
        assert x >= 0 and y >= 0 and x + width <= X + 1e-6 and y + height <= Y + 1e-6
        assert min(width, height) == pytest.approx(min(Y, X))


def test_nothing_found(guide, exhibit, guide_points, tmp_path):
    guide_points("")
    path = tmp_path / "boxes.png"
    out = guide("detect", exhibit, "red star", "--show", str(path))[1]
    assert out.splitlines() == ["nothing found  0.250", f"wrote {path}"]
    guide_points("red <loc0001> star")
    out = guide("detect", exhibit, "red star")[1]
    assert out == 'nothing found; the guide said "red <loc0001> star"  0.250\n'


@pytest.mark.parametrize(
    ("words", "prompt"),
    [
        (["a red star"], "detect red star"),
        (["The", "red", "star"], "detect red star"),
        (["  an  orange star "], "detect orange star"),
        (["red star"], "detect red star"),
        (["another star"], "detect another star"),
        (["a"], "detect "),
    ],
)
def test_an_article_does_not_matter(guide, exhibit, guide_points, words, prompt):
    prompts = guide_points(FIRST)
    guide("detect", exhibit, *words)
    assert [" ".join(p.split()) for p in prompts] == [prompt.strip()]
    assert without_article("theatre") == "theatre"


def test_an_article_alone_is_nothing_to_find(guide, exhibit):
    code, out, err = guide("detect", exhibit, "the")
    assert (code, out) == (2, "")
    assert "has no word after 'detect': write the THING" in err


def test_show_draws_the_boxes_on_the_whole_picture(guide, tmp_path, guide_points):
    Image.fromarray(np.zeros((40, 80, 3), np.uint8)).save(tmp_path / "wide.png")
    guide_points(FIRST)
    path = tmp_path / "boxes.png"
    code, out, _ = guide("detect", tmp_path / "wide.png", "red star", "--show", str(path))
    assert code == 0
    assert out.splitlines()[-1] == f"wrote {path}"
    shown = images.load(path)
    assert shown.shape == (240 + 56, 480 + 56, 3)
    line = np.nonzero((shown == (0x00, 0x72, 0xB2)).all(axis=-1))
    assert abs(line[1].max() - (28 + 60 * 6)) <= 1  # the right edge: x 60 of 80
    assert abs(line[0].max() - (28 + 25 * 6)) <= 1  # the lower one: y 25 of 40


def test_numbers_of_pixels():
    assert in_pixels(np.array([0, 12.25, 1e6, 0.04])) == "x 0  y 12.2  width 1000000  height 0"
