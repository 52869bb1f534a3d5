"""Referring expressions: "the red object", "the small circle", for pointing, boxing and masking.

For every object the shortest descriptions that nothing else in the picture answers to, and, flagged
by having several targets, the one-word descriptions that leave it open which object is meant. An
object counts as a possible target also when a person might hesitate: a size between small and big
answers to both, and a centre just across a border still counts as being on this side.
"""

from dataclasses import dataclass
from itertools import combinations

from tinyvlm.datasets.museum.facts import Description, describe
from tinyvlm.datasets.museum.grammar import noun_phrase, place_of, place_phrase
from tinyvlm.datasets.museum.scene import Object, Scene

DOUBT = 0.05  # of the picture's side: how far across a border a place word may still be meant
_ASPECTS = ("shape", "color", "size", "place")  # of equally long descriptions the first is liked


@dataclass(frozen=True)
class Referring:
    """A description and the objects it may mean."""

    text: str  # "the red circle"
    claim: Description
    targets: tuple[int, ...]  # indices into scene.objects; exactly one when it is unique

    @property
    def unique(self) -> bool:
        """Whether only one object can be meant."""
        return len(self.targets) == 1


def referring_expressions(scene: Scene) -> list[Referring]:
    """All shortest unique expressions of every object, then the ambiguous ones of one aspect."""
    unique: dict[str, Referring] = {}
    ambiguous: dict[str, Referring] = {}
    for thing in scene.objects:
        for length in range(1, len(_ASPECTS) + 1):
            made = _expressions(scene, thing, length)
            unique.update({each.text: each for each in made if each.unique})
            if length == 1:
                ambiguous.update({each.text: each for each in made if not each.unique})
            if any(each.unique for each in made):
                break
    return [*unique.values(), *ambiguous.values()]


def refer(scene: Scene, thing: Object, aspects: tuple[str, ...]) -> Referring | None:
    """The description by some of "shape", "color", "size", "place"; None where one has no name."""
    full = describe(scene, thing)
    place = place_of(full)
    if ("size" in aspects and full.size is None) or ("place" in aspects and not any(place)):
        return None
    claim = Description(
        color=full.color if "color" in aspects else None,
        shape=full.shape if "shape" in aspects else None,
        size=full.size if "size" in aspects else None,
        column=place.column if "place" in aspects else None,
        row=place.row if "place" in aspects else None,
    )
    targets = tuple(i for i, each in enumerate(scene.objects) if _may_mean(claim, scene, each))
    return Referring(f"the {noun_phrase(claim)}{place_phrase(claim)}", claim, targets)


def _expressions(scene: Scene, thing: Object, length: int) -> list[Referring]:
    made = (refer(scene, thing, aspects) for aspects in combinations(_ASPECTS, length))
    return [each for each in made if each is not None]


def _may_mean(claim: Description, scene: Scene, thing: Object) -> bool:
    x = thing.x / scene.size_px
    y = thing.y / scene.size_px
    near = {
        "left": x < 0.4 + DOUBT,
        "right": x > 0.6 - DOUBT,
        "top": y < 0.4 + DOUBT,
        "bottom": y > 0.6 - DOUBT,
    }
    return (
        claim.color in (None, thing.color)
        and claim.shape in (None, thing.shape)
        and (claim.size is None or thing.size in (None, claim.size))
        and (claim.column is None or near[claim.column])
        and (claim.row is None or near[claim.row])
    )
