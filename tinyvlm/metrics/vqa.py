"""VQA accuracy: an answer is as right as people agree with it (layer 4).

Antol et al. 2015, arXiv:1505.00468; Goyal et al. 2017, arXiv:1612.00837. Ten people have answered
each question, and the rules are those of the official evaluation:

    accuracy = mean over the people i of  min(others than i who gave the answer / 3, 1)

so an answer that 1, 2, 3, 4 of the ten gave has .3, .6, .9, 1. `short_accuracy` is the formula that
papers print, min(people / 3, 1): 1/3, 2/3, 1, 1.

Before they are compared, answers are normalised: lower case, number words to digits, no articles,
no punctuation, forgotten apostrophes put in. Trap: only where people don't all say the same. If all
ten say "yes", the answer "Yes" is wrong.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence

import numpy as np

NUMBERS = {"none": "0", "zero": "0", "one": "1", "two": "2", "three": "3", "four": "4"}
NUMBERS |= {"five": "5", "six": "6", "seven": "7", "eight": "8", "nine": "9", "ten": "10"}
ARTICLES = {"a", "an", "the"}
PUNCTUATION = ';/[]"{}()=+\\_-><@`,?!'
COMMA_IN_NUMBER = re.compile(r"\d,\d")
POINT = re.compile(r"\.(?!\d)")

_CONTRACTIONS = """
    ain't aren't can't could've couldn't couldn't've didn't doesn't don't hadn't hadn't've hasn't
    haven't he'd he'd've he's how'd how'll how's isn't it'd it'd've it'll ma'am mightn't mightn't've
    might've mustn't must've needn't not've o'clock oughtn't shan't she'd've should've shouldn't
    shouldn't've somebody'd've somebody'll somebody's someone'd someone'd've someone'll someone's
    something'd something'd've something'll that's there'd there'd've there're there's they'd
    they'd've they'll they're they've 'twas wasn't we'd've we've weren't what'll what're what's
    what've when's where'd where's where've who'd who'd've who'll who's who've why'll why're why's
    won't would've wouldn't wouldn't've y'all y'all'll y'all'd've you'd you'd've you'll you're
    you've 'ow's'at
"""


def _forgetful(word: str) -> list[str]:
    """The word without one of its apostrophes, each in turn."""
    return [word[:k] + word[k + 1 :] for k, letter in enumerate(word) if letter == "'"]


CONTRACTIONS = {said: word for word in _CONTRACTIONS.split() for said in _forgetful(word)}
CONTRACTIONS["somebody'd"] = "somebodyd"  # a slip in the official table


def normalize(answer: str) -> str:
    """ "The Two-dogs!" -> "2 dogs", as the official evaluation does it."""
    text = answer
    for mark in PUNCTUATION:
        at_a_blank = f"{mark} " in answer or f" {mark}" in answer
        text = text.replace(mark, "" if at_a_blank or COMMA_IN_NUMBER.search(answer) else " ")
    words = [NUMBERS.get(word, word) for word in POINT.sub("", text).lower().split()]
    return " ".join(CONTRACTIONS.get(word, word) for word in words if word not in ARTICLES)


def accuracy(answer: str, people: Sequence[str]) -> float:
    """The official form. Raises ValueError for fewer than two people: nobody would be left out."""
    if len(people) < 2:
        raise ValueError(f"accuracy: expected the answers of two people or more, got {people!r}")
    agree = _agree(answer, people)
    return sum(min((sum(agree) - one) / 3, 1) for one in agree) / len(agree)


def short_accuracy(answer: str, people: Sequence[str]) -> float:
    """min(people who gave the answer / 3, 1)."""
    return min(sum(_agree(answer, people)) / 3, 1.0)


def _agree(answer: str, people: Sequence[str]) -> list[bool]:
    """Of each person, whether he gave the answer."""
    answer, people = _one_line(answer), [_one_line(other) for other in people]
    if len(set(people)) > 1:
        answer, people = normalize(answer), [normalize(other) for other in people]
    return [other == answer for other in people]


def _one_line(answer: str) -> str:
    return answer.replace("\n", " ").replace("\t", " ").strip()


def accuracies(
    answers: Sequence[str],
    people: Sequence[Sequence[str]],
    form: Callable[[str, Sequence[str]], float] = accuracy,
) -> np.ndarray:
    """One answer and its people's answers a question -> (Q,); `form` may be short_accuracy."""
    if len(answers) != len(people) or not answers:
        raise ValueError(f"accuracies: {len(answers)} answers, but people's to {len(people)}")
    return np.array([form(*pair) for pair in zip(answers, people, strict=True)])


def by_type(each: np.ndarray, types: Sequence[str]) -> dict[str, float]:
    """The mean of each type of question, by its name: each (Q,), types Q strings."""
    if len(each) != len(types):
        raise ValueError(f"by_type: {len(each)} accuracies, but {len(types)} types")
    of_type: dict[str, list[float]] = {}
    for value, name in zip(each.tolist(), types, strict=True):
        of_type.setdefault(name, []).append(value)
    return {name: sum(values) / len(values) for name, values in sorted(of_type.items())}
