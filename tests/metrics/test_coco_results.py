"""Results and references, read and brought together; whatever is wrong is named with its place."""

import json

import numpy as np
import pytest

from tinyvlm.errors import InputError
from tinyvlm.metrics.coco_results import read_results

CAPTIONS = {
    "images": [{"id": 7}, {"id": 3}],
    "annotations": [
        {"id": 1, "image_id": 7, "caption": "A red circle on the left."},
        {"id": 2, "image_id": 3, "caption": "Two blue stars are there."},
        {"id": 3, "image_id": 7, "caption": "There is a big red circle."},
    ],
}
SAID = [{"image_id": 3, "caption": "two blue stars"}, {"image_id": 7, "caption": "a red circle"}]

BOX = [10.0, 10, 40, 40]
INSTANCES = {
    "images": [{"id": 1}, {"id": 2}],
    "categories": [{"id": 4, "name": "star"}, {"id": 9, "name": "cross"}],
    "annotations": [
        {"id": 1, "image_id": 1, "category_id": 4, "bbox": BOX, "area": 900.5, "iscrowd": 0},
        {"id": 2, "image_id": 2, "category_id": 9, "bbox": BOX},
    ],
}
FOUND = [
    {"image_id": 1, "category_id": 4, "bbox": BOX, "score": 0.9},
    {"image_id": 2, "category_id": 4, "bbox": BOX, "score": 0.5},
]


def people(*answers):
    return [{"answer": answer, "answer_id": k} for k, answer in enumerate(answers, start=1)]


QUESTIONS = {
    "annotations": [
        {
            "question_id": 30,
            "question_type": "how many",
            "answer_type": "number",
            "answers": people(*["two"] * 3, *["3"] * 7),
        },
        {
            "question_id": 10,
            "question_type": "is there",
            "answer_type": "yes/no",
            "answers": people(*["yes"] * 10),
        },
    ]
}
ANSWERED = [{"question_id": 10, "answer": "no"}, {"question_id": 30, "answer": "2"}]


@pytest.fixture
def read(tmp_path):
    """Write both and read them again."""

    def run(predictions, references, **more):
        paths = [tmp_path / "mine.json", tmp_path / "others.json"]
        for path, content in zip(paths, (predictions, references), strict=True):
            path.write_text(json.dumps(content))
        return read_results(*paths, **more)

    return run


def refused(read, predictions, references, *parts):
    with pytest.raises(InputError) as raised:
        read(predictions, references)
    assert "\n" not in str(raised.value)
    for part in parts:
        assert part in str(raised.value)


def test_captions_stand_by_rising_image_id(read):
    results = read(SAID[::-1], CAPTIONS)
    assert results.candidates == ["two blue stars", "a red circle"]
    assert results.references == [
        ["Two blue stars are there."],
        ["A red circle on the left.", "There is a big red circle."],
    ]
    assert read(SAID[:1], CAPTIONS, subset=True).candidates == ["two blue stars"]


def test_boxes_of_every_picture(read):
    results = read(FOUND[:1], INSTANCES)
    assert [len(there.boxes) for there in results.found] == [1, 0]
    assert results.found[1].boxes.shape == (0, 4)
    np.testing.assert_array_equal(results.found[0].boxes, [BOX])
    assert [truth.labels.tolist() for truth in results.truths] == [[4], [9]]
    assert [truth.areas.tolist() for truth in results.truths] == [[900.5], [1600]]  # the box's own
    assert not results.truths[0].crowd.any()


def test_pictures_and_classes_are_those_of_the_annotations_where_there_are_no_lists(read):
    bare = {"annotations": INSTANCES["annotations"]}
    assert len(read(FOUND, bare).truths) == 2
    refused(read, [FOUND[0] | {"category_id": 5}], bare, "none of the 2 categories")


def test_answers_and_their_types(read):
    results = read(ANSWERED, QUESTIONS)
    assert results.answers == ["no", "2"]
    assert results.people[1] == ["two"] * 3 + ["3"] * 7
    assert results.question_types == ["is there", "how many"]
    assert results.answer_types == ["yes/no", "number"]


# Entries that are none

