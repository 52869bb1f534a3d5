"""`score`: what captions, boxes or answers are worth, against references."""

from __future__ import annotations

import argparse
import math
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tinyvlm.cli.arguments import add_command

if TYPE_CHECKING:
    from tinyvlm.metrics.coco_results import AnswerResults, BoxResults, CaptionResults

EXAMPLES = """\
  python -m tinyvlm score captions.json captions_val2014.json
  python -m tinyvlm score boxes.json instances_val2017.json
  python -m tinyvlm score answers.json v2_mscoco_val2014_annotations.json
  python -m tinyvlm score captions.json captions_val2014.json --subset

predictions, in COCO's results layout:
  captions  [{"image_id": 42, "caption": "a red circle"}, ...]
  boxes     [{"image_id": 42, "category_id": 3, "bbox": [x, y, width, height], "score": 0.9}, ...]
  answers   [{"question_id": 42000, "answer": "two"}, ...]"""


def add(commands: Any) -> None:
    help = "score captions, boxes or answers against references"
    parser = add_command(commands, "score", help, EXAMPLES)
    parser.add_argument("predictions", type=Path, metavar="PREDICTIONS", help="a JSON file")
    parser.add_argument(
        "references",
        type=Path,
        metavar="REFERENCES",
        help="COCO captions or instances, or VQA v2 annotations",
    )
    parser.add_argument(
        "--subset",
        action="store_true",
        help="score only the pictures or questions that have a caption or an answer",
    )
    parser.set_defaults(run=run)


def run(arguments: argparse.Namespace) -> None:
    from tinyvlm.metrics.coco_results import AnswerResults, CaptionResults, read_results

    results = read_results(arguments.predictions, arguments.references, arguments.subset)
    if isinstance(results, CaptionResults):
        score_captions(results)
    elif isinstance(results, AnswerResults):
        score_answers(results)
    else:
        score_boxes(results)


def score_captions(results: CaptionResults) -> None:
    from tinyvlm.metrics.captions import caption_scores

    print_table(caption_scores(results.candidates, results.references))
    references = sum(map(len, results.references))
    print(f"{len(results.candidates)} captions, {references} references")
    print("words are cut by rules that approximate the tokenizer of the COCO caption scorer;")
    print("METEOR has no WordNet and no paraphrases: not comparable with the published program")


def score_boxes(results: BoxResults) -> None:
    from tinyvlm.metrics.boxes import average_precision

    print_table(average_precision(results.found, results.truths))
    found = sum(len(there.boxes) for there in results.found)
    true = sum(len(truth.boxes) for truth in results.truths)
    print(f"{len(results.found)} pictures, {found} boxes found, {true} true boxes")


def score_answers(results: AnswerResults) -> None:
    from tinyvlm.metrics.vqa import accuracies, by_type, short_accuracy

    each = accuracies(results.answers, results.people)
    short = accuracies(results.answers, results.people, form=short_accuracy)
    table = {"accuracy": float(each.mean()), "short form": float(short.mean())}
    for title, types in (("answer", results.answer_types), ("question", results.question_types)):
        means = by_type(each, types) if any(types) else {}
        table |= {f"{title} type {name or 'unnamed'}": mean for name, mean in means.items()}
    print_table(table)
    print(f"{len(results.answers)} questions")


def print_table(scores: dict[str, float]) -> None:
    width = max(map(len, scores))
    for name, score in scores.items():
        print(f"{name:<{width}}  {'-' if math.isnan(score) else f'{score:.4f}'}")
