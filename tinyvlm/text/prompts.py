"""Tasks as words: PaliGemma's prompts, and a prompt with its answer as one row of ids (layer 4).

The model has no switch for a task, only the beginning of the text (Beyer et al. 2024, arXiv
2407.07726). A row of ids is [prompt, bos, answer, eos, padding]: the prompt and bos are the prefix,
which is read whole; the answer and eos are the suffix, which is learned and generated word by word.
One difference: PaliGemma writes bos before the prompt and a newline after it. Here bos alone ends
the prompt, because a word tokenizer has no newline.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

import numpy as np

from tinyvlm.errors import InputError
from tinyvlm.text.tokenizer import Tokenizer, each_text

# How a prompt of each task begins, and what must follow.
TASKS = {"caption en": "", "answer en": "QUESTION", "detect": "THING"}
MOST_TOKENS = 64  # of a prompt


def split_prompt(prompt: str) -> tuple[str, str]:
    """The task of a prompt and what follows it: "detect red star" is "detect", "red star".

    Raises InputError that lists the tasks when the prompt begins with none of them.
    """
    words = prompt.split()
    for task in TASKS:
        start = len(task.split())
        if [word.lower() for word in words[:start]] == task.split():
            return task, " ".join(words[start:])
    tasks = ", ".join(f"{task} {what}".strip() for task, what in TASKS.items())
    raise InputError(f"prompt {quote(prompt)} names no task; begin with one of: {tasks}")


def encode_prompt(tokenizer: Tokenizer, prompt: str, most: int = MOST_TOKENS) -> list[int]:
    """A prompt's ids and bos.

    Raises InputError for a prompt that names no task, one whose question has no words, and one of
    more than `most` tokens: a question cut short would be another question.
    """
    task, rest = split_prompt(prompt)
    what = TASKS[task]
    if what and not tokenizer.encode(rest):
        raise InputError(f"prompt {quote(prompt)} has no word after {task!r}: write the {what}")
    if rest and not what:
        raise InputError(f"prompt {quote(prompt)}: write {task!r} alone, nothing follows it")
    ids = tokenizer.encode(prompt)
    if len(ids) > most:
        raise InputError(
            f"prompt {quote(prompt)} has {len(ids):,} tokens and {most} are read: ask shorter"
        )
    return [*ids, tokenizer.bos_id]


def quote(text: str) -> str:
    """The text in quotation marks on one line, a long one in part."""
    return repr(text if len(text) <= 60 else text[:57] + "...")


def encode_examples(
    tokenizer: Tokenizer, prompts: Sequence[str], answers: Sequence[str]
) -> tuple[np.ndarray, np.ndarray]:
    """For training: ids (B, T) int32 and suffix (B, T) bool, True on an answer and its eos."""
    rows, starts = [], []
    for prompt, answer in zip(each_text(prompts), each_text(answers), strict=True):
        prefix = encode_prompt(tokenizer, prompt)
        starts.append(len(prefix))
        rows.append([*prefix, *tokenizer.encode(answer), tokenizer.eos_id])
    ids = pad(rows, tokenizer.pad_id)
    after_prefix = np.arange(ids.shape[1]) >= np.array(starts)[:, None]  # (B, T)
    return ids, after_prefix & (ids != tokenizer.pad_id)


def pad(
    rows: Sequence[Sequence[int]], pad_id: int, side: Literal["left", "right"] = "right"
) -> np.ndarray:
    """Rows of different lengths as one (B, T) int32, padding on the left or on the right."""
    T = max((len(row) for row in rows), default=0)
    ids = np.full((len(rows), T), pad_id, dtype=np.int32)  # (B, T)
    for i, row in enumerate(rows):
        start = T - len(row) if side == "left" else 0
        ids[i, start : start + len(row)] = row
    return ids
