"""Predictions in COCO's results layout, with the references to judge them by (layer 4).

    captions   [{"image_id", "caption"}]                          a COCO captions file
    boxes      [{"image_id", "category_id", "bbox", "score"}]     a COCO instances file
    answers    [{"question_id", "answer"}]                        a VQA v2 annotations file

Both are JSON files. Lin et al. 2014, arXiv:1405.0312; Goyal et al. 2017, arXiv:1612.00837.
"""

from __future__ import annotations

import os
from dataclasses import dataclass

import numpy as np

from tinyvlm.datasets.confined import quote
from tinyvlm.datasets.text_files import check_file
from tinyvlm.errors import InputError
from tinyvlm.metrics.boxes import Detections, GroundTruth
from tinyvlm.metrics.coco_entries import (
    Entries,
    FoundBox,
    TrueBox,
    read_predictions,
    read_references,
)


@dataclass(frozen=True)
class CaptionResults:
    """A caption and its references for each picture, by rising image_id."""

    candidates: list[str]
    references: list[list[str]]


@dataclass(frozen=True)
class BoxResults:
    """What was found and what is there in each picture, by rising image_id."""

    found: list[Detections]
    truths: list[GroundTruth]


@dataclass(frozen=True)
class AnswerResults:
    """An answer, people's answers and the types of each question, by rising question_id."""

    answers: list[str]
    people: list[list[str]]
    question_types: list[str]  # "" where the file has none
    answer_types: list[str]


def read_results(
    predictions: str | os.PathLike, references: str | os.PathLike, subset: bool = False
) -> CaptionResults | BoxResults | AnswerResults:
    """Both files, checked and brought together; which kind they are is read off them.

    Every picture or question of the references needs one caption or answer, unless `subset` says
    that only those predicted count; a picture without boxes is one where nothing was found.
    Raises InputError.
    """
    mine = read_predictions(check_file(predictions))
    others = read_references(check_file(references))
    if mine.kind != others.kind:
        raise InputError(
            f"{quote(predictions)} has {mine.kind} and {quote(references)} is for {others.kind}; "
            "give two files that belong together"
        )
    if mine.kind == "boxes":
        return _boxes(mine, others)
    _check_known(mine, others, set(others.of))
    _check_single(mine)
    _check_complete(mine, others, subset)
    ids = sorted(mine.of)
    texts = [mine.of[number][0] for number in ids]
    if mine.kind == "captions":
        return CaptionResults(texts, [others.of[number] for number in ids])
    _check_single(others)
    people, question_types, answer_types = zip(*(others.of[n][0] for n in ids), strict=True)
    return AnswerResults(texts, list(people), list(question_types), list(answer_types))


def _check_known(entries: Entries, others: Entries, known: set[int]) -> None:
    for number, place in entries.places.items():
        if number not in known:
            raise InputError(
                f"{quote(entries.path)}, {place}: {entries.id_name} {number} is not in "
                f"{quote(others.path)}; take the files of one split"
            )


def _check_single(entries: Entries) -> None:
    for number, found in entries.of.items():
        if len(found) > 1:
            raise InputError(
                f"{quote(entries.path)} has {len(found)} entries of {entries.id_name} {number}; "
                "keep one"
            )


def _check_complete(mine: Entries, others: Entries, subset: bool) -> None:
    missing = [number for number in others.of if number not in mine.of]
    if missing and not subset:
        raise InputError(
            f"{quote(mine.path)} lacks {len(missing)} of the {len(others.of)} {mine.id_name}s of "
            f"{quote(others.path)}, first {missing[0]}; add them, or score the rest with --subset"
        )


def _boxes(mine: Entries, others: Entries) -> BoxResults:
    images = others.images or set(others.of)
    categories = others.categories or {true.category for t in others.of.values() for true in t}
    for entries in (others, mine):
        _check_known(entries, others, images)
        for number, boxes in entries.of.items():
            for box in boxes:
                if box.category not in categories:
                    raise InputError(
                        f"{quote(entries.path)}: category_id {box.category} (image_id {number}) "
                        f"is none of the {len(categories)} categories of {quote(others.path)}"
                    )
    ids = sorted(images)
    return BoxResults(
        [_detections(mine.of.get(number, [])) for number in ids],
        [_ground_truth(others.of.get(number, [])) for number in ids],
    )


def _detections(found: list[FoundBox]) -> Detections:
    return Detections(
        np.array([one.box for one in found], float).reshape(-1, 4),
        np.array([one.category for one in found], np.int64),
        np.array([one.score for one in found], float),
    )


def _ground_truth(true: list[TrueBox]) -> GroundTruth:
    return GroundTruth(
        np.array([one.box for one in true], float).reshape(-1, 4),
        np.array([one.category for one in true], np.int64),
        np.array([one.crowd for one in true], bool),
        np.array([one.area for one in true], float),
    )
