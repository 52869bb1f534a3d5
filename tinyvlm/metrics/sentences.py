"""What every caption metric starts from: words, n-grams, and one candidate with its references.

A sentence is a string of words with single blanks between them, as `ptb.tokenize` makes it
(layer 4).
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

Words = tuple[str, ...]


def ngrams(words: Sequence[str], n: int) -> Counter[Words]:
    """How often each run of n words occurs: those of ("a", "b", "a") for n = 1 are a 2, b 1."""
    return Counter(tuple(words[k : k + n]) for k in range(len(words) - n + 1))


def check(metric: str, candidates: Sequence[str], references: Sequence[Sequence[str]]) -> None:
    """Raises ValueError unless every picture has one candidate and at least one reference."""
    if len(candidates) != len(references) or not candidates:
        raise ValueError(
            f"{metric}: expected one candidate and a list of references for each of some pictures, "
            f"got {len(candidates)} candidates and {len(references)} lists"
        )
    for k, (candidate, several) in enumerate(zip(candidates, references, strict=True)):
        if isinstance(several, str) or not several:
            raise ValueError(f"{metric}: picture {k} has no list of references, but {several!r}")
        if not all(isinstance(sentence, str) for sentence in (candidate, *several)):
            raise ValueError(f"{metric}: a sentence of picture {k} is no string")
