"""The guide's recipe: texts that are true, batches that get harder, a resume to the bit."""

import numpy as np
import pytest

from tinyvlm.datasets import museum
from tinyvlm.errors import InputError
from tinyvlm.recipes import guide, guide_texts
from tinyvlm.text.locations import decode_detections, to_xywh
from tinyvlm.train import Run

SCENES = list(museum.Museum(museum.SEVERAL_OBJECTS).scenes(60))
WORDS = guide_texts.tokenizer()


@pytest.fixture(scope="module")
def data():
    return guide.TrainingSet(seed=0, count=30)


def rng(seed=0):
    return np.random.default_rng(seed)


# What it is taught to say


def all_texts():
    for i, scene in enumerate(SCENES):
        yield from guide_texts.questions(scene, 9, rng(i))
        yield guide_texts.caption(scene)
        yield guide_texts.detection(scene, rng(i))


def test_every_word_is_known():
    for text in all_texts():
        assert not WORDS.unknown(text.prompt), text
        assert not WORDS.unknown(text.answer), text


def test_every_word_is_met_in_training():
    """Else a word that the guide never read would not be named as unknown. Only the two outermost
    places are rarer than that."""
    met = {
        word
        for text in training_texts()
        for words in (text.prompt, text.answer)
        for word in WORDS.encode(words)
    }
    special = {WORDS.pad_id, WORDS.bos_id, WORDS.eos_id, WORDS.encode("zebra")[0]}
    edge = {*WORDS.encode("<loc0000>"), *WORDS.encode("<loc0048>")}
    assert set(range(WORDS.vocab_size)) - met <= special | edge


def training_texts():
    for i, scene in enumerate(museum.Museum(museum.SEVERAL_OBJECTS).scenes(300)):
        yield from guide_texts.questions(scene, 12, rng(i))
        yield guide_texts.caption(scene)
        for k in range(3):
            yield guide_texts.detection(scene, rng([i, k]))


def test_as_many_questions_as_asked_for():
    """Whatever a scene allows; catches a scene of one object that is asked for relations."""
    for scene in SCENES:
        texts = guide_texts.questions(scene, 9, rng())
        assert len(texts) == 9
        assert all(text.prompt.startswith("answer en ") and text.answer for text in texts)


def test_how_often_a_form_is_asked():
    scene = next(scene for scene in SCENES if len(scene.objects) == 3 and len(scene.relations) == 6)
    texts = guide_texts.questions(scene, 3000, rng())
    often = {
        form: sum(word in text.prompt for text in texts) / len(texts)
        for form, word in (("how many", "how many objects"), ("relation 4-way", "relative to"))
    }
    assert often["relation 4-way"] == pytest.approx(4 * often["how many"], rel=0.35)


def test_captions_are_true_and_name_every_object_from_left_to_right():
    for scene in SCENES:
        said = guide_texts.caption(scene).answer
        facts = museum.parse(said)
        assert facts is not None
        assert museum.is_true(facts, scene)
        order = [f"{o.color} {o.shape}" for o in sorted(scene.objects, key=lambda o: o.x)]
        places = [said.index(name) for name in order]
        assert places == sorted(places)
        assert len(facts) == len(scene.objects)


@pytest.mark.parametrize("seed", range(3))
def test_detections_are_all_there_is_of_the_thing(seed):
    """To half a pixel, from left to right; nothing where there is nothing."""
    empty = 0
    for scene in SCENES:
        text = guide_texts.detection(scene, rng([seed, scene.index]))
        name = text.prompt.removeprefix("detect ")
        words = name.split()
        color = next((w for w in words if w in museum.COLORS), None)
        shape = next((w for w in words if w in museum.SHAPES), None)
        wanted = [
            box
            for box, thing in zip(museum.boxes(scene), scene.objects, strict=True)
            if color in (None, thing.color) and shape in (None, thing.shape)
        ]
        found = decode_detections(text.answer, guide_texts.BINS)
        assert [d.label for d in found] == [name] * len(wanted)
        size = (scene.size_px, scene.size_px)
        wanted = np.array(sorted(wanted, key=lambda box: box[0])).reshape(-1, 4)
        np.testing.assert_allclose(to_xywh(found, size), wanted, rtol=0, atol=1.0001)
        if not found:
            empty += 1
            assert (color, shape) not in museum.WITHHELD
            assert any((color == t.color) != (shape == t.shape) for t in scene.objects)
    assert 3 <= empty <= 25


# Batches


