"""VQA v2: questions joined with their answers, with and without, and rows that are broken."""

import copy
import json

import pytest

from tinyvlm.datasets import json_index
from tinyvlm.datasets.vqa import VQAv2
from tinyvlm.errors import InputError

ANSWERS = [
    {"answer": "red", "answer_confidence": "yes", "answer_id": 1},
    {"answer": "dark red", "answer_confidence": "maybe", "answer_id": 2},
    {"answer": "", "answer_confidence": "no", "answer_id": 3},
]
QUESTIONS = {
    "info": {},
    "data_subtype": "train2014",
    "questions": [
        {"image_id": 9, "question": "What colour? ", "question_id": 9000},
        {"image_id": 458752, "question": "¿Hay un gato?", "question_id": 458752001},
        {"image_id": 9, "question": "How many?", "question_id": 9001},
    ],
}
ANNOTATIONS = {
    "annotations": [
        {"question_id": 9001, "image_id": 9, "answers": [{"answer": "2"}]},
        {
            "question_id": 9000,
            "image_id": 9,
            "question_type": "what",
            "answer_type": "other",
            "multiple_choice_answer": "red",
            "answers": ANSWERS,
        },
    ]
}


@pytest.fixture
def pictures(photos):
    return photos("COCO_train2014_000000000009.jpg", "COCO_train2014_000000458752.jpg")


@pytest.fixture
def write(tmp_path):
    def make(content, name):
        path = tmp_path / f"{name}.json"
        path.write_text(json.dumps(content, ensure_ascii=False), encoding="utf-8")
        return path

    return make


@pytest.fixture
def files(write):
    return write(QUESTIONS, "questions"), write(ANNOTATIONS, "annotations")


def test_questions_and_answers(files, pictures, monkeypatch):
    for _ in range(2):
        data = VQAv2(*files, pictures)
        assert data.question_ids.tolist() == [9000, 9001]
        assert data.image_ids.tolist() == [9, 9]
        assert data.skipped == [(files[0], "questions[1]: no answers")]
        first, second = data
        assert first.qa == [("What colour?", ["red", "dark red", ""])]
        assert first.meta == {
            "path": pictures / "COCO_train2014_000000000009.jpg",
            "question_id": 9000,
            "image_id": 9,
            "question_type": "what",
            "answer_type": "other",
            "multiple_choice_answer": "red",
            "confidences": ["yes", "maybe", "no"],
        }
        assert second.qa == [("How many?", ["2"])]
        assert second.meta["question_type"] is None
        assert first.image.shape == (12, 16, 3)
        monkeypatch.setattr(json_index, "json_items", None)  # from the index


def test_questions_alone(files, pictures):
    data = VQAv2(files[0], None, pictures, size=5)
    assert [sample.qa for sample in data] == [
        [("What colour?", [])],
        [("¿Hay un gato?", [])],
        [("How many?", [])],
    ]
    assert data[1].image.shape == (5, 5, 3)
    assert data[1].meta["question_id"] == 458752001
    assert data.skipped == []


def test_the_subset(write, files, photos):
    folder = photos("COCO_test2015_000000000009.jpg")
    assert VQAv2(files[0], None, folder, subset="test2015")[0].image.shape == (12, 16, 3)
    unnamed = write({"questions": QUESTIONS["questions"]}, "unnamed")
    with pytest.raises(InputError, match=r"unnamed\.json' names no data_subtype; give subset"):
        VQAv2(unnamed, None, folder)
    hostile = write({**QUESTIONS, "data_subtype": "/../../x"}, "hostile")
    with pytest.raises(InputError, match="leaves the folder"):
        VQAv2(hostile, None, folder)


@pytest.mark.parametrize(
    ("fields", "reason"),
    [
        ({"question": ""}, "question must be a text"),
        ({"question_id": "9000"}, "question_id must be a whole number"),
        ({"image_id": None}, "image_id must be a whole number"),
    ],
)
def test_broken_questions(write, files, pictures, fields, reason):
    content = copy.deepcopy(QUESTIONS)
    content["questions"][0] |= fields
    data = VQAv2(write(content, "broken"), files[1], pictures)
    assert data.question_ids.tolist() == [9001]
    assert data.skipped[0][1].startswith(f"questions[0]: {reason}")


@pytest.mark.parametrize(
    ("fields", "reason"),
    [
        ({"answers": None}, "no answers"),
        ({"answers": []}, "no answers"),
        ({"answers": ["red"]}, "not an object but 'red'"),
        ({"answers": [{"answer": 2}]}, "an answer must be a text, got 2"),
        ({"answers": [{}]}, "an answer must be a text, got None"),
        ({"question_id": 9.0}, "question_id must be a whole number"),
    ],
)
def test_broken_answers(write, files, pictures, fields, reason):
    content = copy.deepcopy(ANNOTATIONS)
    content["annotations"][1] |= fields
    data = VQAv2(files[0], write(content, "broken"), pictures)
    assert data.question_ids.tolist() == [9001]
    assert data.skipped[0][1].startswith(f"annotations[1]: {reason}")
    assert [reason for _, reason in data.skipped[1:]] == [
        "questions[0]: no answers",
        "questions[1]: no answers",
    ]


def test_files_of_two_splits(write, files, pictures):
    other = copy.deepcopy(ANNOTATIONS)
    for row in other["annotations"]:
        row["question_id"] += 1_000_000
    with pytest.raises(InputError, match=r"no question of .* has answers in .*; of one split\?"):
        VQAv2(files[0], write(other, "other"), pictures)


def test_files_in_the_wrong_order(files, pictures):
    with pytest.raises(InputError, match="no VQA v2 questions file: no usable questions; none"):
        VQAv2(files[1], files[0], pictures)
