"""The guide's batches: about their pictures, harder on the way."""

import numpy as np
import pytest

from tinyvlm.datasets import museum
from tinyvlm.recipes import guide_data, guide_texts
from tinyvlm.recipes.guide_data import QUESTIONS, TrainingSet
from tinyvlm.text.locations import decode_detections

WORDS = guide_texts.tokenizer()


@pytest.fixture(scope="module")
def data():
    return TrainingSet(seed=0, count=30)


def rng(seed=0):
    return np.random.default_rng(seed)


def test_shares_change_on_the_way():
    three = [guide_data.at(p, guide_data.SHARES)[2] for p in (0, 0.07, 0.08, 0.99)]
    assert three == [0.0, 0.0, 0.4, 0.4]
    for shares in (guide_data.SHARES, guide_data.TOWER_SHARES):
        for _, share in shares:
            assert sum(share) == pytest.approx(1)


def test_pictures_are_chosen_by_their_number_of_objects(data):
    numbers = np.array([len(scene.objects) for scene in data.scenes])
    chosen = numbers[data.choose(400, (0.25, 0.75, 0.0), rng())]
    assert set(chosen) == {1, 2}
    assert np.mean(chosen == 1) == pytest.approx(0.25, abs=0.1)


def test_a_batch_is_about_its_pictures(data):
    batch = data.batch(4, 0.5, rng())
    assert batch.pictures.shape == (4, 48, 48, 3)
    assert batch.short[0].shape[0] == 4 * QUESTIONS
    assert batch.long[0].shape[0] == 4 * 2
    for ids, suffix in (batch.short, batch.long):
        assert ids.shape == suffix.shape
        assert (ids[suffix] != WORDS.pad_id).all()
    for i in range(4):
        scene = next(
            s
            for s, p in zip(data.scenes, data.pictures, strict=True)
            if np.array_equal(p, batch.pictures[i])
        )
        ids, suffix = batch.long
        for row in (2 * i, 2 * i + 1):
            prompt, answer = (WORDS.decode(ids[row][p]) for p in (~suffix[row], suffix[row]))
            if prompt == "caption en":
                assert row % 2
                assert museum.is_true(museum.parse(answer), scene)
            else:
                assert prompt.startswith("detect ")
                assert len(decode_detections(answer, guide_texts.BINS)) <= len(scene.objects)


def test_a_black_picture_keeps_its_texts():
    black, seen = (TrainingSet(0, control, count=10) for control in ("black", None))
    assert not black.pictures.any()
    a, b = (data.batch(3, 0.0, rng()) for data in (black, seen))
    np.testing.assert_array_equal(a.short[0], b.short[0])


def test_a_tower_batch_says_two_things_of_each_picture(data):
    """Catches words that the tower's tokenizer does not know."""
    batch = data.tower_batch(4, 0.5, rng())
    assert batch.ids.shape == (8, guide_data.TOWER_LENGTH)
    assert batch.positives.shape == (4, 8)
    assert batch.positives[np.arange(4), np.arange(4)].all()  # its own first sentence
    assert batch.positives[np.arange(4), 4 + np.arange(4)].all()
    unknown = data.tower_words.encode("zebra")[0]
    assert (batch.ids != unknown).all()


@pytest.mark.parametrize(("progress", "most"), [(0.0, 2), (0.5, 3)])
def test_batches_get_harder(data, progress, most):
    numbers = {p.tobytes(): len(s.objects) for s, p in zip(data.scenes, data.pictures, strict=True)}
    batch = data.batch(60, progress, rng())
    assert max(numbers[picture.tobytes()] for picture in batch.pictures) == most
