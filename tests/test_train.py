"""fit: it learns, logs, stops when numbers end, and goes on after a kill as if nothing had been."""

import csv
import errno
import os
import signal
import subprocess
import sys
import time
import warnings
from dataclasses import replace

import numpy as np
import pytest

from tinyvlm import checkpoint, optim, train
from tinyvlm.errors import InputError
from tinyvlm.nn import functional as F
from tinyvlm.nn.layers import Dropout, Linear
from tinyvlm.nn.module import Module, Parameter
from tinyvlm.tensor import Tensor
from tinyvlm.train import DivergedError, Recipe, Run, fit

RECIPE = Recipe(steps=12, batch_size=8, lr=0.03, warmup=3, save_every=5)
ABOUT = {"kind": "regression", "words": ["a", "b"]}


class Regression(Module):
    """Two layers with dropout between them: what is random in a step matters."""

    def __init__(self, seed=0):
        rng = np.random.default_rng(seed)
        self.first = Linear(3, 8, rng)
        self.dropout = Dropout(0.2)
        self.second = Linear(8, 1, rng)

    def forward(self, x):
        return self.second(self.dropout(F.relu(self.first(x))))


def draw(step, rng, size=8):
    x = rng.normal(size=(size, 3)).astype(np.float32)
    return x, np.abs(x).sum(axis=1, keepdims=True)


def squared_error(model):
    def loss_of(batch):
        x, y = batch
        return ((model(Tensor(x)) - Tensor(y)) ** 2).mean()

    return loss_of


def fitted(recipe=RECIPE, model=None, **options):
    model = model or Regression()
    return model, fit(model, recipe, draw, squared_error(model), **options)


@pytest.fixture
def run(tmp_path):
    return Run(tmp_path / "run", ABOUT)


def rows_of(run):
    with open(run.log, newline="") as file:
        return list(csv.DictReader(file))


def assert_same_bits(a, b):
    for name, array in a.state_dict().items():
        assert array.tobytes() == b.state_dict()[name].tobytes(), name


class Stopped(Exception):
    pass


def stop_after(last):
    def after_step(step):
        if step == last:
            raise Stopped

    return after_step


# Learning


def test_it_learns():
    model, history = fitted(replace(RECIPE, steps=300, lr=0.02))
    assert len(history.losses) == len(history.seconds) == 300
    assert np.mean(history.losses[-20:]) < 0.2 * np.mean(history.losses[:20])
    assert not model.training
    assert history.seconds == sorted(history.seconds)


def test_the_seed_decides_everything():
    (a, one), (b, two) = fitted(), fitted()
    assert one.losses == two.losses
    assert_same_bits(a, b)
    _, other = fitted(replace(RECIPE, seed=1))
    assert one.losses[0] != other.losses[0]


def test_each_step_and_each_part_has_its_own_generator():
    """Catches the same batch twice, and dropout that repeats itself."""
    batches = []

    steps = []

    def remember(step, rng):
        steps.append(step)
        batches.append(draw(step, rng))
        return batches[-1]

    model = Regression()
    fit(model, replace(RECIPE, steps=3, accumulate=2), remember, squared_error(model))
    assert steps == [0, 0, 1, 1, 2, 2]
    assert len({x.tobytes() for x, _ in batches}) == 6
    expected = [
        draw(step, np.random.default_rng(np.random.SeedSequence([0, step, part])))[0]
        for step in range(3)
        for part in range(2)
    ]
    for (x, _), y in zip(batches, expected, strict=True):
        np.testing.assert_array_equal(x, y)


