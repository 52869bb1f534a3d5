"""museum.html is read back with a parser: whole, closed to the network, and true to its numbers.

How it looks was judged in a browser, at 1280 and 390 pixels, light and dark; what can be computed
of that (contrast, names for pictures, size) is tested here.
"""

import re
from dataclasses import dataclass
from importlib import resources

import numpy as np
import pytest
from page_reader import Reader, picture

from tinyvlm import files
from tinyvlm import page as museum_page
from tinyvlm.errors import InputError
from tinyvlm.page import fragments, training

HOSTILE = "<script>alert(1)</script>\"'&<img src=https://example.org/x>"


def stop(seed, word, unseen=""):
    """What a guide said about one picture: half of it right."""
    heats = np.random.default_rng(seed).random((2, 6, 6))
    return museum_page.GuideStop(
        museum_page.WordMap(picture(seed), ["a", word], heats, [0.97, 0.4], "attention"),
        bool(seed),
        f"a {word} star",
        [
            museum_page.Asked(f"is it {word}", "yes", "yes", 0.8),
            museum_page.Asked(f"how {word}", word, f"very {word}", 0.3),
        ],
        [
            museum_page.Pointed(f"{word} star", np.array([[4.0, 6, 10, 12]]), 0.9),
            museum_page.Pointed(f"{word} cross", np.zeros((0, 4)), 0.0),
        ],
        unseen,
    )


def make(exhibits=6, searches=2, word_maps=2, word="red"):
    """A whole page; `word` stands in every text that comes from outside."""
    rng = np.random.default_rng(0)
    answers = [(f"{word} circle", 0.72), (f"{word} star", 0.2), (f"{word} cross", 0.004)]
    shown = [
        museum_page.Exhibit(picture(i), f"{word} {'circle' if i % 3 else 'star'}", answers)
        for i in range(exhibits)
    ]
    hits = [museum_page.Hit(picture(i), f"{word} hit", 0.9 - i / 10, i != 2) for i in range(6)]
    maps = [
        museum_page.WordMap(picture(i), ["a", word, "star"], rng.random((3, 8, 8)))
        for i in range(word_maps)
    ]
    steps = np.arange(1, 301)
    run = museum_page.Training(
        steps, 4 / steps**0.3, steps * 0.2, 64, 128, 4.5, 312_448, f"2 {word} cores",
        checked=[1, 150, 300], accuracies={f"{word} both": [0.02, 0.4, 0.63]}, chance=1 / 48,
    )  # fmt: skip
    result = museum_page.Result(f"{word} held out", 412, 0.97, 0.655, 0.634)
    rooms = [
        museum_page.Gallery(shown, f"the first {word}", [f"{word} circle"] * 10, [result], 48),
        museum_page.SearchRoom([museum_page.Search(f"a {word} star", hits)] * searches, 300),
        museum_page.WordRoom(maps),
        museum_page.TrainingRoom(run),
        museum_page.GuideRoom([stop(0, word), stop(1, word, f"{word} cross")], 4_321, f"a {word}"),
        museum_page.WayOut([(f"python -m {word}", word)], [(f"lessons/{word}", word)]),
    ]
    entrance = museum_page.Entrance(run, result, 48, f"a {word} thing", shown[1])
    return museum_page.page(entrance, rooms, f"seed {word}")


def test_the_page_is_well_formed_and_its_links_lead_somewhere():
    reader = Reader(make())
    ids = [attributes["id"] for _, attributes in reader.elements if "id" in attributes]
    assert len(ids) == len(set(ids))
    links = [attributes["href"] for attributes in reader.all("a")]
    assert len(links) == 6
    assert {link.removeprefix("#") for link in links} <= set(ids)
    assert all(label["aria-labelledby"] in ids for label in reader.all("section"))
    assert len(reader.all("h1")) == 1 and len(reader.all("h2")) == 6


