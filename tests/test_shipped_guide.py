"""The guide that comes with a clone: what it was measured to do, it does."""

import numpy as np
import pytest

from tinyvlm import model_files
from tinyvlm.datasets.museum.exam import make_exam
from tinyvlm.models.paligemma import PaliGemma
from tinyvlm.recipes import guide, guide_exam, guide_texts

EXAM = make_exam("test_iid", 40)


@pytest.fixture(scope="module")
def opened():
    return model_files.load_model(model_files.shipped("guide-museum"), PaliGemma)


def test_it_is_the_recipes_guide_and_says_how_it_was_made(opened):
    model, words, about = opened
    assert model.config == guide.config()
    assert words.to_json() == guide_texts.tokenizer().to_json()
    assert about["bins"] == guide_texts.BINS
    assert {"seed", "steps", "tower_steps", "training_seconds", "evaluation"} <= set(about)
    assert all(np.isfinite(array).all() for array in model.state_dict().values())


def test_it_answers_as_it_was_measured(opened):
    """On the first tenth of the exam; 4 standard deviations of a share of 380 questions are .05."""
    model, _, about = opened
    found = guide_exam.examine(model, EXAM)
    measured = about["results"]["seen"]
    right = [found["answers"][form] * n for form, n in asked().items()]
    assert sum(right) / len(EXAM.questions) > measured["answers"]["all"] - 0.05
    assert found["captions"]["F1"] > measured["captions"]["F1"] - 0.1
    assert found["boxes"]["AP50"] > measured["boxes"]["AP50"] - 0.1


def asked():
    forms = [question.form for _, question in EXAM.questions]
    return {form: forms.count(form) for form in forms}
