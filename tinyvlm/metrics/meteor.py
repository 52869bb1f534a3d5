"""METEOR: a caption's words are paired with a reference's, by form, stem or synonym (layer 4).

Denkowski and Lavie 2014, "Meteor Universal"; the formula and the English constants of METEOR 1.5:

    P, R    = sum of weight * (delta content + (1 - delta) function) over the paired words, divided
              by (delta content + (1 - delta) function) of all words, of candidate and reference
    F       = 1 / ((1 - alpha) / P + alpha / R)
    score   = F * (1 - gamma * (chunks / pairs)^beta),      no penalty when all is one chunk
    alpha = .85, beta = .2, gamma = .6, delta = .75;    weight 1 exact, .6 stem, .8 synonym

A chunk is a run of pairs that stand side by side in both sentences. A picture takes its best
reference; the score of a corpus is that of the summed counts, not the mean.

What the published program has and this one lacks: WordNet (synonyms are the caller's table), the
table of paraphrases, and its list of function words (here is a short one of our own). So values
aren't comparable with those of the program: say which modules a number was made with.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence

import numpy as np

from tinyvlm.metrics import sentences
from tinyvlm.metrics.stem import stem

ALPHA, BETA, GAMMA, DELTA = 0.85, 0.2, 0.6, 0.75
WEIGHTS = {"exact": 1.0, "stem": 0.6, "synonym": 0.8}
BEAM = 100  # alignments kept; where no more are possible the best one is found for certain

_FUNCTION_WORDS = """
    a an the this that these those and or but not n't no nor of in on at to from by for with as into
    is are was were be been being am has have had do does did will would can could may might 's it
    its he she they we you i his her their our your there here which who what when where if than
    then
"""
FUNCTION_WORDS = frozenset(_FUNCTION_WORDS.split())

NOWHERE = -2  # no reference word stands there or follows it
Options = list[dict[int, int]]  # by candidate word: {reference word: module}, the first that fits


def meteor(
    candidates: Sequence[str],
    references: Sequence[Sequence[str]],
    modules: Sequence[str] = ("exact", "stem"),
    synonyms: Sequence[Collection[str]] = (),
) -> tuple[float, np.ndarray]:
    """One candidate and its references a picture -> the score of all, and each picture's, (B,).

    modules: of "exact", "stem", "synonym", in the order in which they are tried on two words.
    synonyms: groups of words that mean the same, such as [("big", "large")]. A word in two groups
    belongs to both.
    """
    sentences.check("meteor", candidates, references)
    if not set(modules) <= WEIGHTS.keys() or not modules:
        raise ValueError(f"meteor: modules are of {', '.join(WEIGHTS)}, got {modules!r}")
    if ("synonym" in modules) != bool(synonyms):
        raise ValueError("meteor: the module synonym and a table of synonyms come together")
    groups: dict[str, set[int]] = {}
    for number, group in enumerate(synonyms):
        for word in group:
            groups.setdefault(word, set()).add(number)
    counts, each = [], []
    for candidate, several in zip(candidates, references, strict=True):
        rows = [_counts(candidate.split(), other.split(), modules, groups) for other in several]
        scores = [_score(row, modules) for row in rows]
        each.append(max(scores))
        counts.append(rows[scores.index(max(scores))])
    return _score(np.sum(counts, axis=0), modules), np.array(each)


def _counts(
    words: list[str], others: list[str], modules: Sequence[str], groups: dict[str, set[int]]
) -> np.ndarray:
    """Content and function words, chunks: rows candidate and reference, (2, 3 + 2 * modules).

    Columns: content, function, chunks; then for each module content and function words it paired.
    """
    pairs = align(_options(words, others, modules, groups))
    whole = len(pairs) == len(words) == len(others)
    chunks = 0 if whole and _chunks(pairs) == 1 else _chunks(pairs)  # nothing is out of order
    rows = np.zeros((2, 3 + 2 * len(modules)))
    for row, sentence, place in ((0, words, 0), (1, others, 1)):
        function = [word in FUNCTION_WORDS for word in sentence]
        rows[row, :3] = function.count(False), function.count(True), chunks
        for pair in pairs:
            rows[row, 3 + 2 * pair[2] + function[pair[place]]] += 1
    return rows


def _score(rows: np.ndarray, modules: Sequence[str]) -> float:
    """The formula at the top of the file, from rows as `_counts` gives them."""
    kind = np.array([DELTA, 1 - DELTA])
    weights = [WEIGHTS[module] for module in modules]
    paired = rows[:, 3:].reshape(2, len(modules), 2)  # (2, modules, content and function)
    matched = np.einsum("rmk,m,k->r", paired, weights, kind)
    if not matched.all():
        return 0.0
    precision, recall = matched / (rows[:, :2] @ kind)
    f = 1 / ((1 - ALPHA) / precision + ALPHA / recall)
    return float(f * (1 - GAMMA * (rows[0, 2] / paired[0].sum()) ** BETA))


def _options(
    words: list[str], others: list[str], modules: Sequence[str], groups: dict[str, set[int]]
) -> Options:
    def same(module: str, word: str, other: str) -> bool:
        if module == "exact":
            return word == other
        if module == "stem":
            return stem(word) == stem(other)
        return bool(groups.get(word, set()) & groups.get(other, set()))

    options: Options = []
    for word in words:
        options.append({})
        for j, other in enumerate(others):
            fits = [k for k, module in enumerate(modules) if same(module, word, other)]
            if fits:
                options[-1][j] = fits[0]
    return options


Pair = tuple[int, int, int]  # candidate word, reference word, module
Way = tuple[int, int, int, int, list[Pair]]  # -pairs, places of modules, chunks, distance, pairs


def align(options: Options) -> list[Pair]:
    """The most pairs; of those, by the earliest modules; in the fewest chunks; the least apart.

    Word by word of the candidate all ways to go on are tried, but of those that have used the same
    reference words, and the same one last, only the best is kept.
    """
    ways: dict[tuple[frozenset[int], int], Way] = {(frozenset(), NOWHERE): (0, 0, 0, 0, [])}
    for i, fits in enumerate(options):
        found: dict[tuple[frozenset[int], int], Way] = {}
        for (used, last), way in ways.items():
            for end in [NOWHERE, *(fits.keys() - used)]:
                key, value = (used, NOWHERE), way
                if end != NOWHERE:
                    key, value = (used | {end}, end), _longer(way, last, (i, end, fits[end]))
                if key not in found or value < found[key]:
                    found[key] = value
        best_first = sorted(found.items(), key=lambda item: item[1])
        ways = dict(best_first[:BEAM])
    return min(ways.values())[-1]


def _longer(way: Way, last: int, pair: Pair) -> Way:
    pairs, places, chunks, distance, path = way
    i, j, module = pair
    new_chunk = j != last + 1
    return pairs - 1, places + module, chunks + new_chunk, distance + abs(i - j), [*path, pair]


def _chunks(pairs: list[Pair]) -> int:
    follows = {(i + 1, j + 1) for i, j, _ in pairs}
    return sum((i, j) not in follows for i, j, _ in pairs)
