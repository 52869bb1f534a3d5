"""The museum's recipe: true positives, withheld pairs nowhere in training, honest controls."""

from functools import partial

import numpy as np
import pytest

from tinyvlm.blocks.vit import ViTConfig
from tinyvlm.datasets import museum
from tinyvlm.nn.functional import l2_normalize
from tinyvlm.recipes import clip_museum
from tinyvlm.recipes.clip_museum import LABELS, LENGTH, TrainingSet
from tinyvlm.tensor import Tensor
from tinyvlm.train import Recipe

COUNT = 300


@pytest.fixture(scope="module")
def data():
    return TrainingSet(0, count=COUNT)


@pytest.fixture
def small(monkeypatch):
    """Towers and batches with which a step takes milliseconds."""
    tiny = partial(ViTConfig, width=16, depth=1, heads=2, mlp_width=16)
    monkeypatch.setattr(clip_museum, "ViTConfig", tiny)
    monkeypatch.setattr(clip_museum, "Recipe", partial(Recipe, batch_size=8, warmup=3))


def drawn(data, seed, size=32):
    """(scenes of the batch, its pictures, its sentences, its positives)."""
    pictures, ids, positives = data.batch(size, np.random.default_rng(seed))
    index = {picture.tobytes(): i for i, picture in enumerate(data.pictures)}
    scenes = [data.scenes[index[picture.tobytes()]] for picture in pictures]
    return scenes, pictures, [data.words.decode(row) for row in ids], positives


# The batch


def test_a_positive_is_a_sentence_that_is_true_of_the_picture(data):
    """The sentences are parsed again and judged against the scene of each picture. Catches the
    diagonal alone, pictures and scenes out of step, and tokens that do not say the sentence."""
    for seed in range(5):
        scenes, _, sentences, positives = drawn(data, seed)
        assert positives.shape == (32, 64)
        facts = [museum.parse(sentence) for sentence in sentences]
        assert None not in facts
        truth = [[museum.is_true(fact, scene) for fact in facts] for scene in scenes]
        np.testing.assert_array_equal(positives, truth)


def test_every_picture_and_every_sentence_has_a_positive(data):
    """clip_loss divides by these counts."""
    for seed in range(20):
        _, _, _, positives = drawn(data, seed, 16)
        assert positives[:, :16].diagonal().all()
        assert positives[:, 16:].diagonal().all()


def test_the_second_half_names_shapes_alone_and_is_true_of_several_pictures(data):
    _, _, sentences, positives = drawn(data, 0)
    colours = [any(color in s.split() for color in museum.COLORS) for s in sentences]
    assert colours == [True] * 32 + [False] * 32
    assert all(any(shape in s.split() for shape in museum.SHAPES) for s in sentences)
    assert positives[:, :32].sum() < positives[:, 32:].sum()
    assert np.max(positives[:, 32:].sum(axis=0)) >= 3


def test_pictures_and_sentences_vary_with_the_generator_alone(data):
    first, again, other = (data.batch(16, np.random.default_rng(seed)) for seed in (1, 1, 2))
    for a, b, c in zip(first, again, other, strict=True):
        np.testing.assert_array_equal(a, b)
        assert a.shape[0] == c.shape[0]
    assert not np.array_equal(first[0], other[0])
    assert not np.array_equal(first[1], other[1])


def test_no_sentence_is_cut(data):
    ids = np.concatenate([data.batch(64, np.random.default_rng(seed))[1] for seed in range(50)])
    assert ids.shape[1] == LENGTH
    assert np.all((ids == data.words.eos_id).sum(axis=1) == 1)
    assert np.all(ids[:, -1] == data.words.pad_id)
    assert not np.any(ids == data.words.unk_id)


def test_withheld_pairs_are_in_no_sentence_and_no_picture(data):
    """300 batches of 64. Catches one leak of a held-out pair into what is trained on: then the
    result on museum-eval-v1 would mean nothing."""
    said = set()
    for seed in range(300):
        _, ids, _ = data.batch(64, np.random.default_rng(seed))
        said |= {tuple(row) for row in ids.tolist()}
    assert len(said) > 1000
    for row in said:
        words = data.words.decode(row).split()
        for color, shape in museum.WITHHELD:
            assert not (color in words and shape in words), words
    assert all(thing.pair in museum.SEEN for scene in data.scenes for thing in scene.objects)
    assert {scene.objects[0].pair for scene in data.scenes} == set(museum.SEEN)
    # Nothing but these scenes is in the pixels.
    np.testing.assert_array_equal(data.pictures, museum.draw_all(data.scenes))


def test_training_and_evaluation_share_no_scene(data):
    frozen = museum.museum_eval_v1()
    assert {scene.split for scene in data.scenes} == {"train"}
    train = {scene.objects for scene in data.scenes}
    assert not train & {scene.objects for scene in (*frozen.seen, *frozen.withheld)}


# Controls


def test_shuffled_gives_every_picture_another_sentence(data):
    shuffled = TrainingSet(0, "shuffled", COUNT)
    assert shuffled.scenes == data.scenes
    rows = [picture.tobytes() for picture in data.pictures]
    order = [rows.index(picture.tobytes()) for picture in shuffled.pictures]
    assert sorted(order) == list(range(COUNT))
    assert np.mean(np.array(order) == np.arange(COUNT)) < 0.03
    _, ids, positives = data.batch(16, np.random.default_rng(3))
    pictures, other_ids, other_positives = shuffled.batch(16, np.random.default_rng(3))
    np.testing.assert_array_equal(ids, other_ids)
    np.testing.assert_array_equal(positives, other_positives)
    chosen = np.random.default_rng(3).integers(COUNT, size=16)
    np.testing.assert_array_equal(pictures, data.pictures[np.array(order)[chosen]])


