"""A picture under a veil, lit where a word looks: one layer of light for each word."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from PIL import Image

from tinyvlm import show
from tinyvlm.page.fragments import escape, framed

HEAT_PX = 192  # longer side of a layer of light; the browser smooths it


@dataclass(frozen=True)
class WordMap:
    """A picture and, for every word, the similarity of each of its patches with that word."""

    picture: np.ndarray  # (Y, X, 3) uint8
    words: Sequence[str]
    heats: np.ndarray  # (words, rows, cols)

    def __post_init__(self) -> None:
        if len(self.words) == 0 or len(self.words) != len(self.heats):
            raise ValueError(
                f"WordMap: one heat (rows, cols) for each word, at least one, expected;"
                f" got {len(self.words)} words and heats {np.shape(self.heats)}"
            )


def word_map(item: WordMap) -> str:
    """The picture with one layer of light a word, and the words as buttons below.

    The word whose heat has the sharpest peak is lit at first, also where scripts don't run.
    """
    heats = np.asarray(item.heats, dtype=np.float64)  # (words, rows, cols)
    peaks = heats.max(axis=(1, 2)) - np.median(heats, axis=(1, 2))
    first = int(peaks.argmax())
    layers, buttons = [], []
    for i, (word, heat) in enumerate(zip(item.words, heats, strict=True)):
        lit = " lit" if i == first else ""
        layers.append(f'<img class="heat{lit}" src="{_heat_uri(item.picture, heat)}" alt="">')
        buttons.append(
            f'<button type="button" aria-pressed="{str(i == first).lower()}"'
            f' data-says="{escape(says(word, heat))}">{escape(word)}</button>'
        )
    sentence = " ".join(item.words)
    return (
        f'<figure class="words">{framed(item.picture, sentence, "".join(layers), target=256)}'
        f'<figcaption><div class="sentence" role="group" aria-label="words">{" ".join(buttons)}'
        f'</div><p class="says" aria-live="polite">{escape(says(item.words[first], heats[first]))}'
        "</p></figcaption></figure>"
    )


def says(word: str, heat: np.ndarray) -> str:
    """What the light shows, in words: where it is brightest, and the range of its values."""
    row, col = np.unravel_index(heat.argmax(), heat.shape)
    down = ("top", "", "bottom")[int(3 * row // heat.shape[0])]
    across = ("left", "", "right")[int(3 * col // heat.shape[1])]
    place = (
        f"at the {down} {across}".replace("  ", " ").strip() if down or across else "in the middle"
    )
    numbers = f"{heat.min():.2f} to {heat.max():.2f}".replace("-", "−")
    return f"“{word}” is brightest {place}; similarity {numbers}"


def _heat_uri(picture: np.ndarray, heat: np.ndarray) -> str:
    height, width = picture.shape[:2]
    longest = max(height, width)
    size = (max(1, HEAT_PX * width // longest), max(1, HEAT_PX * height // longest))
    layer = show.veil(heat, size).quantize(64, method=Image.Quantize.FASTOCTREE)
    return show.data_uri(layer)  # a quarter of the bytes of the unquantised layer