BAD_PREDICTIONS = [
    (SAID, {"image_id": "7"}, "prediction 1: image_id must be a whole number, got '7'"),
    (SAID, {"image_id": True}, "prediction 1: image_id must be a whole number, got True"),
    (SAID, {"image_id": 7.0}, "prediction 1: image_id must be a whole number, got 7.0"),
    (SAID, {"image_id": None}, "prediction 1: image_id must be a whole number, got None"),
    (SAID, {"caption": None}, "prediction 1: caption must be a text, got None"),
    (SAID, {"caption": ["a"]}, "prediction 1: caption must be a text, got ['a']"),
    (SAID, {"image_id": 99}, "prediction 1: image_id 99 is not in"),
    (SAID, {"image_id": 3}, "has 2 entries of image_id 3; keep one"),
    (FOUND, {"image_id": 5}, "prediction 1: image_id 5 is not in"),
    (FOUND, {"category_id": 0}, "category_id 0 (image_id 2) is none of the 2 categories"),
    (FOUND, {"category_id": "star"}, "prediction 1: category_id must be a whole number"),
    (FOUND, {"bbox": [1, 2, 3]}, "prediction 1: bbox must be 4 numbers, got [1, 2, 3]"),
    (FOUND, {"bbox": [1, 2, 3, None]}, "prediction 1: bbox must be 4 numbers"),
    (FOUND, {"bbox": [1, 2, -3, 4]}, "prediction 1: bbox has a negative width or height, -3 x 4"),
    (FOUND, {"score": "0.9"}, "prediction 1: score must be a number, got '0.9'"),
    (FOUND, {"score": np.nan}, "prediction 1: score must be a number, got nan"),
    (ANSWERED, {"question_id": 31}, "prediction 1: question_id 31 is not in"),
    (ANSWERED, {"question_id": 10}, "has 2 entries of question_id 10; keep one"),
    (ANSWERED, {"answer": 2}, "prediction 1: answer must be a text, got 2"),
]


@pytest.mark.parametrize(("right", "change", "message"), BAD_PREDICTIONS)
def test_predictions_that_are_none(read, right, change, message):
    others = {id(SAID): CAPTIONS, id(FOUND): INSTANCES, id(ANSWERED): QUESTIONS}[id(right)]
    refused(read, [right[0], right[1] | change], others, "mine.json'", message)


@pytest.mark.parametrize(
    ("right", "field"),
    [
        (SAID, "caption"),
        (FOUND, "score"),
        (FOUND, "bbox"),
        (ANSWERED, "answer"),
        (SAID, "image_id"),
    ],
)
def test_predictions_that_lack_a_field(read, right, field):
    others = {id(SAID): CAPTIONS, id(FOUND): INSTANCES, id(ANSWERED): QUESTIONS}[id(right)]
    rest = {key: value for key, value in right[1].items() if key != field}
    refused(read, [right[0], rest], others, f"prediction 1: {field} must be", "got 'none'")


BAD_REFERENCES = [
    (SAID, CAPTIONS, {"caption": 3}, "annotations[1]: caption must be a text, got 3"),
    (SAID, CAPTIONS, {"image_id": "3"}, "annotations[1]: image_id must be a whole number"),
    (FOUND, INSTANCES, {"bbox": "all"}, "annotations[1]: bbox must be 4 numbers, got 'all'"),
    (FOUND, INSTANCES, {"area": None}, "annotations[1]: area must be a number, got None"),
    (FOUND, INSTANCES, {"iscrowd": "no"}, "annotations[1]: iscrowd must be 0 or 1, got 'no'"),
    (FOUND, INSTANCES, {"category_id": 5}, "category_id 5 (image_id 2) is none of the 2"),
    (FOUND, INSTANCES, {"image_id": 8}, "annotations[1]: image_id 8 is not in"),
    (ANSWERED, QUESTIONS, {"answers": "yes"}, "annotations[1]: answers must be a list of two"),
    (ANSWERED, QUESTIONS, {"answers": people("yes")}, "annotations[1]: answers must be a list"),
    (ANSWERED, QUESTIONS, {"answers": [1, 2]}, "annotations[1]: not an object but 1"),
    (ANSWERED, QUESTIONS, {"answers": [{}, {}]}, "annotations[1]: answer must be a text"),
]


@pytest.mark.parametrize(("right", "others", "change", "message"), BAD_REFERENCES)
def test_references_that_are_none(read, right, others, change, message):
    first, second, *rest = others["annotations"]
    broken = others | {"annotations": [first, second | change, *rest]}
    refused(read, right, broken, "others.json'", message)


def test_a_question_that_is_there_twice(read):
    twice = {"annotations": [*QUESTIONS["annotations"], QUESTIONS["annotations"][0]]}
    refused(read, ANSWERED, twice, "others.json'", "has 2 entries of question_id 30; keep one")