def test_it_is_adamw_with_the_schedule_and_clipping():
    """The same loop written out. Catches a rate of the step before, clipping after the step, and a
    gradient that is not cleared."""
    recipe = replace(RECIPE, clip=0.5, weight_decay=0.3)
    got, history = fitted(recipe)
    model = Regression()
    optimizer = optim.AdamW(optim.decay_groups(model, 0.3), 1.0)
    losses = []
    for step in range(recipe.steps):
        rng = np.random.default_rng(np.random.SeedSequence([0, step, 0]))
        x, y = draw(step, rng)
        model.set_generator(rng)
        model.zero_grad()
        loss = ((model(Tensor(x)) - Tensor(y)) ** 2).mean()
        loss.backward()
        losses.append(loss.item())
        gradients = [p.grad for p in model.parameters()]
        length = np.sqrt(sum(np.sum(g.astype(np.float64) ** 2) for g in gradients))
        for g in gradients:
            g *= min(1.0, 0.5 / length)
        optimizer.lr = optim.warmup_cosine(step, recipe.steps, recipe.lr, recipe.warmup)
        optimizer.step()
    assert history.losses == pytest.approx(losses, rel=1e-5)
    for name, array in model.state_dict().items():
        np.testing.assert_allclose(got.state_dict()[name], array, rtol=1e-4, atol=1e-6)


def test_accumulated_gradients_are_those_of_the_bigger_batch():
    """Catches a sum where the mean belongs, and gradients cleared between the parts."""
    x, y = draw(0, np.random.default_rng(0), 12)
    results = []
    for parts in (1, 3):
        pieces = iter(zip(np.split(x, parts), np.split(y, parts), strict=True))
        model = Regression()
        model.dropout.p = 0.0
        optimizer = optim.SGD(optim.decay_groups(model, 0.0), 0.1)
        loss_of = squared_error(model)
        recipe = Recipe(steps=1, accumulate=parts, clip=1e9)
        loss, norm = train.train_step(
            model, optimizer, recipe, 0, lambda *_, pieces=pieces: next(pieces), loss_of
        )
        results.append((loss, norm, model.state_dict()))
    (loss, norm, weights), (loss3, norm3, weights3) = results
    assert (loss3, norm3) == pytest.approx((loss, norm), rel=1e-6)
    for name, array in weights.items():
        np.testing.assert_allclose(weights3[name], array, rtol=1e-5, atol=1e-7)


def test_a_model_that_clamps_is_clamped_after_each_step():
    class Clamped(Regression):
        clamps = 0

        def clamp(self):
            self.clamps += 1
            self.second.bias.data.clip(max=0.0, out=self.second.bias.data)

    model, _ = fitted(model=Clamped())
    assert model.clamps == 12
    assert np.all(model.second.bias.data <= 0)


def test_after_step_is_told_how_many_are_done():
    seen = []
    fitted(after_step=seen.append)
    assert seen == list(range(1, 13))


# The log


def test_the_log_has_one_row_a_step(run):
    _, history = fitted(run=run)
    assert run.log.read_text().splitlines()[0] == ",".join(train.LOG_COLUMNS)
    rows = rows_of(run)
    assert [int(row["step"]) for row in rows] == list(range(1, 13))
    assert [float(row["loss"]) for row in rows] == history.losses
    rates = [optim.warmup_cosine(step, 12, 0.03, 3) for step in range(12)]
    assert [float(row["lr"]) for row in rows] == pytest.approx(rates, rel=1e-5)
    assert all(float(row["grad_norm"]) > 0 for row in rows)
    assert all(float(row["examples_per_second"]) > 0 for row in rows)
    assert b"\r" not in run.log.read_bytes()


def test_a_row_is_on_the_disk_when_its_step_is_done(run):
    """What a kill leaves is all that was done."""
    seen = []
    fitted(run=run, after_step=lambda step: seen.append(len(rows_of(run)) == step))
    assert seen == [True] * 12


def test_a_fresh_run_starts_a_fresh_log(run):
    fitted(run=run)
    fitted(run=run)
    assert len(rows_of(run)) == 12


# Checkpoints and resuming


