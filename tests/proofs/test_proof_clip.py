"""The proofs of CLIP, in small: all variants, one row each, and what is left when one is killed."""

import os
from dataclasses import replace
from functools import partial

import numpy as np
import pytest
from PIL import Image

from tinyvlm.blocks.vit import ViTConfig
from tinyvlm.cli import main
from tinyvlm.datasets import museum
from tinyvlm.errors import InputError
from tinyvlm.proofs import clip, clip_folder, record
from tinyvlm.recipes import clip_folder as folder_recipe
from tinyvlm.recipes import clip_museum
from tinyvlm.train import Recipe

TINY = {"width": 16, "depth": 1, "heads": 2, "mlp_width": 16}
FROZEN = museum.museum_eval_v1()
TWO_EACH = replace(
    FROZEN,
    withheld=museum.first_of_each(FROZEN.withheld, museum.WITHHELD, 2),
    seen=museum.first_of_each(FROZEN.seen, museum.SEEN, 2),
)


@pytest.fixture(autouse=True)
def small(tmp_path, monkeypatch):
    """Runs of a few milliseconds in an empty folder, with results of their own."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(record, "RESULTS", tmp_path / "results")
    monkeypatch.setattr(record, "commit", lambda: "abc1234")
    monkeypatch.setattr(clip_museum, "ViTConfig", partial(ViTConfig, **TINY))
    monkeypatch.setattr(clip_museum, "Recipe", partial(Recipe, batch_size=8, save_every=1))
    training_set = partial(clip_museum.TrainingSet, count=40)
    monkeypatch.setattr(clip_museum, "TrainingSet", training_set)
    monkeypatch.setattr(folder_recipe, "VISION", ViTConfig(**TINY))
    monkeypatch.setattr(museum, "museum_eval_v1", lambda: TWO_EACH)


class Stopped(Exception):
    pass


def stop_training_after(monkeypatch, last):
    fit = clip_museum.fit

    def interrupted(*arguments, after_step, **options):
        def stop(step):
            if step == last:
                raise Stopped

        return fit(*arguments, after_step=stop, **options)

    monkeypatch.setattr(clip_museum, "fit", interrupted)


def test_each_variant_adds_its_row(capsys):
    clip.prove(seed=3, threads=1, steps=2)
    rows = record.rows_of("clip")
    assert [(row["variant"], row["seed"], row["steps"]) for row in rows] == [
        ("main", 3, 2),
        ("shuffled", 3, 2),
        ("black", 3, 2),
    ]
    for row in rows:
        assert row["evaluation"]["sha256"] == FROZEN.sha256
        assert row["evaluation"]["radius_px"] == [9.0, 13.0]
        assert row["evaluation"]["pictures"] == {"held_out": 20, "seen": 76}
        assert set(row["result"]["search"]) == {"R@1", "R@5", "median_rank"}
        assert row["training_seconds"] <= row["seconds"]
        for where in ("held_out", "seen"):
            assert set(row["result"][where]) == {"colour", "shape", "joint"}
        assert row["commit"] == "abc1234"
    black = rows[2]["result"]["held_out"]
    assert black["joint"] in (
        0.0,
        0.1,
    )  # it gives one answer to all: the ten pairs are equally many
    assert os.listdir("runs") == []
    shown = capsys.readouterr().out
    assert "clip main, seed 3, held_out: colour 0." in shown
    assert "not shown on this seed: colour 0." in shown


def test_the_controls_are_trained_as_controls(monkeypatch):
    """Catches a black twin that is measured on coloured pictures, or trained on them."""
    trained, measured = [], []
    train, accuracy = clip_museum.train, clip_museum.accuracy

    def remember(data, *values, **options):
        trained.append((data.control, bool(data.pictures.any())))
        return train(data, *values, **options)

    def watch(model, scenes, black=False):
        measured.append((black, scenes[0].split))
        return accuracy(model, scenes, black)

    monkeypatch.setattr(clip_museum, "train", remember)
    monkeypatch.setattr(clip_museum, "accuracy", watch)
    clip.prove(0, 1, steps=1)
    assert trained == [(None, True), ("shuffled", True), ("black", False)]
    both = ("test_comp", "test_iid")
    assert measured == [(black, split) for black in (False, False, True) for split in both]


def test_a_killed_proof_goes_on_where_it_was(monkeypatch):
    monkeypatch.setattr(clip, "VARIANTS", ("main", "black"))
    with monkeypatch.context() as patch, pytest.raises(Stopped):
        stop_training_after(patch, 2)
        clip.prove(0, 1, steps=4)
    (folder,) = os.listdir("runs")
    assert folder == "prove-clip-main-seed0-steps4"
    starts = []
    train = clip_museum.train

    def watch(*values, **options):
        starts.append(options["resume"])
        return train(*values, **options)

    monkeypatch.setattr(clip_museum, "train", watch)
    clip.prove(0, 1, steps=4)
    assert starts == [True, False]
    killed = record.rows_of("clip")[0]
    (record.RESULTS / "clip.json").unlink()
    clip.prove(0, 1, steps=4)
    assert killed["result"] == record.rows_of("clip")[0]["result"]


def test_a_run_whose_row_was_not_written_is_kept(monkeypatch):
    """Catches minutes of training that are thrown away because the row could not be written."""
    monkeypatch.setattr(clip, "VARIANTS", ("main",))

    def full_disk(*_):
        raise InputError("could not write")

    with monkeypatch.context() as patch, pytest.raises(InputError):
        patch.setattr(record, "append", full_disk)
        clip.prove(0, 1, steps=2)
    assert os.listdir("runs/prove-clip-main-seed0-steps2")
    clip.prove(0, 1, steps=2)
    assert len(record.rows_of("clip")) == 1


def test_what_a_commit_has_measured_is_not_measured_again(monkeypatch, capsys):
    monkeypatch.setattr(clip, "VARIANTS", ("main",))
    monkeypatch.setattr(record, "commit", lambda: "abc1234")
    clip.prove(0, 1, steps=1)
    monkeypatch.setattr(clip, "run_variant", None)
    clip.prove(0, 1, steps=1)
    assert "has measured it already" in capsys.readouterr().out
    monkeypatch.setattr(record, "commit", lambda: "abc1234+")
    with pytest.raises(TypeError):
        clip.prove(0, 1, steps=1)


def test_damaged_results_are_said_before_the_training(monkeypatch):
    record.RESULTS.mkdir()
    (record.RESULTS / "clip.json").write_text("[{")
    monkeypatch.setattr(clip, "run_variant", None)
    with pytest.raises(InputError, match="is damaged"):
        clip.prove(0, 1, steps=1)


def test_a_threshold_is_reached_or_missed():
    reached = {"colour": 0.95, "shape": 0.70, "joint": 0.70}
    assert reached == clip.THRESHOLDS
    assert clip.verdict(reached) == "shown on this seed"
    missed = clip.verdict(reached | {"shape": 0.699})
    assert missed == "not shown on this seed: shape 0.699 < 0.7"


# Photographs


CLASSES = ("cat", "horse", "truck", "zebra")


@pytest.fixture
def photos(tmp_path):
    for split, count in (("train", 3), ("test", 2)):
        for i, name in enumerate(CLASSES):
            for j in range(count):
                path = tmp_path / "photos" / split / name / f"{j}.png"
                path.parent.mkdir(parents=True, exist_ok=True)
                noise = np.random.default_rng(j).integers(0, 20, (32, 32, 3))
                Image.fromarray((noise + 50 * i).astype(np.uint8)).save(path)
    return tmp_path / "photos"


def test_photographs(photos, capsys, monkeypatch):
    """Catches withheld classes that are trained on, or judged among all classes."""
    trained = []
    train = folder_recipe.train

    def watch(model, data, *values, **options):
        names = {data.folder.classes[i] for i in data.owner}
        words = " ".join(text for row in data.sentences for text in row).split()
        trained.append((names, "horse" in words, "horse" in data.words.words))
        return train(model, data, *values, **options)

    monkeypatch.setattr(folder_recipe, "train", watch)
    clip_folder.prove(str(photos), seed=1, threads=1, steps=2)
    assert trained == [
        (set(CLASSES), True, True),
        ({"cat", "zebra"}, False, False),
        ({"cat, an animal", "zebra, an animal"}, False, False),
    ]
    main_row, withheld, described = record.rows_of("clip-folder")
    assert described["result"]["among"] == ["horse, an animal", "truck, a vehicle"]
    assert withheld["result"]["unknown_words"] == ["horse", "truck"]
    assert main_row["result"]["among"] == list(CLASSES)
    assert (main_row["result"]["pictures"], withheld["result"]["pictures"]) == (8, 4)
    assert withheld["result"]["among"] == ["horse", "truck"]
    assert withheld["data"] == {"folder": "photos", "classes": ["cat", "zebra"], "pictures": 6}
    shown = capsys.readouterr().out
    assert "clip-folder main, seed 1: " in shown
    assert "of 8 pictures (chance 0.250)" in shown
    assert "of 4 pictures (chance 0.500)" in shown
    assert os.listdir("runs") == []


def test_other_photographs_have_no_withheld_variant(photos, capsys):
    for split in ("train", "test"):
        (photos / split / "horse").rename(photos / split / "pony")
    clip_folder.prove(str(photos), 0, 1, steps=1)
    assert [row["variant"] for row in record.rows_of("clip-folder")] == ["main"]
    assert "variant withheld needs the classes horse, truck; left out" in capsys.readouterr().out


# The command


def test_prove_clip_on_the_command_line(monkeypatch):
    given = []
    monkeypatch.setattr(clip, "prove", lambda *values: given.append(values))
    assert main(["prove", "clip", "--seed", "2", "--threads", "1"]) == 0
    assert given == [(2, 1)]


def test_prove_clip_folder_on_the_command_line(photos, monkeypatch, capsys):
    assert main(["prove", "clip-folder"]) == 2
    assert "prove clip-folder needs --data FOLDER" in capsys.readouterr().err
    assert main(["prove", "clip-folder", "--data", str(photos / "train")]) == 2
    assert "the proof needs" in capsys.readouterr().err
    assert main(["prove", "clip-folder", "--data", "nowhere"]) == 2
    assert "'nowhere' does not exist" in capsys.readouterr().err
    monkeypatch.chdir(photos)
    monkeypatch.setattr(clip_folder.prove, "__defaults__", (None, 1))
    assert main(["prove", "clip-folder", "--data", "."]) == 0
    assert record.rows_of("clip-folder")[0]["data"]["folder"] == "photos"