def test_black_leaves_nothing_to_see(data):
    black = TrainingSet(0, "black", COUNT)
    assert black.scenes == data.scenes
    assert black.pictures.shape == data.pictures.shape
    assert not black.pictures.any()
    _, ids, positives = black.batch(16, np.random.default_rng(3))
    np.testing.assert_array_equal(ids, data.batch(16, np.random.default_rng(3))[1])
    assert positives.any()


# Training


def test_it_trains_and_the_seed_decides(small, data):
    model, history = clip_museum.train(data, 8, threads=2)
    again, same = clip_museum.train(data, 8, threads=2)
    assert history.losses == same.losses
    assert len(history.losses) == 8
    for name, array in model.state_dict().items():
        assert array.tobytes() == again.state_dict()[name].tobytes(), name
    other, _ = clip_museum.train(TrainingSet(1, count=20), 1, threads=1)
    weights = other.image_projection.weight.data
    assert not np.array_equal(weights, clip_museum.build(0).image_projection.weight.data)


def test_sixty_small_steps_learn_colours(small, data):
    """A tower of width 16 that saw 60 batches of 8: the colour at twice the chance of 1/8."""
    model, history = clip_museum.train(data, 60, threads=1)
    assert np.mean(history.losses[-10:]) < np.mean(history.losses[:5]) - 0.1
    assert clip_museum.accuracy(model, museum.museum_eval_v1().seen)["colour"] > 0.25


def test_after_step_sees_the_model(small, data):
    seen = []
    model, _ = clip_museum.train(data, 3, after_step=lambda m, step: seen.append((m, step)))
    assert seen == [(model, 1), (model, 2), (model, 3)]


def test_about_says_how_to_build_it_again(small):
    model = clip_museum.build(0)
    about = clip_museum.about(model)
    assert about["kind"] == "clip"
    assert about["config"]["vision"]["width"] == 16
    assert about["tokenizer"]["words"] == list(museum.WORDS)


# Measuring


class Oracle:
    """A model that knows what is on the picture, and says so with one colour or shape exchanged."""

    scale = 100.0

    def __init__(self, scenes, wrong_color=False, wrong_shape=False):
        pairs = [scene.objects[0].pair for scene in scenes]
        self.shown = {p.tobytes(): q for p, q in zip(museum.draw_all(scenes), pairs, strict=True)}
        self.wrong = wrong_color, wrong_shape
        self.seen = []

    def encode_text(self, ids):
        """One axis for each of the 48 labels; the article and the template are passed over."""
        words = clip_museum.tokenizer()
        x = np.zeros((len(ids), 48), np.float32)
        for row, sentence in zip(x, (words.decode(i).split() for i in ids), strict=True):
            row[[set(label.split()) <= set(sentence) for label in LABELS].index(True)] = 1
        return l2_normalize(Tensor(x))

    def encode_image(self, images):
        pictures = clip_museum.images.from_model(images.data)
        self.seen.append(pictures)
        x = np.zeros((len(pictures), 48), np.float32)
        for row, picture in zip(x, pictures, strict=True):
            color, shape = self.shown.get(picture.tobytes(), ("red", "circle"))
            if self.wrong[0]:
                color = museum.COLORS[(museum.COLORS.index(color) + 1) % 8]
            if self.wrong[1]:
                shape = museum.SHAPES[(museum.SHAPES.index(shape) + 1) % 6]
            row[LABELS.index(f"{color} {shape}")] = 1
        return Tensor(x)


@pytest.mark.parametrize(
    ("wrong_color", "wrong_shape", "expected"),
    [(False, False, (1, 1, 1)), (True, False, (0, 1, 0)), (False, True, (1, 0, 0))],
)
def test_accuracy_of_a_model_that_errs_on_purpose(wrong_color, wrong_shape, expected):
    """Catches colour and shape exchanged, and a joint accuracy that is their mean."""
    scenes = museum.museum_eval_v1().withheld
    result = clip_museum.accuracy(Oracle(scenes, wrong_color, wrong_shape), scenes)
    assert tuple(result[key] for key in ("colour", "shape", "joint")) == expected


def test_the_black_twin_is_measured_on_black_pictures():
    scenes = museum.museum_eval_v1().withheld
    oracle = Oracle(scenes)
    result = clip_museum.accuracy(oracle, scenes, black=True)
    assert not np.concatenate(oracle.seen).any()
    # It says "red circle" of all: one of the ten withheld pairs; two of them are red.
    assert (result["joint"], result["colour"], result["shape"]) == (0.1, 0.2, 0.2)


def test_labels_are_the_48_pairs_in_order():
    assert [" ".join(pair) for pair in museum.PAIRS] == LABELS
    assert len(set(LABELS)) == 48


def test_search_by_sentence():
    frozen = museum.museum_eval_v1()
    scenes = (*frozen.withheld, *frozen.seen)
    best = clip_museum.retrieval(Oracle(scenes), frozen)
    assert best == {"R@1": 1.0, "R@5": 1.0, "median_rank": 1.0}
    oracle = Oracle(scenes)
    black = clip_museum.retrieval(oracle, frozen, black=True)
    pictures = np.concatenate(oracle.seen)
    assert len(pictures) == 480  # ten of each pair
    assert not pictures.any()
    # All pictures have one score, and a tie counts against us: behind the 470 wrong ones.
    assert black == {"R@1": 0.0, "R@5": 0.0, "median_rank": 471.0}
