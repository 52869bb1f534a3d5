"""The demo in small: what it prints, what it writes, and that the page says what was measured."""

import os
import re
from dataclasses import replace
from functools import partial

import pytest

from tinyvlm import tour
from tinyvlm.blocks.vit import ViTConfig
from tinyvlm.cli import main
from tinyvlm.datasets import museum
from tinyvlm.errors import InputError
from tinyvlm.recipes import clip_museum
from tinyvlm.tour import clip, guide
from tinyvlm.train import Recipe

FROZEN = museum.museum_eval_v1()
TWO_EACH = replace(
    FROZEN,
    withheld=museum.first_of_each(FROZEN.withheld, museum.WITHHELD, 2),
    seen=museum.first_of_each(FROZEN.seen, museum.SEEN, 2),
)


@pytest.fixture
def small(monkeypatch, unshipped):
    tiny = partial(ViTConfig, width=16, depth=1, heads=2, mlp_width=16)
    monkeypatch.setattr(clip_museum, "ViTConfig", tiny)
    monkeypatch.setattr(clip_museum, "Recipe", partial(Recipe, batch_size=8))
    training_set = partial(clip_museum.TrainingSet, count=40)
    monkeypatch.setattr(clip_museum, "TrainingSet", training_set)
    monkeypatch.setattr(museum, "museum_eval_v1", lambda: TWO_EACH)
    monkeypatch.setattr(clip, "SEARCHED", 40)
    monkeypatch.setattr(clip, "CHECK_EVERY", 2)


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
    assert said.count("  search '") == len(clip.SEARCHES)
    assert said.rstrip().endswith(f"wrote {out}: open it in a browser")
    assert sorted(os.listdir(tmp_path)) == ["museum.html", "weights"]
    assert "The guide is left out: " in said
    page = out.read_text(encoding="utf-8")
    text = visible(page)
    for query in clip.SEARCHES:
        assert query in text
    for color, shape in museum.WITHHELD:
        assert f"{color} {shape}" in text
    assert "Seed 4." in text
    assert FROZEN.sha256[:12] in text
    assert not re.search(r"""(src|href)=["']?https?:""", page)


def test_a_guide_has_a_room_before_the_way_out(small, shipped, tmp_path, capsys, monkeypatch):
    monkeypatch.setattr(guide, "PICTURES", 1)
    out = tmp_path / "museum.html"
    tour.run(1, 0, 1, out)
    told = "right in all: .* captions, .* answers, .* boxes\nwrote "
    assert re.search(told, capsys.readouterr().out)
    rooms = re.findall(r'<section class="room ([a-z-]+)"', out.read_text())
    assert rooms == ["gallery", "search", "words", "training", "guide", "way-out"]


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