def test_checkpoints_are_written_on_time(run):
    steps = []

    def look(step):
        if run.checkpoint.exists():
            steps.append((step, checkpoint.load(run.checkpoint)[1]["step"]))

    fitted(run=run, after_step=look)
    assert steps == [(s, 5) for s in range(5, 10)] + [(10, 10), (11, 10), (12, 12)]
    arrays, about = checkpoint.load(run.checkpoint)
    assert about["words"] == ["a", "b"]
    assert about["recipe"]["steps"] == 12
    assert about["environment"]["numpy"] == np.__version__
    names = dict(Regression().named_parameters())
    assert {f"model.{name}" for name in names} <= set(arrays)
    assert {f"optimizer.{slot}.{name}" for name in names for slot in "mv"} <= set(arrays)


@pytest.mark.parametrize("last", [5, 7, 11])
def test_a_resumed_run_has_the_same_bits(run, tmp_path, last):
    """Catches a state that is not saved (moments, step count, generator) and steps done twice."""
    whole = Run(tmp_path / "whole", ABOUT)
    model, history = fitted(run=whole)
    with pytest.raises(Stopped):
        fitted(run=run, after_step=stop_after(last))
    resumed, again = fitted(model=Regression(seed=9), run=run, resume=True)
    assert again.losses == history.losses
    assert again.seconds == sorted(again.seconds)
    assert_same_bits(model, resumed)
    for column in ("step", "loss", "lr", "grad_norm"):
        assert [r[column] for r in rows_of(run)] == [r[column] for r in rows_of(whole)]
    assert b"\r" not in run.log.read_bytes()


def test_resuming_a_finished_run_changes_nothing(run):
    model, history = fitted(run=run)
    before = run.checkpoint.read_bytes(), run.log.read_bytes()
    resumed, again = fitted(model=Regression(seed=9), run=run, resume=True)
    assert again == history
    assert_same_bits(model, resumed)
    assert not resumed.training
    assert before == (run.checkpoint.read_bytes(), run.log.read_bytes())


def test_a_lost_log_is_begun_again_with_its_header(run):
    with pytest.raises(Stopped):
        fitted(run=run, after_step=stop_after(7))
    run.log.unlink()
    fitted(run=run, resume=True)
    assert [row["step"] for row in rows_of(run)] == [str(step) for step in range(6, 13)]


PROGRAM = """
import os, signal, sys, time
from functools import partial
from pathlib import Path
from tinyvlm import train
from tinyvlm.blocks.vit import ViTConfig
from tinyvlm.recipes import clip_museum

folder, mode = Path(sys.argv[1]), sys.argv[2]
clip_museum.ViTConfig = partial(ViTConfig, width=16, depth=1, heads=2, mlp_width=16)
clip_museum.Recipe = partial(train.Recipe, batch_size=8, save_every=4, warmup=5)
data = clip_museum.TrainingSet(0, count=60)

def after_step(model, step):
    if mode == "first" and step == 7:  # wait for the kill
        time.sleep(60)

if mode == "second":  # dies in the middle of writing the checkpoint of step 8
    train.checkpoint.os.replace = lambda *_: os.kill(os.getpid(), signal.SIGKILL)
    train.Run.cut_log = lambda *_: None
run = train.Run(folder, clip_museum.about(clip_museum.build(0)))
resume = mode in ("second", "third")
clip_museum.train(data, 10, threads=2, run=run, resume=resume, after_step=after_step)
"""


def start(folder, mode):
    command = [sys.executable, "-c", PROGRAM, str(folder), mode]
    return subprocess.Popen(command, stderr=subprocess.PIPE, text=True)


def finish(process, code):
    _, errors = process.communicate(timeout=60)
    assert process.returncode == code, errors


