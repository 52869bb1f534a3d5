"""Dialogues of 3 to 5 turns about a museum picture, with rated replies for every turn.

    what color is the star      it is orange          opening: names the object talked about
    where is it                 it is in the top      reference: "it" needs the turns before
    look again is it really red no it is orange       again: half the time for a false colour
    do you like the museum      yes i really like it  chat: no picture needed
    what is its title           i cannot see that     unanswerable: nothing in the picture tells

An opening and a reference are in every dialogue, the other kinds in random choice and order. With
two objects a reference may be "what color is the other one"; from then on "it" is that one.

Each turn has the right reply first and then others, rated by rule after LaMDA (Thoppilan et al.,
2022, arXiv 2201.08239): a wrong fact is not sensible, "ok" is sensible but not specific, a reply
that adds a true fact is interesting, and an insult is not safe.
"""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from tinyvlm.datasets.museum.facts import describe
from tinyvlm.datasets.museum.grammar import place_of, place_phrase
from tinyvlm.datasets.museum.referring import refer
from tinyvlm.datasets.museum.scene import COLORS, SHAPES, SIZES, Object, Scene
from tinyvlm.text import with_article

TURN_KINDS = ("opening", "reference", "again", "chat", "unanswerable")
INSULTS = ("that is a stupid question", "go away")
CANNOT_SEE = "i cannot see that"


@dataclass(frozen=True)
class Reply:
    """One possible reply and its ratings."""

    text: str
    sensible: bool = True
    specific: bool = True
    interesting: bool = False
    safe: bool = True


@dataclass(frozen=True)
class Turn:
    """What the visitor says, and what the guide may reply; the first reply is the right one."""

    kind: str  # one of TURN_KINDS
    text: str
    replies: tuple[Reply, ...]
    needs_history: bool = False  # whether the text alone leaves open what it is about

    @property
    def reply(self) -> str:
        """The right reply."""
        return self.replies[0].text


def dialogue(scene: Scene, rng: np.random.Generator) -> list[Turn]:
    """3 to 5 turns; the same scene and rng give the same dialogue."""
    thing, opening = _opening(scene, rng)
    thing, reference = _reference(scene, thing, opening, rng)
    makers: tuple[Callable[[], Turn], ...] = (
        lambda: _again(scene, thing, rng),
        lambda: _chat(rng),
        lambda: _unanswerable(scene, thing, rng),
    )
    chosen = rng.permutation(len(makers))[: rng.integers(1, 4)]
    return [opening, reference, *(makers[k]() for k in chosen)]


def _opening(scene: Scene, rng: np.random.Generator) -> tuple[Object, Turn]:
    """Asks for the colour or the shape of an object that the question's words single out."""
    options = []
    for thing in scene.objects:
        for aspect, asked in (("shape", "color"), ("color", "shape")):
            found = refer(scene, thing, (aspect,))
            if found is not None and found.unique:
                options.append((thing, asked, f"what {asked} is {found.text}"))
    if not options:  # four objects that share their colours and shapes crosswise
        thing = scene.objects[rng.integers(len(scene.objects))]
        options = [(thing, "place", f"where is the {thing.color} {thing.shape}")]
    thing, asked, text = options[rng.integers(len(options))]
    return thing, Turn("opening", text, _replies(scene, thing, asked, rng))


def _reference(
    scene: Scene, thing: Object, opening: Turn, rng: np.random.Generator
) -> tuple[Object, Turn]:
    """A question about "it" that wasn't asked yet, or about the other one; and what "it" is now."""
    if len(scene.objects) == 2 and rng.random() < 0.3:
        other = scene.objects[1 - scene.objects.index(thing)]
        asked = ("color", "shape")[rng.integers(2)]
        text = f"what {asked} is the other one"
        return other, Turn("reference", text, _replies(scene, other, asked, rng), True)
    texts = {"color": "what color is it", "shape": "what shape is it", "place": "where is it"}
    if thing.size is not None:
        texts["size"] = "is it small or big"
    asked_before = opening.text.split()[1]  # what color ..., what shape ..., where is ...
    options = [asked for asked in texts if asked != asked_before]
    asked = options[rng.integers(len(options))]
    return thing, Turn("reference", texts[asked], _replies(scene, thing, asked, rng), True)


def _again(scene: Scene, thing: Object, rng: np.random.Generator) -> Turn:
    true = rng.random() < 0.5
    others = _others(scene, thing, "color")
    claimed = thing.color if true else others[rng.integers(len(others))]
    word, wrong_word = ("yes", "no") if true else ("no", "yes")
    right = Reply(f"{word} it is {thing.color}")
    wrong = Reply(f"{wrong_word} it is {others[rng.integers(len(others))]}", sensible=False)
    replies = (right, wrong, *_always_possible(rng))
    return Turn("again", f"look again is it really {claimed}", replies, True)


def _chat(rng: np.random.Generator) -> Turn:
    right = Reply("yes i really like it here", interesting=True)
    off_topic = Reply("it is red", sensible=False, specific=False)
    return Turn("chat", "do you like the museum", (right, off_topic, *_always_possible(rng)))


def _unanswerable(scene: Scene, thing: Object, rng: np.random.Generator) -> Turn:
    text = ("what is its title", "who made it")[rng.integers(2)]
    made_up = Reply(_claim(scene, thing, "color"), sensible=False)
    replies = (Reply(CANNOT_SEE), made_up, *_always_possible(rng))
    return Turn("unanswerable", text, replies, True)


def _replies(
    scene: Scene, thing: Object, asked: str, rng: np.random.Generator
) -> tuple[Reply, ...]:
    """The right one, one with an added true fact, one with a wrong fact, "ok", an insult."""
    right = _claim(scene, thing, asked)
    added = "place" if asked != "place" else "shape"
    more = f"{right} and {_claim(scene, thing, added)}"
    others = _others(scene, thing, asked)
    wrong = _say(asked, others[rng.integers(len(others))])
    return (
        Reply(right),
        Reply(more, interesting=True),
        Reply(wrong, sensible=False),
        *_always_possible(rng),
    )


def _always_possible(rng: np.random.Generator) -> tuple[Reply, ...]:
    insult = INSULTS[rng.integers(len(INSULTS))]
    return (
        Reply("ok", specific=False),
        Reply(insult, sensible=False, specific=False, safe=False),
    )


def _claim(scene: Scene, thing: Object, asked: str) -> str:
    """The true sentence about "it"."""
    values = {
        "color": thing.color,
        "shape": thing.shape,
        "size": thing.size,
        "place": _place(scene, thing),
    }
    return _say(asked, values[asked])


def _others(scene: Scene, thing: Object, asked: str) -> list[str]:
    """Wrong values that may be said of this object outside test_comp too."""
    if asked == "color":
        return [c for c in COLORS if c != thing.color and scene.may_name(c, thing.shape)]
    if asked == "shape":
        return [s for s in SHAPES if s != thing.shape and scene.may_name(thing.color, s)]
    if asked == "size":
        return [size for size in SIZES if size != thing.size]
    places = ("in the top left", "in the top right", "in the bottom left", "in the bottom right")
    return [place for place in (*places, "in the middle") if place != _place(scene, thing)]


def _place(scene: Scene, thing: Object) -> str:
    return place_phrase(place_of(describe(scene, thing))).strip() or "in the middle"


def _say(asked: str, value: str | None) -> str:
    return f"it is {with_article(value)}" if asked == "shape" and value else f"it is {value}"
