"""ROUGE-L: how long a caption and a reference agree in order, gaps allowed (layer 4).

Lin 2004; computed as the COCO caption scorer does (Chen et al. 2015, arXiv:1504.00325), with
L = words of the longest common subsequence:

    P = max over references of L / words of the candidate
    R = max over references of L / words of the reference
    F = (1 + beta^2) P R / (R + beta^2 P),   beta = 1.2

Trap: the best P and the best R may come from different references.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from tinyvlm.metrics import sentences

BETA = 1.2


def rouge_l(
    candidates: Sequence[str], references: Sequence[Sequence[str]]
) -> tuple[float, np.ndarray]:
    """One candidate and its references a picture -> the mean, and each picture's F, (B,)."""
    sentences.check("rouge_l", candidates, references)
    each = np.array([_f(*pair) for pair in zip(candidates, references, strict=True)])
    return float(each.mean()), each


def _f(candidate: str, references: Sequence[str]) -> float:
    words = candidate.split(" ")  # an empty sentence is one empty word, here as in the COCO scorer
    precision = recall = 0.0
    for reference in references:
        others = reference.split(" ")
        common = longest_common_subsequence(words, others)
        precision = max(precision, common / len(words))
        recall = max(recall, common / len(others))
    if not precision:
        return 0.0
    return (1 + BETA**2) * precision * recall / (recall + BETA**2 * precision)


def longest_common_subsequence(a: Sequence[str], b: Sequence[str]) -> int:
    """How many words are in both in the same order: 2 for "a b c" and "b a c"."""
    above = [0] * (len(b) + 1)  # above[j]: of the words of a so far, and the first j of b
    for word in a:
        row = [0]
        for j, other in enumerate(b):
            row.append(above[j] + 1 if word == other else max(row[j], above[j + 1]))
        above = row
    return above[-1]
