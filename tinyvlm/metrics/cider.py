"""CIDEr: are a caption's rare n-grams those of its references? (layer 4)

Vedantam et al. 2015, arXiv:1411.5726. A sentence is a vector g of tf-idf weights over n-grams:

    g(w)    = count of w in the sentence * (ln pictures - ln max(1, df(w)))
    df(w)   = pictures of which a reference has w

    CIDEr   = mean over n = 1..4 and references r of  g_c . g_r / (|g_c| |g_r|),  words stemmed
    CIDEr-D = 10 * mean of  min(g_c, g_r) . g_r / (|g_c| |g_r|) * exp(-(l_c - l_r)^2 / (2 sigma^2))

sigma = 6, l is the length in bigrams, and words aren't stemmed: so the COCO caption scorer has it,
whose "CIDEr" is CIDEr-D. Saying a rare word twice pays in the first and not in the second.
Trap: an n-gram that every picture has weighs nothing. One picture alone scores 0 whatever is said,
and a score means something only beside others on the same pictures.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Sequence

import numpy as np

from tinyvlm.metrics import sentences
from tinyvlm.metrics.sentences import Words
from tinyvlm.metrics.stem import stem

LONGEST = 4
SIGMA = 6.0

Vector = dict[Words, float]


def cider_d(
    candidates: Sequence[str], references: Sequence[Sequence[str]]
) -> tuple[float, np.ndarray]:
    """One candidate and its references a picture -> the mean, and each picture's, (B,); 0 to 10."""
    sentences.check("cider_d", candidates, references)
    weights = _Weights(references)
    each = []
    for candidate, several in zip(candidates, references, strict=True):
        likeness = [
            _cosine(weights.of(candidate), weights.of(reference), clip=True)
            * math.exp(-((_bigrams(candidate) - _bigrams(reference)) ** 2) / (2 * SIGMA**2))
            for reference in several
        ]
        each.append(10 * sum(likeness) / len(likeness))
    return float(np.mean(each)), np.array(each)


def cider(
    candidates: Sequence[str], references: Sequence[Sequence[str]]
) -> tuple[float, np.ndarray]:
    """The first form, 0 to 1 (the authors' later code multiplies it by 10 and doesn't stem)."""
    sentences.check("cider", candidates, references)
    references = [[_stemmed(reference) for reference in several] for several in references]
    weights = _Weights(references)
    each = []
    for candidate, several in zip(candidates, references, strict=True):
        mine = weights.of(_stemmed(candidate))
        likeness = [_cosine(mine, weights.of(reference), clip=False) for reference in several]
        each.append(sum(likeness) / len(likeness))
    return float(np.mean(each)), np.array(each)


class _Weights:
    """tf-idf, by the document frequencies of these references."""

    def __init__(self, references: Sequence[Sequence[str]]) -> None:
        self.log_pictures = math.log(len(references))
        self.frequency: Counter[Words] = Counter()
        for several in references:
            words = [reference.split() for reference in several]
            for n in range(1, LONGEST + 1):
                self.frequency.update({w for each in words for w in sentences.ngrams(each, n)})

    def of(self, sentence: str) -> list[Vector]:
        """g for n = 1, 2, 3, 4."""
        words = sentence.split()
        return [
            {w: count * self._idf(w) for w, count in sentences.ngrams(words, n).items()}
            for n in range(1, LONGEST + 1)
        ]

    def _idf(self, w: Words) -> float:
        return self.log_pictures - math.log(max(1, self.frequency[w]))


def _cosine(candidate: list[Vector], reference: list[Vector], clip: bool) -> float:
    """The mean over n; a vector of zeros is like nothing. clip: a weight counts up to the other."""
    total = 0.0
    for c, r in zip(candidate, reference, strict=True):
        common = sum((min(c[w], r[w]) if clip else c[w]) * r[w] for w in c.keys() & r.keys())
        lengths = math.hypot(*c.values()) * math.hypot(*r.values())
        total += common / lengths if lengths else 0.0
    return total / LONGEST


def _bigrams(sentence: str) -> int:
    return max(len(sentence.split()) - 1, 0)


def _stemmed(sentence: str) -> str:
    return " ".join(stem(word) for word in sentence.split())