def test_nothing_is_loaded_from_anywhere():
    text = make()
    reader = Reader(text)
    for tag, attributes in reader.elements:
        for name in ("src", "href", "srcset", "poster", "data", "action"):
            value = attributes.get(name, "")
            assert value.startswith(("data:image/png;base64,", "#")) or value == "", (tag, value)
    assert "default-src 'none'" in text
    for word in ("@import", "url(", "http:", "https:", "fetch(", "//cdn"):
        assert word not in text.replace("http://www.w3.org/2000/svg", ""), word


def test_every_text_from_outside_is_escaped():
    text = make(word=HOSTILE)
    reader = Reader(text)
    assert len(reader.all("script")) == 1
    assert "<script>alert" not in text and "<img src=https" not in text
    assert reader.text.count("<script>alert(1)</script>\"'&") > 20  # as text, after unescaping
    assert all(key[:2] != "on" for _, attributes in reader.elements for key in attributes)


def test_every_picture_has_a_name_or_is_a_layer_of_light():
    images = Reader(make()).all("img")
    assert len(images) == 1 + 6 + 12 + 2 * (1 + 3) + 2 * (1 + 2 + 1)
    for image in images:
        assert image["alt"] or image["class"].startswith("heat")
        assert image["src"].startswith("data:image/png;base64,")


def test_the_numbers_on_the_page_are_those_it_was_given():
    text = Reader(make()).text
    assert "this model was 312,448 random numbers" in text
    assert "trained for 60 seconds on 2 red cores: 19,200 small pictures" in text
    assert "named 412 pictures" in text and "right in 63 % of them" in text
    assert "guessing would give 2.1 %" in text
    assert "4 of 6 are right" in text  # exhibits
    assert "5 of 6 right" in text  # hits of a search
    assert "300 steps in 60 seconds" in text
    assert "cuts a picture into 8 × 8 patches" in text
    assert "red held out 412 97 % 66 % 63 %" in text
    assert "a PaliGemma of 4,321 numbers" in text
    assert "Right are 1 of 2 captions, 2 of 4 answers and 2 of 4 boxes." in text


def test_a_wrong_answer_is_called_wrong_and_gets_its_true_name():
    right = Reader(fragments.exhibit(fragments.Exhibit(picture(), "a", [("a", 0.6), ("b", 0.4)])))
    wrong = Reader(fragments.exhibit(fragments.Exhibit(picture(), "b", [("a", 0.6), ("b", 0.4)])))
    assert right.text == "a 60 % b 40 % right"
    assert wrong.text == "a 60 % b 40 % wrong: it is b"
    marked = [attributes.get("class") for attributes in wrong.all("li")]
    assert marked == [None, "true"]


@pytest.mark.parametrize(
    ("height", "width", "side"), [(32, 32, 128), (48, 48, 96), (20, 64, 128), (500, 300, 128)]
)
def test_a_frame_enlarges_by_whole_factors_and_shrinks_what_is_large(height, width, side):
    html = fragments.framed(picture(0, height, width), "x")
    assert f"--side:{side}px" in html
    if max(height, width) > 128:
        assert 'width="76" height="128"' in html


def test_a_room_is_anything_with_anchor_title_and_html():
    @dataclass
    class Guide:
        anchor: str = "guide"
        title: str = "The guide <3"

        def html(self):
            return "<p>It is a red star.</p>"

    result = museum_page.Result("held out", 1, 0.5, 0.5, 0.5)
    run = museum_page.Training([1], [3.0], [0.5], 8, 16, 2.4, 100, "1 core")
    shown = museum_page.Exhibit(picture(), "a", [("a", 1.0)])
    entrance = museum_page.Entrance(run, result, 2, "a", shown)
    reader = Reader(museum_page.page(entrance, [Guide(), museum_page.TrainingRoom(run)]))
    assert "The guide <3 It is a red star." in reader.text
    assert {"href": "#guide"} in reader.all("a")
    assert len(reader.all("svg")) == 2  # one chart, wide and narrow: nothing was checked on the way


def test_a_full_page_with_noisy_heats_stays_below_its_limit():
    assert len(make(exhibits=30, searches=6, word_maps=8).encode()) < 1_500_000


