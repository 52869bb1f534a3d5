"""museum-eval-v1: the frozen scenes on which every one-object result of this project is measured.

One object of radius 9 to 13 px anywhere on 32 x 32 px, plain wall, seed 0: 400 scenes of the ten
withheld pairs (40 each, split test_comp) and 380 of the seen pairs (10 each, split test_iid).
Chance is 1/48; a model that only sees colours scores about 1/6, one that only sees shapes 1/8.
"""

import itertools
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from tinyvlm.datasets.museum.generator import ONE_OBJECT, Museum, MuseumConfig
from tinyvlm.datasets.museum.scene import SEEN, WITHHELD, Scene, digest

SHA256 = "dbbe6f26d9dd552bda2d39985930814601ed347c44a61895284bdcd8c6244fa8"
WITHHELD_EACH = 40
SEEN_EACH = 10


@dataclass(frozen=True)
class EvaluationSet:
    """Frozen scenes and their fingerprint, to be quoted beside every result."""

    name: str
    config: MuseumConfig  # the objects' radius and number, the picture's size
    withheld: tuple[Scene, ...]
    seen: tuple[Scene, ...]
    sha256: str  # of the scenes, withheld ones first


def museum_eval_v1() -> EvaluationSet:
    """The evaluation set; RuntimeError when the scenes made here are not the frozen ones."""
    withheld = first_of_each(endless(Museum(ONE_OBJECT, "test_comp")), WITHHELD, WITHHELD_EACH)
    seen = first_of_each(endless(Museum(ONE_OBJECT, "test_iid")), SEEN, SEEN_EACH)
    found = digest((*withheld, *seen))
    if found != SHA256:
        raise RuntimeError(
            f"museum-eval-v1 has SHA-256 {found} and not the frozen {SHA256}: the generator "
            "changed. Undo that, or freeze a new version under a new name"
        )
    return EvaluationSet("museum-eval-v1", ONE_OBJECT, withheld, seen, found)


def endless(museum: Museum) -> Iterator[Scene]:
    """Every scene of a museum, from the first on."""
    return (museum[index] for index in itertools.count())


def first_of_each(
    scenes: Iterable[Scene], pairs: tuple[tuple[str, str], ...], each: int
) -> tuple[Scene, ...]:
    """The first `each` one-object scenes of every pair, in their order; no more are looked at."""
    taken: Counter = Counter()
    kept: list[Scene] = []
    for scene in scenes:
        pair = scene.objects[0].pair
        if pair in pairs and taken[pair] < each:
            taken[pair] += 1
            kept.append(scene)
        if len(kept) == each * len(pairs):
            break
    return tuple(kept)
