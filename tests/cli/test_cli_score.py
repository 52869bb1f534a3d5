"""`score`: the three kinds of results, and one line for whatever is wrong with a file."""

import json

import pytest

from tinyvlm.cli import main
from tinyvlm.datasets import museum
from tinyvlm.metrics.captions import caption_scores

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
def score(tmp_path, capsys):
    """Write both files (text as it is, all else as JSON); (exit code, stdout, stderr)."""

    def run(predictions, references, *options):
        paths = []
        for name, content in (("mine.json", predictions), ("others.json", references)):
            paths.append(tmp_path / name)
            if isinstance(content, bytes):
                paths[-1].write_bytes(content)
            else:
                paths[-1].write_text(json.dumps(content))
        code = main(["score", *map(str, paths), *options])
        shown = capsys.readouterr()
        return code, shown.out, shown.err

    return run


def table(answer):
    """{name: number} of the lines that end in one."""
    code, out, err = answer
    assert (code, err) == (0, "")
    rows = [line.rsplit("  ", 1) for line in out.splitlines() if "  " in line]
    return {name.strip(): None if value == "-" else float(value) for name, value in rows}


def refused(answer, *parts):
    code, out, err = answer
    assert (code, out) == (2, "")
    assert err.startswith("tinyvlm: ")
    assert err.count("\n") == 1
    for part in parts:
        assert part in err


# The three kinds


def test_captions(score):
    """They are brought together by image_id, not by the order in the files."""
    answer = score(SAID, CAPTIONS)
    references = [
        ["Two blue stars are there."],
        ["A red circle on the left.", "There is a big red circle."],
    ]
    expected = caption_scores(["two blue stars", "a red circle"], references)
    assert table(answer) == pytest.approx(expected, abs=5e-5)
    assert "2 captions, 3 references" in answer[1]
    assert "not comparable" in answer[1]


def test_boxes(score):
    answer = score(FOUND, INSTANCES)
    scores = table(answer)
    assert scores["AP"] == 0.5  # one class is found, the other isn't
    assert scores["AP_small"] == 1  # by the area 900.5; the box is medium
    assert scores["AP_large"] is None
    assert "2 pictures, 2 boxes found, 2 true boxes" in answer[1]


def test_boxes_of_pictures_without_truth_are_false_alarms(score):
    truth = INSTANCES | {"annotations": INSTANCES["annotations"][:1]}
    above = [*FOUND[:1], FOUND[1] | {"score": 0.95}]
    assert table(score(above, truth))["AP"] == 0.5


def test_crowds_are_forgiven(score):
    crowd = {"id": 3, "image_id": 2, "category_id": 4, "bbox": [0, 0, 90, 90], "iscrowd": 1}
    truth = INSTANCES | {"annotations": [INSTANCES["annotations"][0], crowd]}
    above = [*FOUND[:1], FOUND[1] | {"score": 0.95}]
    assert table(score(above, truth))["AP"] == 1


def test_answers(score):
    answer = score(ANSWERED, QUESTIONS)
    assert table(answer) == {
        "accuracy": 0.45,
        "short form": 0.5,
        "answer type number": 0.9,
        "answer type yes/no": 0,
        "question type how many": 0.9,
        "question type is there": 0,
    }
    assert "2 questions" in answer[1]


def test_answers_without_types(score):
    bare = [{"question_id": 10, "answers": people("yes", "no")}]
    scores = table(score(ANSWERED[:1], {"annotations": bare}))
    assert scores == {"accuracy": 0.1667, "short form": 0.3333}  # one of two says no


def test_the_order_of_the_files_does_not_count(score):
    for mine, others in ((SAID, CAPTIONS), (FOUND, INSTANCES), (ANSWERED, QUESTIONS)):
        turned = others | {"annotations": others["annotations"][::-1]}
        assert score(mine[::-1], turned) == score(mine, others)


def test_a_subset(score):
    refused(score(SAID[:1], CAPTIONS), "lacks 1 of the 2 image_ids", "first 7", "--subset")
    assert "1 captions, 1 references" in score(SAID[:1], CAPTIONS, "--subset")[1]
    refused(score(ANSWERED[:1], QUESTIONS), "lacks 1 of the 2 question_ids", "first 30")
    assert table(score(ANSWERED[:1], QUESTIONS, "--subset"))["accuracy"] == 0


def test_the_museum_scores_itself(score):
    """Its own boxes in COCO's form, as predictions of themselves."""
    made = museum.Museum(museum.SEVERAL_OBJECTS, "test_iid")
    truth = museum.coco([made[i] for i in range(10)])
    kept = ("image_id", "category_id", "bbox")
    found = [{key: a[key] for key in kept} | {"score": 1} for a in truth["annotations"]]
    assert table(score(found, truth))["AP"] == 1


def test_an_empty_caption_is_no_mistake(score):
    silent = [SAID[0], SAID[1] | {"caption": ""}]
    assert 0 < table(score(silent, CAPTIONS))["BLEU-1"] < 1


@pytest.mark.parametrize("text", ["🙂", "\ud800", "two\nlines", "(", "' '", "a " * 200])
def test_any_caption(score, text):
    table(score([SAID[0], SAID[1] | {"caption": text}], CAPTIONS))


# Files that are none


def test_files_that_are_none(score, tmp_path, capsys):
    for content, message in (
        (b"", "mine.json' is empty (0 bytes)"),
        (b"[]", "mine.json' is an empty list"),
        (b"{}", "mine.json' is no list of predictions"),
        (b"[{", "mine.json' is not JSON (Expecting"),
        (b"\xff\xfe\xfd", "mine.json' is not JSON"),
        (b"[" * 100_000, "mine.json' is not JSON"),
        (b"[3]", "prediction 0: not an object but 3"),
        (
            b'[{"what\\never": 1}]',
            "prediction 0: its fields are ['what\\never']; expected image_id",
        ),
    ):
        refused(score(content, CAPTIONS), message)
    for content, message in (
        (b"", "others.json' is empty"),
        (b"[]", "others.json' is no JSON object"),
        (b"{}", "others.json' has no annotations"),
        (b'{"annotations": []}', "others.json' has no annotations"),
        (b'{"annotations": [', "others.json'"),
        (b'{"annotations": [7]}', "annotations[0]: not an object but 7"),
        (b'{"annotations": [{"id": 1}]}', "annotations[0]: its fields are ['id']; expected"),
        (b'{"images": [{"id": "x"}]}', "images[0]: id must be a whole number"),
    ):
        refused(score(SAID, content), message)
    here = str(tmp_path / "mine.json")
    for paths, message in (
        ((here, str(tmp_path / "nowhere")), "nowhere' does not exist"),
        ((str(tmp_path), here), "is a folder"),
    ):
        code = main(["score", *paths])
        refused((code, *capsys.readouterr()), message)


def test_files_that_do_not_belong_together(score):
    refused(score(SAID, INSTANCES), "has captions", "is for boxes")
    refused(score(FOUND, QUESTIONS), "has boxes", "is for answers")
    refused(score(CAPTIONS, SAID), "no list of predictions; name them before the references")


def test_an_entry_that_is_none(score):
    """tests/metrics has many more."""
    broken = [SAID[0], SAID[1] | {"caption": 7}]
    refused(score(broken, CAPTIONS), "mine.json', prediction 1: caption must be a text, got 7")