@pytest.mark.parametrize(
    ("value", "text"),
    [(0.634, "63 %"), (0.0208, "2.1 %"), (0.0, "0 %"), (1.0, "100 %"), (0.9975, "99.8 %")],
)
def test_share(value, text):
    assert fragments.share(value) == text


@pytest.mark.parametrize(
    ("value", "text"), [(0.634, "63 %"), (0.9999, ">99 %"), (1.0, ">99 %"), (0.004, "<1 %")]
)
def test_sureness_never_claims_certainty(value, text):
    assert fragments.sureness(value) == text


def test_rolling_mean():
    means = training.rolling_mean([1.0, 2, 3, 4, 8], 3)
    np.testing.assert_allclose(means, [np.nan, 2, 3, 5, np.nan])
    assert np.isnan(training.rolling_mean([1.0, 2], 3)).all()
    assert training.rolling_mean([4.0], 1).tolist() == [4.0]


def test_write_replaces_the_old_page_and_leaves_nothing_else(tmp_path):
    target = tmp_path / "museum.html"
    museum_page.write(target, "first ✓\n")
    museum_page.write(str(target), "second ✓\n")
    assert target.read_bytes() == "second ✓\n".encode()
    assert [file.name for file in tmp_path.iterdir()] == ["museum.html"]


def test_a_failed_write_keeps_the_old_page_and_says_so_in_one_line(tmp_path, monkeypatch):
    target = tmp_path / "museum.html"
    target.write_text("old")

    def full(*_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(files.os, "replace", full)
    with pytest.raises(InputError, match=r"museum.html: .*No space left on device") as caught:
        museum_page.write(target, "new")
    assert "\n" not in str(caught.value)
    assert target.read_text() == "old"
    assert [file.name for file in tmp_path.iterdir()] == ["museum.html"]


def test_a_folder_in_its_place_is_named(tmp_path):
    (tmp_path / "museum.html").mkdir()
    with pytest.raises(InputError, match=r"could not write .*museum.html"):
        museum_page.write(tmp_path / "museum.html", "x")
    (tmp_path / "file").write_text("")
    with pytest.raises(InputError, match=r"could not write .*museum.html"):
        museum_page.write(tmp_path / "file" / "museum.html", "x")
    assert sorted(file.name for file in tmp_path.iterdir()) == ["file", "museum.html"]


def schemes():
    """The custom properties of the light and of the dark scheme."""
    css = resources.files("tinyvlm.page").joinpath("museum.css").read_text(encoding="utf-8")
    light, dark = re.findall(r":root \{(.*?)\}", css, re.DOTALL)
    light, dark = (dict(re.findall(r"--([\w-]+): (#[0-9a-f]{6});", part)) for part in (light, dark))
    return [light, {**light, **dark}]


def contrast(first, second):
    """WCAG 2.2, relative luminance and contrast ratio."""

    def luminance(colour):
        channels = np.array([int(colour[i : i + 2], 16) / 255 for i in (1, 3, 5)])
        linear = np.where(
            channels <= 0.04045, channels / 12.92, ((channels + 0.055) / 1.055) ** 2.4
        )
        return linear @ [0.2126, 0.7152, 0.0722]

    low, high = sorted([luminance(first), luminance(second)])
    return (high + 0.05) / (low + 0.05)


@pytest.mark.parametrize("scheme", schemes(), ids=["light", "dark"])
def test_contrast_is_enough_to_read_by(scheme):
    assert contrast("#ffffff", "#000000") == pytest.approx(21)
    on_walls = [("ink", wall) for wall in ("plaster", "sage", "dusk", "clay")]
    on_cards = [(ink, "card") for ink in ("card-ink", "card-soft", "right", "wrong")]
    for ink, ground in [*on_walls, *on_cards, ("night-ink", "night")]:
        assert contrast(scheme[ink], scheme[ground]) >= 4.5, (ink, ground)
    for line in ("line-1", "line-2", "line-3", "line-4"):
        assert contrast(scheme[line], scheme["card"]) >= 3, line
    for bar in ("bar", "right"):
        assert contrast(scheme[bar], scheme["card"]) >= 3, bar
