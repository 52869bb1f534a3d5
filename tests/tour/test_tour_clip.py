"""The CLIP's rooms: names, searches and words' maps are those of the pictures they hang beside."""

import numpy as np

from tinyvlm import zero_shot
from tinyvlm.datasets import museum
from tinyvlm.recipes import clip_museum
from tinyvlm.tour import clip

FROZEN = museum.museum_eval_v1()


def test_the_gallery_has_the_three_likeliest_names(monkeypatch):
    sureness = np.zeros((18, 48))
    sureness[:, [5, 30, 12]] = [0.2, 0.5, 0.3]
    monkeypatch.setattr(clip_museum, "name_pictures", lambda model, pictures: sureness)
    exhibits = clip.gallery(None, FROZEN.withheld)
    assert len(exhibits) == clip.SHOWN
    names = [museum.with_article(clip_museum.LABELS[i]) for i in (30, 12, 5)]
    for exhibit, scene in zip(exhibits, FROZEN.withheld, strict=False):
        assert exhibit.answers == list(zip(names, (0.5, 0.3, 0.2), strict=True))
        assert exhibit.truth == museum.with_article(" ".join(scene.objects[0].pair))
        np.testing.assert_array_equal(exhibit.picture, museum.draw(scene))
        assert exhibit.is_right == (exhibit.truth == names[0])


def test_a_search_shows_the_nearest_pictures_and_judges_them(monkeypatch):
    """Catches the farthest pictures, truths of other pictures, and a place that is not judged."""
    monkeypatch.setattr(clip, "SEARCHED", 300)
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
    found = clip.search(None)
    assert [room.query for room in found] == list(clip.SEARCHES)
    for room in found:
        assert len(room.hits) == clip.FOUND
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
    assert None not in [museum.parse(text) for text in clip.SEARCHES]


def test_the_map_of_a_word_is_what_the_word_adds(monkeypatch):
    """Label number k looks everywhere like k: then a word's map is a number one can work out."""
    maps = np.broadcast_to(np.arange(48.0)[None, :, None, None], (1, 48, 4, 4))
    monkeypatch.setattr(clip, "patch_similarity", lambda model, images, ids: maps)
    scenes = FROZEN.withheld[:5]
    for room, scene in zip(clip.word_maps(None, scenes), scenes, strict=True):
        color, shape = scene.objects[0].pair
        assert list(room.words) == [color, shape]
        of_color = 6 * museum.COLORS.index(color) + np.arange(6)
        of_shape = museum.SHAPES.index(shape) + 6 * np.arange(8)
        expected = [of_color.mean() - 23.5, of_shape.mean() - 23.5]
        np.testing.assert_allclose(room.heats[:, 0, 0], expected)
        np.testing.assert_array_equal(room.picture, museum.draw(scene))
