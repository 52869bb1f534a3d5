"""A curve is XML whose points can be read back and compared with the values."""

import xml.etree.ElementTree as ElementTree

import numpy as np
import pytest

from tinyvlm import show
from tinyvlm.show import charts

SVG = "{http://www.w3.org/2000/svg}"


def parsed(svg):
    return ElementTree.fromstring(svg)


def lines(svg):
    """The points (N, 2) of each drawn line."""
    return [
        np.array([list(map(float, point.split(","))) for point in line.get("points").split()])
        for line in parsed(svg).iter(f"{SVG}polyline")
    ]


def words(svg):
    return [text.text for text in parsed(svg).iter(f"{SVG}text")]


def test_points_are_an_affine_image_of_the_values():
    steps, loss = np.arange(1, 9), np.array([4.0, 3, 2.5, 2.6, 1.9, 1, 0.7, 0.5])
    (points,) = lines(show.curve(steps, {"loss": loss}, "loss"))
    assert points.shape == (8, 2)
    assert np.corrcoef(points[:, 0], steps)[0, 1] == pytest.approx(1, abs=1e-4)
    assert np.corrcoef(points[:, 1], loss)[0, 1] == pytest.approx(-1, abs=1e-4)
    assert (points >= 0).all() and (points[:, 0] <= 640).all() and (points[:, 1] <= 280).all()


def test_unmeasured_values_are_skipped():
    values = [np.nan, 1.0, np.inf, 2.0, np.nan]
    (points,) = lines(show.curve(range(5), {"v": values}, "v"))
    assert len(points) == 2


def test_several_lines_have_a_legend_and_one_has_none():
    values = {"colour": [0, 1], "shape": [1, 0], "chance": [0.1, 0.1]}
    svg = show.curve([0, 10], values, "held out", faint=["chance"])
    assert set(values) <= set(words(svg))
    assert "var(--line-1" in svg and "var(--line-2" in svg and "var(--line-3" not in svg
    assert "only" not in words(show.curve([0, 1], {"only": [0, 1]}, "held out"))


def test_a_legend_that_is_too_long_for_one_row_takes_two():
    names = ["colour named right", "shape named right", "both named right", "guessing"]
    svg = show.curve([0, 1], {name: [0, 1] for name in names}, "held out", width=340)
    places = {
        t.text: (float(t.get("x")), float(t.get("y"))) for t in parsed(svg).iter(f"{SVG}text")
    }
    assert len({places[name] for name in names}) == 4
    assert all(places[name][0] + 7 * len(name) <= 340 for name in names)
    assert max(places[name][1] for name in names) + 10 <= min(p[:, 1].min() for p in lines(svg))


def test_seconds_are_written_under_the_steps():
    steps = np.arange(101)
    found = words(show.curve(steps, {"loss": steps * 1.0}, "loss", seconds=steps * 0.5))
    assert "100" in found and "50 s" in found
    assert not any("s" in t for t in words(show.curve(steps, {"v": steps}, "v")) if t[0].isdigit())


def test_text_is_escaped():
    svg = show.curve([0, 1], {"<b>": [0, 1], "&": [1, 0]}, '"><script>')
    assert "<script" not in svg and "<b>" not in svg
    assert parsed(svg).get("aria-label") == '"><script>'


def test_a_long_run_is_thinned_and_keeps_its_ends():
    steps = np.arange(30_000)
    svg = show.curve(steps, {"loss": np.linspace(5, 1, steps.size)}, "loss")
    (points,) = lines(svg)
    assert len(points) == 400 and len(svg) < 20_000
    assert points[0, 0] == pytest.approx(46) and points[-1, 0] == pytest.approx(624)


@pytest.mark.parametrize(
    "values", [[3.0], [0.0], [np.nan], [-1.0]], ids=["one", "zero", "none", "below"]
)
def test_one_step_is_drawn_without_warning(values):
    parsed(show.curve([7], {"loss": values}, "loss"))


@pytest.mark.parametrize(
    ("steps", "values"),
    [([], {"a": []}), ([1, 2], {}), ([1, 2], {"a": [1, 2, 3]}), ([[1, 2]], {"a": [[1, 2]]})],
)
def test_other_shapes_are_refused(steps, values):
    with pytest.raises(ValueError, match="curve: steps"):
        show.curve(steps, values, "loss")


@pytest.mark.parametrize(
    ("low", "high"), [(0, 1), (0, 4.7), (1, 700), (-0.3, 0.2), (0, 1e-7), (3, 3), (0, 123456)]
)
def test_ticks_are_round_few_and_inside(low, high):
    found = charts.ticks(low, high)
    assert 1 <= len(found) <= 6
    assert all(low - 1e-9 <= tick <= high * (1 + 1e-9) + 1e-12 for tick in found)
    assert all(len(f"{tick:g}") <= 6 for tick in found)
