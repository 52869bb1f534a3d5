"""VQA v2: questions about COCO's pictures, each with the answers of ten people (layer 4).

Goyal et al. 2017, arXiv 1612.00837. Two JSON files, {"questions": [{question_id, image_id,
question}]} and {"annotations": [{question_id, answers: [{answer}], ...}]}; the picture is
COCO_{subset}_{image_id:012d}.jpg. Both are read through once, into an index beside each.
"""

import os
from pathlib import Path
from typing import Any

import numpy as np

from tinyvlm.datasets.confined import quote, relative_name
from tinyvlm.datasets.fields import check_object, check_text, text, whole
from tinyvlm.datasets.json_index import Columns, IndexedJson, Notes, Scan
from tinyvlm.datasets.picture_set import PictureSet
from tinyvlm.datasets.sample import OnDemand
from tinyvlm.errors import InputError

ABOUT = ("question_type", "answer_type", "multiple_choice_answer")


class VQAv2(PictureSet):
    """A sample a question: its `qa` is one question with all its answers.

    Without `annotations` (None, for the test questions) the answers are empty; else a question
    that has none is skipped. `subset` ("train2014") is in the official question files and has to
    be given where it is missing. `question_ids` and `image_ids` (len,) int64 are in the order of
    the questions. A sample's meta has question_id, image_id and, from the annotations, ABOUT and
    confidences (yes, maybe, no), one an answer; None where the file lacks them. Raises InputError
    for a file that can't be read or has another form, and if no question has answers.
    """

    def __init__(
        self,
        questions: str | os.PathLike,
        annotations: str | os.PathLike | None,
        pictures: str | os.PathLike,
        subset: str | None = None,
        size: int | None = None,
    ):
        super().__init__(pictures, size)
        self.questions = IndexedJson(questions, "questions", _index_questions)
        self.subset = subset or self.questions.notes["subset"]
        if not self.subset:
            raise InputError(f"{quote(self.questions.path)} names no data_subtype; give subset")
        relative_name(self._file_name(0))
        self.skipped = [(self.questions.path, reason) for reason in self.questions.notes["skipped"]]
        rows = self.questions.columns["rows"]
        self.answers = None
        if annotations is not None:
            self.answers = IndexedJson(annotations, "answers", _index_answers)
            rows = self._with_answers(rows, self.answers)
        self.question_ids, self.image_ids = rows[:, 0], rows[:, 1]
        self._question_spans = rows[:, 3:5]
        self.names = OnDemand(len(rows), self._name)

    def _with_answers(self, rows: np.ndarray, answers: IndexedJson) -> np.ndarray:
        """The questions that have answers; sets where those stand."""
        self.skipped += [(answers.path, reason) for reason in answers.notes["skipped"]]
        answered = answers.columns["rows"]
        by_id = np.argsort(answered[:, 0], kind="stable")
        ids = answered[by_id, 0]
        place = np.searchsorted(ids, rows[:, 0]).clip(max=len(ids) - 1)
        found = ids[place] == rows[:, 0]
        for number in rows[~found, 2].tolist():
            self.skipped.append((self.questions.path, f"questions[{number}]: no answers"))
        if not found.any():
            question, answer = quote(self.questions.path), quote(answers.path)
            raise InputError(f"no question of {question} has answers in {answer}; of one split?")
        self._answer_spans = answered[by_id[place[found]], 2:4]
        return rows[found]

    def _file_name(self, image_id: int) -> str:
        return f"COCO_{self.subset}_{image_id:012d}.jpg"

    def _name(self, index: int) -> str:
        return self.confined.name(self._file_name(int(self.image_ids[index])))

    def _facts(self, index: int) -> dict:
        number = int(self.question_ids[index])
        question = _read(self.questions, self._question_spans[index], number)
        meta: dict[str, Any] = {"question_id": number, "image_id": int(self.image_ids[index])}
        answers: list[str] = []
        if self.answers is not None:
            row = _read(self.answers, self._answer_spans[index], number)
            answers = _answers(row)
            meta |= {key: row.get(key) for key in ABOUT}
            meta["confidences"] = [answer.get("answer_confidence") for answer in row["answers"]]
        return {"qa": [(text(question, "question"), answers)], "meta": meta}


def _index_questions(path: Path) -> tuple[Columns, Notes]:
    """Rows: question_id, image_id, place in the list, first byte, number of bytes."""

    def check(row: dict) -> tuple[int, int]:
        text(row, "question")
        return whole(row, "question_id"), whole(row, "image_id")

    scan = Scan(path, {"questions": check}, "VQA v2 questions file")
    notes = {"skipped": scan.skipped, "subset": scan.texts.get("data_subtype", "")}
    return {"rows": scan.rows["questions"]}, notes


def _index_answers(path: Path) -> tuple[Columns, Notes]:
    """Rows: question_id, place in the list, first byte, number of bytes."""

    def check(row: dict) -> tuple[int]:
        _answers(row)
        return (whole(row, "question_id"),)

    scan = Scan(path, {"annotations": check}, "VQA v2 annotations file")
    return {"rows": scan.rows["annotations"]}, {"skipped": scan.skipped}


def _answers(row: dict) -> list[str]:
    """The answers as people gave them; one may be empty."""
    answers = row.get("answers")
    if not isinstance(answers, list) or not answers:
        raise InputError("no answers")
    return [_answer(check_object(answer)) for answer in answers]


def _answer(answer: dict) -> str:
    value = answer.get("answer")
    if not isinstance(value, str):
        raise InputError(f"an answer must be a text, got {value!r:.40}")
    check_text(value)
    return value


def _read(file: IndexedJson, span: np.ndarray, question_id: int) -> dict:
    start, length = span.tolist()
    (row,) = file.read([(start, length)])
    if row.get("question_id") != question_id:
        raise file.does_not_fit()
    return row
