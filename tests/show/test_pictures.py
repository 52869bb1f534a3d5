"""Pictures of pictures: sizes, places and colours are checked on the pixels themselves."""

import base64
import io

import numpy as np
import pytest
from PIL import Image, ImageFont

from tinyvlm import show
from tinyvlm.show import pictures


def plain(colour, height=32, width=32):
    return np.full((height, width, 3), colour, dtype=np.uint8)


def lightness(image):
    return np.asarray(image.convert("L"), dtype=np.float64)


def test_colours_rise_evenly_in_lightness_and_end_at_viridis():
    scale = show.colours(np.linspace(0, 1, 101)).astype(np.float64)  # (101, 3)
    weights = np.array([0.2126, 0.7152, 0.0722])
    assert (np.diff(scale @ weights) > 0).all()
    assert scale[0].tolist() == [68, 1, 84]
    assert scale[-1].tolist() == [253, 231, 37]
    np.testing.assert_array_equal(show.colours(np.array([-5.0, 9.0])), scale[[0, -1]])


def test_png_and_data_uri_give_the_same_pixels_back():
    image = Image.fromarray(np.arange(36, dtype=np.uint8).reshape(3, 4, 3))
    again = Image.open(io.BytesIO(show.to_png_bytes(image)))
    np.testing.assert_array_equal(np.asarray(again), np.asarray(image))
    head, _, body = show.data_uri(image).partition(",")
    assert head == "data:image/png;base64"
    assert base64.b64decode(body) == show.to_png_bytes(image)


def test_a_small_picture_grows_by_a_whole_factor_unsmoothed():
    rng = np.random.default_rng(0)
    picture = rng.integers(0, 256, (5, 3, 3), dtype=np.uint8)
    grown = np.asarray(show.enlarge(picture, 16))
    np.testing.assert_array_equal(grown, picture.repeat(3, axis=0).repeat(3, axis=1))


@pytest.mark.parametrize(
    ("height", "width", "expected"),
    [
        (100, 50, (32, 64)),
        (3, 400, (64, 1)),
        (1, 1, (64, 64)),
        (32, 32, (64, 64)),
        (30, 20, (40, 60)),
        (40, 40, (64, 64)),
    ],
)
def test_enlarge_keeps_proportions_and_fits(height, width, expected):
    assert show.enlarge(plain(9, height, width), 64).size == expected


@pytest.mark.parametrize(
    "wrong",
    [
        np.zeros((32, 32), np.uint8),
        np.zeros((32, 32, 4), np.uint8),
        np.zeros((32, 32, 3), np.float32),
        np.zeros((0, 32, 3), np.uint8),
    ],
)
def test_what_is_not_a_picture_is_named(wrong):
    with pytest.raises(ValueError, match=r"uint8 of shape \(Y, X, 3\) expected"):
        show.enlarge(wrong, 64)


def test_grid_puts_each_picture_in_its_place_with_a_caption_below():
    sheet = show.grid([plain((255, 0, 0)), plain((0, 0, 255)), plain((0, 255, 0))], ["a b"] * 3, 2)
    pixels = np.asarray(sheet)
    middle = 20 + 80
    assert pixels[middle, middle].tolist() == [255, 0, 0]
    assert pixels[middle, middle + 180].tolist() == [0, 0, 255]
    assert pixels[middle + 160 + 48, middle].tolist() == [0, 255, 0]
    caption = lightness(sheet)[20 + 160 + 8 : 20 + 160 + 28, 20:180]
    assert caption.min() < 60  # ink
    assert sheet.width == 20 + 2 * 180


def test_grid_of_one_is_no_wider_than_one():
    assert show.grid([plain(0)], ["x"], 7).width == 200


def test_grid_refuses_what_does_not_match():
    with pytest.raises(ValueError, match="2 pictures and 1 captions"):
        show.grid([plain(0), plain(0)], ["x"], 2)
    with pytest.raises(ValueError, match="at least one"):
        show.grid([], [], 2)
    with pytest.raises(ValueError, match="columns must be 1 or more"):
        show.grid([plain(0)], ["x"], 0)


