"""The guide's two stages: the tower is handed on, and a resume goes on to the bit."""

import numpy as np
import pytest

from tinyvlm.errors import InputError
from tinyvlm.recipes import guide, guide_data, guide_texts, guide_tower
from tinyvlm.recipes.guide_data import QUESTIONS, TrainingSet
from tinyvlm.tensor import Tensor
from tinyvlm.train import Run


@pytest.fixture(scope="module")
def data():
    return TrainingSet(seed=0, count=30)


def rng(seed=0):
    return np.random.default_rng(seed)


def assert_same_weights(a, b):
    b = b.state_dict()
    for name, array in a.state_dict().items():
        np.testing.assert_array_equal(b[name], array, err_msg=name)


def test_the_loss_of_each_text(data):
    """The mean over all texts is what is trained, and rows are independent."""
    model, batch = guide.build(0), data.batch(3, 0.5, rng())
    found = guide.losses(model, batch, np.arange(3)).data
    assert found.shape == (3, QUESTIONS + 2)
    np.testing.assert_allclose(
        guide.losses(model, batch, np.array([2])).data, found[2:], rtol=1e-4, atol=1e-4
    )


def test_the_tower_is_handed_on():
    tower = guide_tower.build(3)
    assert_same_weights(tower.vision, guide.build(0, tower).vision)


def test_the_tower_learns_slower(data):
    """Catches a lr_scale that names no parameter."""
    before, (after, _) = guide.build(0), guide.train(data, None, 1, batch_size=2, threads=1)
    moved = {
        part: np.abs(
            getattr(after, part).state_dict()[name] - getattr(before, part).state_dict()[name]
        ).max()
        for part, name in (("vision", "position"), ("projector", "linear.weight"))
    }
    assert moved["vision"] == pytest.approx(0.3 * moved["projector"], rel=0.01)


def test_the_causal_twin_has_the_same_weights(data):
    twins = [guide.build(0, causal=causal) for causal in (False, True)]
    assert_same_weights(*twins)
    ids, suffix = data.batch(2, 0.5, rng()).short
    z = twins[0].encode_image(Tensor(np.zeros((2, 3, 48, 48), np.float32)))
    logits = [twin.read(z, ids, suffix).data for twin in twins]
    assert np.abs(logits[0] - logits[1]).max() > 1e-3


STAGES = {
    "tower": (lambda data, **options: guide_tower.train(data, 4, **options), "TOWER_SHARES"),
    "guide": (lambda data, **options: guide.train(data, None, 4, **options), "SHARES"),
}


@pytest.mark.parametrize("stage", STAGES)
def test_a_resumed_run_gives_the_same_bits(data, tmp_path, monkeypatch, stage):
    """Stopped after two of four steps. Catches pictures that are those of a first step again."""
    train, name = STAGES[stage]
    expected = [guide_data.at(step / 4, getattr(guide_data, name)) for step in range(4)]
    asked = []
    choose = TrainingSet.choose

    def spy(self, size, shares, rng):
        asked.append(tuple(shares))
        return choose(self, size, shares, rng)

    monkeypatch.setattr(TrainingSet, "choose", spy)
    options = {"batch_size": 2, "threads": 2}
    whole, history = train(data, **options)
    assert asked == expected
    assert len(history.losses) == 4
    assert np.isfinite(history.losses).all()

    run = Run(tmp_path / "run", {"kind": "test"})

    def stop(self, *args):
        if run.checkpoint.exists():
            raise KeyboardInterrupt
        return choose(self, *args)

    save_often(monkeypatch)
    monkeypatch.setattr(TrainingSet, "choose", stop)
    with pytest.raises(KeyboardInterrupt):
        train(data, run=run, **options)
    monkeypatch.setattr(TrainingSet, "choose", spy)
    asked.clear()
    resumed, again = train(data, run=run, resume=True, **options)
    assert asked == expected[2:]
    assert again.losses == history.losses
    assert_same_weights(whole, resumed)


def save_often(monkeypatch):
    for stage in (guide, guide_tower):
        recipe = stage.Recipe
        monkeypatch.setattr(
            stage, "Recipe", lambda recipe=recipe, **fields: recipe(**fields, save_every=2)
        )


@pytest.mark.parametrize("stopped_at", [3, 7])
def test_both_stages_go_on_where_they_stopped(data, tmp_path, monkeypatch, stopped_at):
    """Stopped in the first stage (steps 1 to 4) or in the second (5 to 8)."""
    save_often(monkeypatch)
    whole, _ = guide.make(data, tmp_path / "whole", 4, 4, threads=1)
    choose, drawn = TrainingSet.choose, []

    def stop(self, *args):
        drawn.append(args)
        if len(drawn) == stopped_at:
            raise KeyboardInterrupt
        return choose(self, *args)

    monkeypatch.setattr(TrainingSet, "choose", stop)
    with pytest.raises(KeyboardInterrupt):
        guide.make(data, tmp_path / "part", 4, 4, threads=1)
    again, seconds = guide.make(data, tmp_path / "part", 4, 4, threads=1, resume=True)
    assert_same_weights(whole, again)
    assert seconds > 0
    assert len(drawn) == 1 + 8  # the batch it was stopped in is drawn again, no other one


def test_a_run_that_is_not_there_can_not_be_resumed(data, tmp_path):
    with pytest.raises(InputError, match="no checkpoint"):
        guide.train(data, None, 2, run=Run(tmp_path, {}), resume=True)


def test_what_its_checkpoint_says():
    said = guide.about(guide.build(0))
    assert said["kind"] == "paligemma"
    assert said["config"]["language"]["vocab_size"] == guide_texts.tokenizer().vocab_size
    assert said["bins"] == 49