@pytest.mark.skipif(not hasattr(signal, "SIGKILL"), reason="Windows has no SIGKILL")
def test_a_killed_clip_continues_bit_for_bit(tmp_path):
    """A CLIP in two threads is killed after step 7, then again while it writes the checkpoint of
    step 8, and at last runs through: weights, moments, losses and log are those of one that ran in
    one go."""
    straight = start(tmp_path / "straight", "straight")
    killed = Run(tmp_path / "killed", {})
    first = start(killed.folder, "first")
    for _ in range(600):
        if killed.log.exists() and len(killed.log.read_text().splitlines()) >= 8:
            break
        time.sleep(0.05)
    first.kill()
    finish(first, -signal.SIGKILL)
    assert len(rows_of(killed)) == 7
    assert checkpoint.load(killed.checkpoint)[1]["step"] == 4

    finish(start(killed.folder, "second"), -signal.SIGKILL)
    assert checkpoint.load(killed.checkpoint)[1]["step"] == 4

    finish(start(killed.folder, "third"), 0)
    finish(straight, 0)
    uninterrupted = Run(tmp_path / "straight", {})
    want, about = checkpoint.load(uninterrupted.checkpoint)
    got, resumed_about = checkpoint.load(killed.checkpoint)
    assert about == resumed_about
    assert set(want) == set(got)
    for name, array in want.items():
        if name != "history.seconds":
            assert array.tobytes() == got[name].tobytes(), name
    for column in ("step", "loss", "lr", "grad_norm"):
        wanted = [row[column] for row in rows_of(uninterrupted)]
        assert [row[column] for row in rows_of(killed)] == wanted
    assert [row["step"] for row in rows_of(killed)] == [str(step) for step in range(1, 11)]


# Resumes that are refused, or warned about


@pytest.fixture
def half(run):
    """A run that was stopped after 7 of 12 steps."""
    with pytest.raises(Stopped):
        fitted(run=run, after_step=stop_after(7))
    return run


CHANGES = {
    "steps": 13,
    "batch_size": 9,
    "accumulate": 2,
    "optimizer": "muon",
    "lr": 0.031,
    "warmup": 4,
    "weight_decay": 0.02,
    "clip": 2.0,
    "lr_scale": {"first.": 0.5},
    "seed": 1,
    "save_every": 6,
}


@pytest.mark.parametrize("name", [*CHANGES])
def test_another_recipe_is_refused(half, name):
    before = half.checkpoint.read_bytes(), half.log.read_bytes()
    with pytest.raises(InputError) as error:
        fitted(replace(RECIPE, **{name: CHANGES[name]}), run=half, resume=True)
    old = getattr(RECIPE, name)
    assert f"{half.checkpoint} was made with {name}={old}, not {CHANGES[name]}" in str(error.value)
    assert before == (half.checkpoint.read_bytes(), half.log.read_bytes())


def test_every_setting_of_a_recipe_was_tried():
    assert set(CHANGES) == set(Recipe.__dataclass_fields__)


@pytest.mark.parametrize("about", [ABOUT | {"words": ["a", "c"]}, ABOUT | {"new": 1}])
def test_other_data_is_refused(half, about):
    """Catches a run that goes on with other words under the same ids."""
    (name,) = (key for key, value in about.items() if ABOUT.get(key) != value)
    with pytest.raises(InputError, match=f"was made with another {name}; resume with the same"):
        fitted(run=Run(half.folder, about), resume=True)


def test_a_tuple_is_what_json_makes_of_it(half):
    fitted(run=Run(half.folder, ABOUT | {"words": ("a", "b")}), resume=True)


def test_another_model_is_refused(half):
    model = Regression()
    model.second = Linear(8, 2, np.random.default_rng(0))
    with pytest.raises(InputError, match=r"does not fit this run .*start again without") as error:
        fitted(model=model, run=half, resume=True)
    assert "second.weight is (8, 1) where (8, 2) is needed" in str(error.value)


def test_weights_alone_cannot_be_resumed(run):
    arrays = {f"model.{name}": array for name, array in Regression().state_dict().items()}
    checkpoint.save(run.checkpoint, arrays, ABOUT)
    with pytest.raises(InputError, match="no state of training to resume"):
        fitted(run=run, resume=True)