@pytest.mark.parametrize("text", ["", "short", "many words " * 50, "w" * 5000, "星 " * 90, "🎨"])
def test_wrapped_lines_fit_their_width(text):
    font = ImageFont.load_default(15)
    lines = pictures.wrapped(text, font, 160)
    assert 1 <= len(lines) <= 3
    assert all(font.getlength(line) <= 160 for line in lines)
    if len(text) > 200:
        assert lines[-1].endswith("…")
    else:
        assert " ".join(lines).split() == text.split() or lines[-1].endswith("…")


def test_matrix_paints_the_largest_brightest_and_leaves_nan_empty():
    values = np.array([[0.1, 0.9, 0.2], [np.nan, -0.4, np.inf]])
    image = show.matrix(values, ["first", "second"], ["a", "b", "c"])
    pixels = np.asarray(image)
    cell = 44
    left, top = image.width - 3 * cell - 10, image.height - 2 * cell - 10

    def corner(row, column):
        return pixels[top + row * cell + 2, left + column * cell + 2].tolist()

    assert corner(0, 1) == [253, 231, 37]
    assert corner(1, 1) == [68, 1, 84]
    assert corner(1, 0) == corner(1, 2) == list(pictures.PAPER)


def test_matrix_of_equal_values_and_of_nothing_finite_warn_of_nothing():
    show.matrix(np.full((2, 2), 3.0), ["a", "b"], ["c", "d"])
    show.matrix(np.full((1, 1), np.nan), ["a"], ["c"])


def test_matrix_refuses_other_shapes():
    with pytest.raises(ValueError, match=r"\(2, 1\) expected"):
        show.matrix(np.zeros((1, 2)), ["a", "b"], ["c"])


@pytest.mark.parametrize(
    ("value", "text"),
    [(0.874, ".87"), (-0.05, "-.05"), (-0.001, ".00"), (1.0, "1.00"), (123.4, "123"), (10, "10")],
)
def test_two_digits(value, text):
    assert pictures._two_digits(value) == text


def test_overlay_is_light_where_the_heat_is_and_keeps_the_hue():
    heat = np.zeros((4, 4))
    heat[1, 2] = 7.0
    image = np.asarray(show.overlay(plain((200, 60, 40)), heat, 128)).astype(int)
    assert image.shape == (128, 128, 3)
    np.testing.assert_allclose(image[48, 80], [200, 60, 40], atol=12)
    assert image[120, 8].sum() < 0.5 * 300


def test_overlay_rises_with_the_heat_and_its_line_is_at_half():
    ramp = np.tile(np.linspace(-3, 2, 8), (8, 1))
    light = lightness(show.overlay(plain(180), ramp, 256)).mean(axis=0)
    line = np.flatnonzero(light > 200)
    assert line.min() >= 124 and line.max() <= 132 and 1 <= len(line) <= 6
    rising = np.delete(light, np.r_[line.min() - 1 : line.max() + 2])
    assert (np.diff(rising) >= 0).all()
    assert rising[-1] - rising[0] > 110


@pytest.mark.parametrize("colour", [0, 20, 128, 255])
def test_the_line_can_be_seen_on_every_grey(colour):
    ramp = np.tile(np.linspace(0, 1, 8), (8, 1))
    light = lightness(show.overlay(plain(colour), ramp, 256)).mean(axis=0)
    beside = light[np.r_[118:122, 136:140]]
    assert light[124:133].max() - beside.max() > 60


def test_overlay_fits_pictures_and_heats_that_are_not_square():
    image = show.overlay(plain(5, 40, 80), np.eye(3, 5), 240)
    assert image.size == (240, 120)


def test_a_heat_without_range_is_an_even_half_light():
    alpha = np.asarray(show.veil(np.full((3, 3), 0.2), (30, 30)))[..., 3]
    assert alpha.min() == alpha.max() == 112


@pytest.mark.parametrize(
    "heat", [np.zeros(4), np.zeros((0, 3)), np.array([[1.0, np.nan]]), np.array([[np.inf, 1.0]])]
)
def test_overlay_refuses_heat_that_cannot_be_drawn(heat):
    with pytest.raises(ValueError, match=r"finite heat of shape \(rows, cols\)"):
        show.overlay(plain(0), heat)