def test_shares_change_on_the_way():
    assert [guide.at_step(step, 100, guide.SHARES)[2] for step in (0, 19, 20, 44, 45, 99)] == [
        0.0,
        0.0,
        0.15,
        0.15,
        0.5,
        0.5,
    ]
    for shares in (guide.SHARES, guide.TOWER_SHARES):
        for _, share in shares:
            assert sum(share) == pytest.approx(1)


def test_pictures_are_chosen_by_their_number_of_objects(data):
    numbers = np.array([len(scene.objects) for scene in data.scenes])
    chosen = numbers[data.choose(400, (0.25, 0.75, 0.0), rng())]
    assert set(chosen) == {1, 2}
    assert np.mean(chosen == 1) == pytest.approx(0.25, abs=0.1)


def test_a_batch_is_about_its_pictures(data):
    batch = data.batch(4, (0.4, 0.3, 0.3), rng())
    assert batch.pictures.shape == (4, 48, 48, 3)
    assert batch.short[0].shape[0] == 4 * guide.QUESTIONS
    assert batch.long[0].shape[0] == 4
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
        prompt, answer = WORDS.decode(ids[i][~suffix[i]]), WORDS.decode(ids[i][suffix[i]])
        if prompt == "caption en":
            assert museum.is_true(museum.parse(answer), scene)
        else:
            assert prompt.startswith("detect ")
            assert len(decode_detections(answer, guide_texts.BINS)) <= len(scene.objects)


def test_a_black_picture_keeps_its_texts():
    black, seen = (guide.TrainingSet(0, control, count=10) for control in ("black", None))
    assert not black.pictures.any()
    a, b = (data.batch(3, (1.0,), rng()) for data in (black, seen))
    np.testing.assert_array_equal(a.short[0], b.short[0])


# Training


def test_the_loss_of_each_text(data):
    """The mean over all texts is what is trained, and rows are independent."""
    model, batch = guide.build(0), data.batch(3, (0.4, 0.3, 0.3), rng())
    found = guide.losses(model, batch, np.arange(3)).data
    assert found.shape == (3, guide.QUESTIONS + 1)
    np.testing.assert_allclose(
        guide.losses(model, batch, np.array([2])).data, found[2:], rtol=1e-4, atol=1e-4
    )


def test_the_tower_is_handed_on():
    tower = guide.build_tower(3)
    model = guide.build(0, tower)
    for name, array in tower.vision.state_dict().items():
        np.testing.assert_array_equal(model.vision.state_dict()[name], array)


STAGES = {
    "tower": (lambda data, **options: guide.train_tower(data, 4, **options), guide.TOWER_SHARES),
    "guide": (lambda data, **options: guide.train(data, None, 4, **options), guide.SHARES),
}


@pytest.mark.parametrize("stage", STAGES)
def test_a_resumed_run_gives_the_same_bits(data, tmp_path, monkeypatch, stage):
    """Stopped after two of four steps. Catches pictures that are those of a first step again."""
    train, shares = STAGES[stage]
    asked = []
    choose = guide.TrainingSet.choose

    def spy(self, size, shares, rng):
        asked.append(tuple(shares))
        return choose(self, size, shares, rng)

    monkeypatch.setattr(guide.TrainingSet, "choose", spy)
    options = {"batch_size": 2, "threads": 2}
    whole, history = train(data, **options)
    assert asked == [guide.at_step(step, 4, shares) for step in range(4)]
    assert len(history.losses) == 4
    assert np.isfinite(history.losses).all()

    run = Run(tmp_path / "run", {"kind": "test"})

    def stop(self, *args):
        if run.checkpoint.exists():
            raise KeyboardInterrupt
        return choose(self, *args)

    save = guide.Recipe
    monkeypatch.setattr(guide, "Recipe", lambda **fields: save(**fields, save_every=2))
    monkeypatch.setattr(guide.TrainingSet, "choose", stop)
    with pytest.raises(KeyboardInterrupt):
        train(data, run=run, **options)
    monkeypatch.setattr(guide.TrainingSet, "choose", spy)
    asked.clear()
    resumed, again = train(data, run=run, resume=True, **options)
    assert asked == [guide.at_step(step, 4, shares) for step in (2, 3)]
    assert again.losses == history.losses
    for name, array in whole.state_dict().items():
        np.testing.assert_array_equal(resumed.state_dict()[name], array)


def test_a_run_that_is_not_there_can_not_be_resumed(data, tmp_path):
    with pytest.raises(InputError, match="no checkpoint"):
        guide.train(data, None, 2, run=Run(tmp_path, {}), resume=True)


def test_what_its_checkpoint_says():
    said = guide.about(guide.build(0))
    assert said["kind"] == "paligemma"
    assert said["config"]["language"]["vocab_size"] == WORDS.vocab_size
    assert said["bins"] == 49