@pytest.mark.parametrize("name", ["recipe", "environment", "step", "history.losses"])
def test_a_checkpoint_with_a_hole_is_refused(half, name):
    arrays, about = checkpoint.load(half.checkpoint)
    arrays.pop(name, None)
    about.pop(name, None)
    checkpoint.save(half.checkpoint, arrays, about)
    with pytest.raises(InputError, match="start again without --resume"):
        fitted(run=half, resume=True)


def test_nothing_to_resume(run):
    with pytest.raises(InputError, match="no checkpoint at"):
        fitted(run=run, resume=True)
    assert not run.folder.exists()


@pytest.mark.parametrize(
    ("name", "value"),
    [("numpy", "1.0"), ("blas", ["other 1.2"]), ("blas_threads", [77]), ("threads", 3)],
)
def test_another_environment_warns(half, monkeypatch, name, value):
    environment = train.environment
    monkeypatch.setattr(train, "environment", lambda n: environment(n) | {name: value})
    with pytest.warns(UserWarning, match=f"resumed with another {name}: the numbers may differ"):
        fitted(run=half, resume=True)


def test_the_threads_are_remembered(half):
    with pytest.warns(UserWarning, match="resumed with another threads"):
        fitted(run=half, resume=True, threads=2)


def test_the_same_environment_does_not_warn(half):
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        fitted(run=half, resume=True)


# When numbers end


def spoil(model, at, how):
    """loss_of whose loss is damaged in step `at` (from 1)."""
    calls = []
    loss_of = squared_error(model)

    def spoiled(batch):
        calls.append(batch)
        loss = loss_of(batch)
        return how(loss) if len(calls) == at else loss

    return spoiled


def times_nan(loss):
    return loss * float("nan")


@pytest.mark.parametrize("bad", [float("nan"), float("inf"), -float("inf")])
def test_a_loss_that_is_no_number_stops(run, bad):
    model = Regression()
    loss_of = spoil(model, 8, lambda loss: loss * bad)
    kept = {}

    def keep(step):
        kept[step] = {name: array.copy() for name, array in model.state_dict().items()}

    with pytest.raises(DivergedError) as error, np.errstate(all="ignore"):
        fit(model, RECIPE, draw, loss_of, run=run, after_step=keep)
    message = str(error.value)
    assert message.startswith("training stopped at step 8: the loss is ")
    assert "the first gradient that is not finite is that of first.weight" in message
    assert "the last checkpoint is kept" in message
    assert "\n" not in message
    assert isinstance(error.value, InputError)  # the command line prints it and exits with 2
    assert checkpoint.load(run.checkpoint)[1]["step"] == 5
    assert len(rows_of(run)) == 7
    for name, array in model.state_dict().items():  # the bad step moved nothing
        np.testing.assert_array_equal(array, kept[7][name])


def test_the_first_parameter_to_blame_is_named(run):
    """A gradient that is no number under a loss that is one: the square root's slope at 0."""
    model = Regression()
    with pytest.raises(DivergedError, match=r"that of second\.weight") as error:
        loss_of = spoil(model, 6, lambda loss: loss + (model.second.weight * 0.0).sum() ** 0.5)
        with np.errstate(all="ignore"):
            fit(model, RECIPE, draw, loss_of, run=run)
    assert "at step 6: the loss is" in str(error.value)
    assert "the loss is nan" not in str(error.value)


def test_a_weight_that_is_no_number_is_named():
    model = Regression()
    model.first.bias.data[2] = np.inf
    message = r"the first value that is not finite is that of first\.bias"
    with pytest.raises(DivergedError, match=message), np.errstate(all="ignore"):
        fitted(model=model)


def test_the_old_checkpoint_is_byte_for_byte_what_it_was(half):
    before = half.checkpoint.read_bytes()
    model = Regression()
    with pytest.raises(DivergedError, match="at step 7"):
        loss_of = spoil(model, 2, times_nan)  # resumed at step 6
        fit(model, RECIPE, draw, loss_of, run=half, resume=True)
    assert half.checkpoint.read_bytes() == before
    assert sorted(os.listdir(half.folder)) == ["checkpoint.safetensors", "log.csv"]
    _, history = fitted(run=half, resume=True)  # and it can be used
    assert len(history.losses) == 12


