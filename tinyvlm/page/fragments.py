"""What hangs on the walls: one value for each kind of thing, and one function that makes it HTML.

Every text passes through `escape`. Pictures stand in the page at their own size, a few KB each, and
are enlarged by the browser without smoothing: one sees the pixels that the model sees.
"""

import html
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from PIL import Image

from tinyvlm import show


@dataclass(frozen=True)
class Exhibit:
    """A picture, its true name, and what the model said."""

    picture: np.ndarray  # (Y, X, 3) uint8
    truth: str
    answers: Sequence[tuple[str, float]]  # best first: name, probability

    @property
    def is_right(self) -> bool:
        return self.answers[0][0] == self.truth


@dataclass(frozen=True)
class Hit:
    """One picture that a search brought up."""

    picture: np.ndarray  # (Y, X, 3) uint8
    truth: str
    score: float  # cosine similarity
    is_right: bool


@dataclass(frozen=True)
class Search:
    """A sentence and the pictures nearest to it, best first."""

    query: str
    hits: Sequence[Hit]


def escape(text: str) -> str:
    """Text made safe for HTML, in an element as in a quoted attribute."""
    return html.escape(str(text), quote=True)


def share(value: float) -> str:
    """A measured share: 0.634 is 63 %, 0.021 is 2.1 %."""
    percent = 100 * value
    return f"{percent:.1f} %" if 0 < percent < 9.95 or 99.5 <= percent < 100 else f"{percent:.0f} %"


def sureness(probability: float) -> str:
    """A probability in whole percent that never claims certainty: at most >99 %, at least <1 %."""
    if probability > 0.99:
        return ">99 %"
    return f"{100 * probability:.0f} %" if probability >= 0.01 else "<1 %"


def framed(picture: np.ndarray, alt: str, layers: str = "", target: int = 128) -> str:
    """A picture in a frame, enlarged by a whole factor to at most `target` CSS pixels.

    layers: HTML that lies over the picture.
    """
    longest = max(picture.shape[:2])
    large = longest > target
    image = show.enlarge(picture, target) if large else Image.fromarray(picture)
    side = target if large else target // longest * longest
    width, height = image.size
    return (
        f'<div class="frame" style="--side:{side}px;--shape:{width}/{height}">'
        f'<img class="picture" src="{show.data_uri(image)}" alt="{escape(alt)}"'
        f' width="{width}" height="{height}">{layers}</div>'
    )


def exhibit(item: Exhibit, most: int = 3, target: int = 128) -> str:
    """The picture in its frame and beside it the label: the best answers, and right or wrong."""
    kinds = {True: '<li class="true">', False: "<li>"}
    bars = "".join(
        f"{kinds[name == item.truth]}{sure_of(name, p)}</li>" for name, p in item.answers[:most]
    )
    return (
        f'<figure class="exhibit">{framed(item.picture, item.truth, target=target)}'
        f'<figcaption class="label"><ol class="answers">{bars}</ol>'
        f"{verdict(item.is_right, f'it is {item.truth}')}</figcaption></figure>"
    )


def sure_of(name: str, probability: float) -> str:
    """A name, how sure the model is of it in percent, and the same as a bar."""
    return (
        f"<span>{escape(name)}</span> <span>{sureness(probability)}</span>"
        f'<i style="--p:{probability:.3f}"></i>'
    )


def verdict(is_right: bool, truth: str) -> str:
    """Right, or wrong and what is so."""
    if is_right:
        return '<p class="verdict right">right</p>'
    return f'<p class="verdict wrong">wrong: {escape(truth)}</p>'


def search(item: Search) -> str:
    """The sentence, how many of its pictures are right, and the pictures in order."""
    right = sum(hit.is_right for hit in item.hits)
    hits = "".join(_hit(hit) for hit in item.hits)
    return (
        f'<article class="search"><h3>“{escape(item.query)}”</h3>'
        f"<p>{right} of {len(item.hits)} right</p><ol>{hits}</ol></article>"
    )


def _hit(hit: Hit) -> str:
    kind, word = ("right", "right") if hit.is_right else ("wrong", escape(hit.truth))
    return (
        f'<li>{framed(hit.picture, hit.truth)}<p class="label">'
        f'<span class="verdict {kind}">{word}</span> <span>{hit.score:.2f}</span></p></li>'
    )
