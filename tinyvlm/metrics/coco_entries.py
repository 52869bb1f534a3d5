"""A file of predictions or references: its entries, checked, by picture or question (layer 4).

An entry is a caption (str), a FoundBox, a TrueBox, an answer (str) or a Question. Which kind a file
holds is told by the one field that only that kind has, in its first entry. The first entry that is
wrong raises InputError with its place: to skip it would change the score.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NamedTuple

from tinyvlm.datasets.confined import quote
from tinyvlm.datasets.fields import check_object, is_number, numbers, whole
from tinyvlm.datasets.json_items import json_items
from tinyvlm.datasets.text_files import cannot_read
from tinyvlm.errors import InputError


class FoundBox(NamedTuple):
    box: list[float]  # x, y, width, height
    category: int
    score: float


class TrueBox(NamedTuple):
    box: list[float]
    category: int
    crowd: bool
    area: float  # of the object; of the box where the file has none


class Question(NamedTuple):
    people: list[str]  # their answers
    question_type: str  # "" where the file has none
    answer_type: str


@dataclass
class Entries:
    """The entries of one file by image_id or question_id, and where each id stands first."""

    path: Path
    kind: str = ""  # "captions", "boxes" or "answers"
    of: dict[int, list[Any]] = field(default_factory=dict)
    places: dict[int, str] = field(default_factory=dict)
    images: set[int] = field(default_factory=set)  # of the file's own lists, if it has them
    categories: set[int] = field(default_factory=set)

    @property
    def id_name(self) -> str:
        return "question_id" if self.kind == "answers" else "image_id"

    def add(self, place: str, item: Any, kinds: Kinds) -> None:
        """Put an item to the others of its id; the first one tells the kind of the file."""
        try:
            row = check_object(item)
            self.kind = self.kind or _kind(row, kinds)
            number, entry = whole(row, self.id_name), kinds[self.kind].read(row)
        except InputError as error:
            raise InputError(f"{quote(self.path)}, {place}: {error}") from error
        self.of.setdefault(number, []).append(entry)
        self.places.setdefault(number, place)


def read_predictions(path: Path) -> Entries:
    """Of a list of results. Raises InputError."""
    try:
        rows = json.loads(path.read_bytes())
    except OSError as error:
        raise cannot_read(path, error) from error
    except (ValueError, RecursionError) as error:  # no JSON, no UTF-8, nested without end
        raise InputError(f"{quote(path)} is not JSON ({error}); write it again") from error
    if not isinstance(rows, list):
        raise InputError(
            f"{quote(path)} is no list of predictions; name them before the references"
        )
    if not rows:
        raise InputError(f"{quote(path)} is an empty list; there is nothing to score")
    entries = Entries(path)
    for number, row in enumerate(rows):
        entries.add(f"prediction {number}", row, PREDICTIONS)
    return entries


def read_references(path: Path) -> Entries:
    """Of the "annotations" of a file, and the ids of its "images" and "categories"."""
    entries = Entries(path)
    for key, number, item, _, _ in json_items(path):
        place = f"{key}[{number}]"
        if key == "annotations" and number >= 0:
            entries.add(place, item, REFERENCES)
        elif key in ("images", "categories") and number >= 0:
            try:
                getattr(entries, key).add(whole(check_object(item), "id"))
            except InputError as error:
                raise InputError(f"{quote(path)}, {place}: {error}") from error
    if not entries.of:
        raise InputError(f"{quote(path)} has no annotations; give a file of references")
    return entries


class Kind(NamedTuple):
    own: str  # the field that only this kind has
    others: str  # what else an entry has
    read: Callable[[dict], Any]


Kinds = dict[str, Kind]


def _kind(row: dict, kinds: Kinds) -> str:
    for name, kind in kinds.items():
        if kind.own in row:
            return name
    expected = ", or ".join(f"{kind.others} and {kind.own}" for kind in kinds.values())
    raise InputError(f"its fields are {list(row)!r:.60}; expected {expected}")


def _caption(row: dict) -> str:
    return _text(row, "caption")


def _answer(row: dict) -> str:
    return _text(row, "answer")


def _text(row: dict, key: str) -> str:
    """A text that may be empty: a model may say nothing."""
    if not isinstance(row.get(key), str):
        raise InputError(f"{key} must be a text, got {row.get(key, 'none')!r:.40}")
    return row[key]


def _question(row: dict) -> Question:
    answers = row["answers"]
    if not isinstance(answers, list) or len(answers) < 2:
        raise InputError("answers must be a list of two people's or more")
    people = [_answer(check_object(answer)) for answer in answers]
    types = [row.get(key) for key in ("question_type", "answer_type")]
    return Question(people, *(name if isinstance(name, str) else "" for name in types))


def _found_box(row: dict) -> FoundBox:
    return FoundBox(_box(row), whole(row, "category_id"), _number(row, "score"))


def _true_box(row: dict) -> TrueBox:
    box = _box(row)
    area = _number(row, "area") if "area" in row else box[2] * box[3]
    crowd = row.get("iscrowd", 0)
    if crowd not in (0, 1):
        raise InputError(f"iscrowd must be 0 or 1, got {crowd!r:.40}")
    return TrueBox(box, whole(row, "category_id"), bool(crowd), area)


def _box(row: dict) -> list[float]:
    box = numbers(row, "bbox", 4)
    if min(box[2:]) < 0:
        raise InputError(f"bbox has a negative width or height, {box[2]:g} x {box[3]:g}")
    return box


def _number(row: dict, key: str) -> float:
    if not is_number(row.get(key)):
        raise InputError(f"{key} must be a number, got {row.get(key, 'none')!r:.40}")
    return float(row[key])


PREDICTIONS = {
    "captions": Kind("caption", "image_id", _caption),
    "boxes": Kind("bbox", "image_id, category_id, score", _found_box),
    "answers": Kind("answer", "question_id", _answer),
}
REFERENCES = {
    "captions": Kind("caption", "image_id", _caption),
    "boxes": Kind("bbox", "image_id, category_id", _true_box),
    "answers": Kind("answers", "question_id", _question),
}
