"""The demo in small: what it prints, what it writes, and that the page says what was measured."""

import os
import re
from dataclasses import replace
from functools import partial

import numpy as np
import pytest

from tinyvlm import tour, zero_shot
from tinyvlm.blocks.vit import ViTConfig
from tinyvlm.cli import main
from tinyvlm.datasets import museum
from tinyvlm.errors import InputError
from tinyvlm.recipes import clip_museum
from tinyvlm.train import Recipe

FROZEN = museum.museum_eval_v1()
TWO_EACH = replace(
    FROZEN,
    withheld=museum.first_of_each(FROZEN.withheld, museum.WITHHELD, 2),
    seen=museum.first_of_each(FROZEN.seen, museum.SEEN, 2),
)


@pytest.fixture
def small(monkeypatch):
    tiny = partial(ViTConfig, width=16, depth=1, heads=2, mlp_width=16)
    monkeypatch.setattr(clip_museum, "ViTConfig", tiny)
    monkeypatch.setattr(clip_museum, "Recipe", partial(Recipe, batch_size=8))
    training_set = partial(clip_museum.TrainingSet, count=40)
    monkeypatch.setattr(clip_museum, "TrainingSet", training_set)
    monkeypatch.setattr(museum, "museum_eval_v1", lambda: TWO_EACH)
    monkeypatch.setattr(tour, "SEARCHED", 40)
    monkeypatch.setattr(tour, "CHECK_EVERY", 2)


def visible(page):
    """The page's text without style, script and tags."""
    page = re.sub(r"<(style|script)>.*?</\1>", "", page, flags=re.DOTALL)
    return " ".join(re.sub(r"<[^>]*>", " ", page).split())


def test_the_whole_tour(small, tmp_path, capsys, monkeypatch):
    measured = []
    accuracy = clip_museum.accuracy

    def watch(model, scenes, black=False):
        measured.append((scenes[0].split, accuracy(model, scenes, black)))
        return measured[-1][1]

    monkeypatch.setattr(clip_museum, "accuracy", watch)
    out = tmp_path / "museum.html"
    assert main(["demo", "--steps", "5", "--threads", "1", "--seed", "4", "--out", str(out)]) == 0
    said = capsys.readouterr().out
    # Checked after steps 2, 4 and at the end; then the two results that are told.
    assert [split for split, _ in measured] == ["test_comp"] * 4 + ["test_iid"]
    for name, (_, r) in zip(("never seen together", "seen in training"), measured[3:], strict=True):
        assert f"pairs {name}: colour {r['colour']:.3f}, shape {r['shape']:.3f}, " in said
        assert f"both {r['joint']:.3f} of" in said
    assert said.count("  a picture of ") == 5
    assert said.count("  search '") == len(tour.SEARCHES)
    assert said.rstrip().endswith(f"wrote {out}: open it in a browser")
    assert os.listdir(tmp_path) == ["museum.html"]
    page = out.read_text(encoding="utf-8")
    text = visible(page)
    for query in tour.SEARCHES:
        assert query in text
    for color, shape in museum.WITHHELD:
        assert f"{color} {shape}" in text
    assert "Seed 4." in text
    assert FROZEN.sha256[:12] in text
    assert not re.search(r"""(src|href)=["']?https?:""", page)


def test_the_same_seed_makes_the_same_page_but_for_the_clock(small, tmp_path):
    pages = []
    for name in ("a.html", "b.html"):
        tour.run(2, 0, 1, tmp_path / name)
        pages.append((tmp_path / name).read_text())
    pictures = [re.findall(r'src="data:image/png;base64,[^"]*"', page) for page in pages]
    assert pictures[0] == pictures[1]
    assert len(pictures[0]) > 40


@pytest.mark.parametrize("out", ["nowhere/museum.html", "folder"])
def test_an_out_that_cannot_be_written_is_said_before_the_training(tmp_path, monkeypatch, out):
    (tmp_path / "folder").mkdir()
    monkeypatch.setattr(clip_museum, "TrainingSet", None)  # the first thing that takes time
    with pytest.raises(InputError, match="can't be written; name a file in a folder that exists"):
        tour.run(1, 0, 1, tmp_path / out)


