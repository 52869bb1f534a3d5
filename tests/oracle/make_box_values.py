"""Draw pictures with true and found boxes, and store them with the twelve numbers of pycocotools.

Run it with a Python that has NumPy and pycocotools:
    python tests/oracle/make_box_values.py
Between them: crowds, equal scores, equal overlaps, objects smaller than their box, pictures without
detections or truth, more than 100 detections, classes without a true box, boxes without area.

box_values.npz: `values` (cases, 12), -1 where there is no true box; `pictures` (cases,)
says how many there are, since some are empty; `true` and `found` have these rows:
    true   case, picture, class, x, y, width, height, area, crowd
    found  case, picture, class, x, y, width, height, score
Boxes are in quarters of a pixel, areas in sixteenths of a square pixel, scores in thousandths.
"""

import contextlib
import os
from pathlib import Path

import numpy as np
from pycocotools.coco import COCO
from pycocotools.cocoeval import COCOeval

BOX_VALUES = Path(__file__).with_name("box_values.npz")
CASES = 240


def draw(number: int) -> tuple[int, np.ndarray, np.ndarray]:
    """pictures, true (n, 8), found (n, 7): the columns after the case."""
    rng = np.random.default_rng([2014, number])
    classes = int(rng.integers(1, 5))
    pictures = int(rng.integers(1, 7))
    both = [draw_picture(rng, number, classes, k) for k in range(1, pictures + 1)]
    true, found = (np.concatenate(part) for part in zip(*both, strict=True))
    return pictures, true, found[:0] if number % 12 == 0 else found  # nothing found anywhere


def draw_picture(
    rng: np.random.Generator, number: int, classes: int, k: int
) -> tuple[np.ndarray, np.ndarray]:
    true = draw_boxes(rng, int(rng.integers(0, 9)))
    kept = true[rng.random(len(true)) < 0.8]
    near = kept + (rng.normal(0, 0.08, kept.shape) * np.tile(kept[:, 2:], 2)).astype(int)
    found = [near, draw_boxes(rng, int(rng.integers(0, 6)))]
    if number % 40 == 7:  # more than count
        found.append(draw_boxes(rng, 130))
    near = np.maximum(rng.permutation(np.concatenate(found)), 0)
    if number % 3 == 0:  # a coarse grid: overlaps can be equal, and some boxes have no area
        true, near = true // 32 * 32, near // 32 * 32
        near[rng.random(len(near)) < 0.05, 3] = 0
        tied_true, tied_found = draw_tie(rng)
        true, near = np.concatenate([true, tied_true]), np.concatenate([tied_found, near])
    scores = rng.integers(0, 1001, len(near))
    if number % 4 == 1:  # many equal scores
        scores = scores // 250 * 250
    labels = rng.integers(1, classes + 1, len(true))
    found_labels = rng.integers(1, classes + 2, len(near))  # the last class has no true box
    if classes < 3:
        found_labels = 1 + (rng.random(len(near)) < 0.2)
    areas = true[:, 2] * true[:, 3]
    if number % 5 == 2:
        areas = (areas * rng.uniform(0.3, 1, len(true))).astype(int)
    crowd = rng.random(len(true)) < (0.25 if number % 2 else 0.0)
    return (
        np.column_stack([np.full(len(true), k), labels, true, areas, crowd]),
        np.column_stack([np.full(len(near), k), found_labels, near, scores]),
    )


def draw_tie(rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    """Two true boxes, and two found ones: one half way between them, and one of the two."""
    first = np.array([*(rng.integers(0, 20, 2) * 32), 128, 128])
    step = np.array([64, 0, 0, 0])
    true = np.array([first, first + step])
    return true, np.array([first + step // 2, true[rng.integers(2)]])


def draw_boxes(rng: np.random.Generator, n: int) -> np.ndarray:
    """(n, 4) in quarters of a pixel; sides from 8 to 180 px, many overlapping."""
    centres = rng.uniform(60, 200, (n, 2))
    sides = np.exp(rng.uniform(np.log(8), np.log(180), (n, 2)))
    return (4 * np.concatenate([np.maximum(centres - sides / 2, 0), sides], axis=1)).astype(int)


def reference(pictures: int, true: np.ndarray, found: np.ndarray) -> np.ndarray:
    """(12,)"""
    annotations = [
        {"id": number, "image_id": row[0], "category_id": row[1], "bbox": [v / 4 for v in row[2:6]]}
        | {"area": row[6] / 16, "iscrowd": row[7]}
        for number, row in enumerate(true.tolist(), start=1)  # the id 0 would mean "not matched"
    ]
    results = [
        {"image_id": row[0], "category_id": row[1], "bbox": [v / 4 for v in row[2:6]]}
        | {"score": row[6] / 1000}
        for row in found.tolist()
    ]
    truth = COCO()
    truth.dataset = {
        "images": [{"id": k, "width": 640, "height": 480} for k in range(1, pictures + 1)],
        "annotations": annotations,
        "categories": [{"id": k, "name": str(k)} for k in range(1, 7)],
    }
    truth.createIndex()
    answers = truth.loadRes(results) if results else COCO()  # loadRes refuses an empty list
    evaluation = COCOeval(truth, answers, "bbox")
    evaluation.evaluate()
    evaluation.accumulate()
    evaluation.summarize()
    return np.array(evaluation.stats, float)


if __name__ == "__main__":
    cases = [draw(number) for number in range(CASES)]
    with open(os.devnull, "w") as nowhere, contextlib.redirect_stdout(nowhere):
        values = np.array([reference(*case) for case in cases])
    numbered = [[np.insert(part, 0, n, axis=1) for part in c[1:]] for n, c in enumerate(cases)]
    true, found = (np.concatenate(part).T.astype(np.int32) for part in zip(*numbered, strict=True))
    pictures = np.array([case[0] for case in cases])
    np.savez_compressed(BOX_VALUES, values=values, pictures=pictures, true=true, found=found)
    print(f"{CASES} cases, {true.shape[1]} true boxes, {found.shape[1]} found ones")
