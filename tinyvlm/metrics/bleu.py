"""BLEU: the share of a caption's n-grams that a reference has too (layer 4).

Papineni et al. 2002; computed as the COCO caption scorer does (Chen et al. 2015, arXiv:1504.00325):

    right_k   = sum over pictures, over k-grams, of min(count, highest count in one reference)
    p_k       = (right_k + 1e-15) / (said_k + 1e-9)
    c, r      = lengths summed over pictures; a picture's r is the reference length closest to its c
    brevity   = exp(1 - r / c) if c < r else 1        (both with the same epsilons)
    BLEU-n    = brevity * (p_1 ... p_n)^(1/n)

There is no other smoothing, so a caption without a common 4-gram has a BLEU-4 near 0, not 0.
Trap: nothing can be said of a k-gram that isn't there, and 1e-15 / 1e-9 is small: an identical
caption of 3 words has a BLEU-4 of .0316. Single captions need 4 words; corpora don't mind.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from tinyvlm.metrics import sentences

LONGEST = 4
TINY, SMALL = 1e-15, 1e-9  # so that 0 / 0 is 0


def bleu(
    candidates: Sequence[str], references: Sequence[Sequence[str]]
) -> tuple[np.ndarray, np.ndarray]:
    """One candidate and its references a picture -> BLEU-1 to 4 of all, (4,), and each, (B, 4).

    The first is no mean of the second: counts are summed before they are divided.
    """
    sentences.check("bleu", candidates, references)
    counts = np.array([_counts(*pair) for pair in zip(candidates, references, strict=True)])
    return _score(counts.sum(axis=0)), _score(counts)


def _counts(candidate: str, references: Sequence[str]) -> list[int]:
    """right_1 to right_4, said_1 to said_4, c, r."""
    words, others = candidate.split(), [reference.split() for reference in references]
    right, said = [], []
    for n in range(1, LONGEST + 1):
        most = sentences.ngrams([], n)
        for other in others:
            most |= sentences.ngrams(other, n)
        mine = sentences.ngrams(words, n)
        right.append((mine & most).total())
        said.append(mine.total())
    closest = min((abs(len(other) - len(words)), len(other)) for other in others)[1]
    return [*right, *said, len(words), closest]


def _score(counts: np.ndarray) -> np.ndarray:
    """(..., 10) as from `_counts` -> (..., 4)"""
    right, said = counts[..., :LONGEST], counts[..., LONGEST : 2 * LONGEST]
    precision = (right + TINY) / (said + SMALL)
    mean = np.cumprod(precision, axis=-1) ** (1 / np.arange(1, LONGEST + 1))
    ratio = (counts[..., -2:-1] + TINY) / (counts[..., -1:] + SMALL)
    return mean * np.exp(np.minimum(1 - 1 / ratio, 0))