# The rooms' contents


def test_the_gallery_has_the_three_likeliest_names(monkeypatch):
    sureness = np.zeros((18, 48))
    sureness[:, [5, 30, 12]] = [0.2, 0.5, 0.3]
    monkeypatch.setattr(clip_museum, "name_pictures", lambda model, pictures: sureness)
    exhibits = tour.gallery(None, FROZEN.withheld)
    assert len(exhibits) == tour.SHOWN
    names = [museum.with_article(clip_museum.LABELS[i]) for i in (30, 12, 5)]
    for exhibit, scene in zip(exhibits, FROZEN.withheld, strict=False):
        assert exhibit.answers == list(zip(names, (0.5, 0.3, 0.2), strict=True))
        assert exhibit.truth == museum.with_article(" ".join(scene.objects[0].pair))
        np.testing.assert_array_equal(exhibit.picture, museum.draw(scene))
        assert exhibit.is_right == (exhibit.truth == names[0])


def test_a_search_shows_the_nearest_pictures_and_judges_them(monkeypatch):
    """Catches the farthest pictures, truths of other pictures, and a place that is not judged."""
    monkeypatch.setattr(tour, "SEARCHED", 300)
    scenes = [*museum.Museum(split="test_iid", seed=1).scenes(150)]
    scenes += museum.Museum(split="test_comp", seed=1).scenes(150)
    pairs = [scene.objects[0].pair for scene in scenes]

    def embed_pictures(model, pictures):
        np.testing.assert_array_equal(pictures, museum.draw_all(scenes))
        # One axis a sentence: red stars, blue circles, triangles, crosses.
        axes = [
            [pair == ("red", "star") for pair in pairs],
            [pair == ("blue", "circle") for pair in pairs],
            [shape == "triangle" for _, shape in pairs],
            [shape == "cross" for _, shape in pairs],
        ]
        return np.array(axes, float).T + np.linspace(0, 0.01, 300)[:, None]

    monkeypatch.setattr(zero_shot, "embed_pictures", embed_pictures)
    monkeypatch.setattr(zero_shot, "embed_texts", lambda *_: np.eye(4))
    found = tour.search(None)
    assert [room.query for room in found] == list(tour.SEARCHES)
    for room in found:
        assert len(room.hits) == tour.FOUND
        scores = [hit.score for hit in room.hits]
        assert scores == sorted(scores, reverse=True)
        for hit in room.hits:
            (index,) = [i for i in range(300) if np.isclose(hit.score % 1, 0.01 * i / 299)]
            np.testing.assert_array_equal(hit.picture, museum.draw(scenes[index]))
            assert hit.truth == museum.with_article(" ".join(pairs[index]))
            facts = museum.parse(room.query)
            assert hit.is_right == museum.is_true(facts, scenes[index])
    assert all(hit.is_right for hit in found[0].hits)  # "a red star"
    assert {hit.is_right for hit in found[1].hits} == {True, False}  # "... on the left"


def test_every_search_can_be_judged():
    assert None not in [museum.parse(text) for text in tour.SEARCHES]


def test_the_map_of_a_word_is_what_the_word_adds(monkeypatch):
    """Label number k looks everywhere like k: then a word's map is a number one can work out."""
    maps = np.broadcast_to(np.arange(48.0)[None, :, None, None], (1, 48, 4, 4))
    monkeypatch.setattr(tour, "patch_similarity", lambda model, images, ids: maps)
    scenes = FROZEN.withheld[:5]
    for room, scene in zip(tour.word_maps(None, scenes), scenes, strict=True):
        color, shape = scene.objects[0].pair
        assert list(room.words) == [color, shape]
        of_color = 6 * museum.COLORS.index(color) + np.arange(6)
        of_shape = museum.SHAPES.index(shape) + 6 * np.arange(8)
        expected = [of_color.mean() - 23.5, of_shape.mean() - 23.5]
        np.testing.assert_allclose(room.heats[:, 0, 0], expected)
        np.testing.assert_array_equal(room.picture, museum.draw(scene))