# When the disk ends


def test_a_full_disk_while_saving_keeps_the_old_checkpoint(half, monkeypatch):
    before = half.checkpoint.read_bytes()

    def refuse(_):
        raise OSError(errno.ENOSPC, "No space left on device")

    with monkeypatch.context() as patch, pytest.raises(InputError, match="No space left"):
        patch.setattr(checkpoint.os, "fsync", refuse)
        fitted(run=half, resume=True)
    assert half.checkpoint.read_bytes() == before
    assert sorted(os.listdir(half.folder)) == ["checkpoint.safetensors", "log.csv"]


FULL = """
import resource, sys
from pathlib import Path
sys.path.insert(0, sys.argv[2])
import test_train
from tinyvlm.errors import InputError

run = test_train.Run(Path(sys.argv[1]), test_train.ABOUT)
limit = int(sys.argv[3])
resource.setrlimit(resource.RLIMIT_FSIZE, (limit, limit))  # no file may grow beyond it
try:
    test_train.fitted(run=run)
except InputError as error:
    sys.exit(f"refused: {error}")
"""


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no limit on the size of a file")
@pytest.mark.parametrize(("limit", "file"), [(2000, "checkpoint.safetensors"), (200, "log.csv")])
def test_a_disk_that_is_really_full(half, limit, file):
    """The system itself refuses to write: the checkpoint of step 5, or the log at step 3 or 4."""
    before = half.checkpoint.read_bytes()
    assert len(before) > 2000
    folder = os.path.dirname(__file__)
    command = [sys.executable, "-c", FULL, str(half.folder), folder, str(limit)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60)
    assert f"refused: could not write {half.folder / file}: File too large" in done.stderr
    assert "Traceback" not in done.stderr
    assert half.checkpoint.read_bytes() == before
    assert sorted(os.listdir(half.folder)) == ["checkpoint.safetensors", "log.csv"]


def test_a_run_folder_that_cannot_be_made(tmp_path):
    """Said before the first step, not after the last."""
    (tmp_path / "file").write_text("no folder")
    steps = []
    for folder in (tmp_path / "file", tmp_path / "file" / "below"):
        with pytest.raises(InputError, match="could not write") as error:
            fitted(run=Run(folder, ABOUT), after_step=steps.append)
        assert str(folder) in str(error.value)
    assert steps == []


@pytest.mark.skipif(not hasattr(os, "geteuid") or os.geteuid() == 0, reason="root may write")
def test_a_run_folder_without_permission(tmp_path):
    tmp_path.chmod(0o500)
    try:
        with pytest.raises(InputError, match=r"could not write .*Permission denied"):
            fitted(run=Run(tmp_path / "run", ABOUT))
    finally:
        tmp_path.chmod(0o700)


def test_frozen_parameters_keep_their_bytes(run):
    model = Regression()
    model.first.freeze()
    before = model.first.weight.data.tobytes()
    fitted(model=model, run=run)
    assert model.first.weight.data.tobytes() == before
    assert not [name for name in checkpoint.load(run.checkpoint)[0] if "optimizer.m.first" in name]


def test_a_parameter_without_gradient_is_no_reason_to_stop():
    class Spare(Regression):
        def __init__(self):
            super().__init__()
            self.unused = Parameter(np.ones(2, np.float32))

    model, _ = fitted(model=Spare())
    np.testing.assert_array_equal(model.unused.data, [1, 1])


def test_a_resume_does_not_take_an_older_runs_checkpoint(tmp_path):
    """Catches a run that was started anew and killed early, and then "resumed" from its elder."""
    run = Run(tmp_path, {"kind": "toy"})
    run.log.write_text("step\n1\n2\n")
    with pytest.raises(InputError, match="stopped after 2 steps; start again without --resume"):
        run.cut_log(20)
    run.cut_log(1)
    assert run.log.read_text() == "step\n1\n"
