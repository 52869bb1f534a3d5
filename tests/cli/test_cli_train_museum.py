"""`train museum`: a guide in two stages, its exam, a file that `ask` opens, and a resume."""

from functools import partial

import numpy as np
import pytest

from tinyvlm import model_files
from tinyvlm.cli import main
from tinyvlm.datasets import museum
from tinyvlm.datasets.museum.exam import GuideEvaluation, make_exam
from tinyvlm.models.paligemma import PaliGemma
from tinyvlm.recipes import guide_data


@pytest.fixture
def train(monkeypatch, tmp_path, capsys):
    """Runs the command on 12 pictures with an exam of 3; answers (code, stdout, stderr)."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(guide_data, "TrainingSet", partial(guide_data.TrainingSet, count=12))
    small = GuideEvaluation("small", make_exam("val", 3), make_exam("val", 2), "-")
    monkeypatch.setattr(museum, "museum_guide_eval_v1", lambda: small)

    def run(*arguments):
        code = main(["train", "museum", "--threads", "1", *arguments])
        return code, *capsys.readouterr()

    return run


def test_both_stages_and_the_exam(train, tmp_path):
    code, out, _ = train("--steps", "2", "--tower-steps", "1", "--seed", "3")
    assert code == 0
    folder = tmp_path / "runs" / "guide-museum"
    for stage in (folder, folder / "tower"):
        assert (stage / "log.csv").exists()
        assert (stage / "checkpoint.safetensors").exists()
    for name in ("answers", "captions", "boxes"):
        assert f"{name}: " in out
    file = folder / "model.safetensors"
    model, _, about = model_files.load_model(file, PaliGemma)
    assert (about["seed"], about["steps"], about["tower_steps"]) == (3, 2, 1)
    assert about["evaluation"] == "small"
    assert set(about["results"]["seen"]) == {"answers", "captions", "boxes"}
    assert (
        f'python -m tinyvlm ask PICTURE "how many objects" --model {file.relative_to(tmp_path)}'
        in out
    )
    assert all(np.isfinite(array).all() for array in model.state_dict().values())


def test_resume(train):
    code, _, err = train("--resume")
    assert code == 2
    assert "no checkpoint at runs/guide-museum/tower/checkpoint.safetensors" in err
    assert train("--steps", "1", "--tower-steps", "1")[0] == 0
    assert train("--steps", "1", "--tower-steps", "1", "--resume")[0] == 0
    code, _, err = train("--steps", "2", "--tower-steps", "1", "--resume")
    assert code == 2
    assert "was made with steps=1, not 2" in err


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["museum", "--data", "photos"], "train museum draws its own pictures; leave --data out"),
        (["clip", "--tower-steps", "3"], "train clip has one stage; leave --tower-steps out"),
    ],
)
def test_options_of_the_other_model(arguments, message, capsys):
    assert main(["train", *arguments]) == 2
    assert message in capsys.readouterr().err
