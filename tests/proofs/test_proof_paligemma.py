"""The guide's proof, in small: a row each, towers shared, resumed; and what its table claims."""

import copy
import json
from functools import partial

import numpy as np
import pytest

from tinyvlm import model_files
from tinyvlm.blocks.gemma import GemmaConfig
from tinyvlm.blocks.vit import ViTConfig
from tinyvlm.cli import main
from tinyvlm.datasets import museum
from tinyvlm.datasets.museum.exam import GuideEvaluation, make_exam
from tinyvlm.models.paligemma import PaliGemma
from tinyvlm.proofs import paligemma, record
from tinyvlm.recipes import guide, guide_tower
from tinyvlm.recipes.guide_data import TrainingSet

TINY = ViTConfig(image_size=48, width=16, depth=1, heads=2, mlp_width=16)
SMALL = GuideEvaluation("small", make_exam("val", 3), make_exam("test_comp", 2), "abcdef" * 10)


@pytest.fixture(autouse=True)
def small(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(record, "RESULTS", tmp_path)
    monkeypatch.setattr(record, "commit", lambda: "abc1234")
    monkeypatch.setattr(museum, "museum_guide_eval_v1", lambda: SMALL)
    monkeypatch.setattr(guide_tower, "TOWER", TINY)
    language = partial(GemmaConfig, width=16, depth=1, heads=1, head_width=8, mlp_width=8)
    monkeypatch.setattr(guide, "GemmaConfig", language)
    monkeypatch.setattr(paligemma, "TrainingSet", partial(TrainingSet, count=12))


def test_each_variant_adds_its_row(tmp_path, capsys):
    paligemma.prove(3, 1, steps=2, tower_steps=1)
    rows = record.rows_of("paligemma")
    assert [(r["variant"], r["seed"], r["steps"], r["tower_steps"]) for r in rows] == [
        ("main", 3, 2, 1),
        ("black", 3, 2, 1),
        ("causal", 3, 2, 1),
    ]
    for row in rows:
        assert row["evaluation"]["sha256"] == SMALL.sha256
        assert row["evaluation"]["scenes"] == {"seen": 3, "withheld": 2}
        assert row["evaluation"]["questions"]["seen"] == len(SMALL.seen.questions)
        for exam in ("seen", "withheld"):
            assert set(row["result"][exam]) == {"answers", "captions", "boxes"}
    said = capsys.readouterr().out
    assert "paligemma main, seed 3, pictures of seen pairs: color" in said
    assert "not shown on this seed: " in said
    assert "above the most frequent answer" in said
    assert [path.name for path in (tmp_path / "runs").iterdir()] == ["guide-seed3.safetensors"]
    model, _, about = model_files.load_model("runs/guide-seed3.safetensors", PaliGemma)
    assert about["results"] == rows[0]["result"]
    assert not model.config.causal


def test_what_is_measured_is_not_measured_again(monkeypatch, capsys):
    """And main and causal begin with the same tower, black with one of its own."""
    towers = []
    train = guide_tower.train

    def spy(data, steps, **options):
        model, history = train(data, steps, **options)
        towers.append((data.control, model.vision.state_dict()))
        return model, history

    monkeypatch.setattr(guide_tower, "train", spy)
    paligemma.prove(0, 1, steps=1, tower_steps=1)
    assert [control for control, _ in towers] == [None, "black", None]
    for name, array in towers[0][1].items():
        np.testing.assert_array_equal(array, towers[2][1][name])
    monkeypatch.setattr(paligemma, "run_variant", None)
    capsys.readouterr()
    paligemma.prove(0, 1, steps=1, tower_steps=1)
    assert capsys.readouterr().out.count("this commit has measured it already") == 3


def test_a_killed_run_goes_on(monkeypatch):
    """Killed in the second stage: the first is not trained again."""
    batch, made = TrainingSet.batch, []

    def die(self, *args):
        raise KeyboardInterrupt

    monkeypatch.setattr(TrainingSet, "batch", die)
    with pytest.raises(KeyboardInterrupt):
        paligemma.prove(0, 1, steps=1, tower_steps=2)
    monkeypatch.setattr(TrainingSet, "batch", batch)
    draw = TrainingSet.tower_batch
    monkeypatch.setattr(
        TrainingSet, "tower_batch", lambda self, *args: made.append(self) or draw(self, *args)
    )
    paligemma.prove(0, 1, steps=1, tower_steps=2)
    assert [data.control for data in made] == ["black", "black"]
    assert len(record.rows_of("paligemma")) == 3


def test_the_command(monkeypatch):
    asked = []
    monkeypatch.setattr(paligemma, "prove", lambda *args: asked.append(args))
    assert main(["prove", "paligemma", "--seed", "2", "--threads", "1"]) == 0
    assert asked == [(2, 1)]


# The table

FORMS = [*museum.QUESTION_FORMS, "all"]


def row(variant="main", seed=0, answers=0.98, majority=0.5, **changed):
    scores = dict.fromkeys(FORMS, answers) | changed
    part = {
        "answers": scores,
        "captions": {"F1": 0.91, "true": 0.8},
        "boxes": {"AP50": 0.7, "absent": 0.9},
    }
    withheld = copy.deepcopy(part)
    withheld["answers"] = dict.fromkeys(FORMS, 0.61)
    return {
        "variant": variant,
        "seed": seed,
        "threads": 2,
        "training_seconds": 600.0 + seed,
        "evaluation": {
            "name": "small",
            "sha256": "ab" * 32,
            "scenes": {"seen": 3, "withheld": 2},
            "questions": {"seen": 30, "withheld": 20},
            "majority": {name: dict.fromkeys(FORMS, majority) for name in ("seen", "withheld")},
        },
        "result": {"seen": part, "withheld": withheld},
    }


def store(rows):
    (record.RESULTS / "paligemma.json").write_text(json.dumps(rows))


def three():
    rows = [row("main", seed) for seed in range(3)] + [row("black", s, 0.55) for s in range(3)]
    return rows + [row("causal", seed, 0.9 + 0.01 * seed) for seed in range(3)]


def test_no_table_without_rows():
    assert paligemma.table() == ""
    store([row("black")])
    assert paligemma.table() == ""


def test_the_table():
    rows = three()
    rows[1]["result"]["seen"]["answers"]["shape"] = 0.95
    store(rows)
    page = paligemma.table()
    (shape,) = [line for line in page.splitlines() if line.startswith("| shape |")]
    cells = [cell.strip() for cell in shape.strip("|").split("|")]
    assert cells == [
        "shape",
        "0.90",
        "0.970 ± 0.017 (n=3)",
        "0.910 ± 0.010 (n=3)",
        "0.550 ± 0.000 (n=3)",
        "0.500",
        "0.610 ± 0.000 (n=3)",
    ]
    assert "| captions: F1 |  | 0.910 ± 0.000 (n=3) |" in page
    assert "at most 10 minutes a guide" in page
    assert "every form: **shown**" in page
    assert "+0.070, 95 % interval +0.045 to +0.095 (n=3): shown" in page


def test_one_seed_is_no_proof():
    store([row("main"), row("black", answers=0.5)])
    page = paligemma.table()
    assert "**not shown**" in page
    assert "at equal steps: not measured" in page
    assert "(n=1)" in page


@pytest.mark.parametrize(
    ("index", "change"),
    [
        (0, {"position": 0.69}),
        (2, {"how many": 0.96}),
        (4, {"relation 4-way": 0.61}),
        (5, {"all": 0.61}),
    ],
)
def test_one_value_on_the_wrong_side(index, change):
    """Of a main guide below a bar, of a black twin that sees."""
    rows = three()
    rows[index]["result"]["seen"]["answers"] |= change
    store(rows)
    assert "every form: **not shown**" in paligemma.table()


def test_a_twin_that_is_missing():
    store([each for each in three() if (each["variant"], each["seed"]) != ("black", 1)])
    assert "every form: **not shown**" in paligemma.table()


def test_paired():
    assert record.paired([0.02]) == "+0.020 (n=1)"
    assert record.paired([0.1, -0.1, 0.05]).endswith("(n=3): not shown")
    # scipy.stats.t.interval(.95, 2, mean, sem) of these three
    assert record.paired([0.01, 0.02, 0.06]).startswith("+0.030, 95 % interval -0.036 to +0.096")
