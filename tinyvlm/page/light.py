"""A picture under a veil, lit where a word looks: one layer of light for each word."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from PIL import Image

from tinyvlm import show
from tinyvlm.page.fragments import escape, framed, sureness

HEAT_PX = 192  # longer side of a layer of light; the browser smooths it


@dataclass(frozen=True)
class WordMap:
    """A picture and, for every word, how much each of its patches has to do with that word."""

    picture: np.ndarray  # (Y, X, 3) uint8
    words: Sequence[str]
    heats: np.ndarray  # (words, rows, cols)
    probabilities: Sequence[float] = ()  # of each word, where the model chose the words itself
    measure: str = "similarity"  # what a heat is

    def __post_init__(self) -> None:
        if len(self.words) == 0 or len(self.words) != len(self.heats):
            raise ValueError(
                f"WordMap: one heat (rows, cols) for each word, at least one, expected;"
                f" got {len(self.words)} words and heats {np.shape(self.heats)}"
            )
        if len(self.probabilities) not in (0, len(self.words)):
            raise ValueError(
                f"WordMap: a probability for each of {len(self.words)} words or none expected;"
                f" got {len(self.probabilities)}"
            )

    def says(self, i: int) -> str:
        """What the light of word i shows, in words, and how sure the model was of the word."""
        shown = says(self.words[i], self.heats[i], self.measure)
        sure = f"; {sureness(self.probabilities[i])} sure" if self.probabilities else ""
        return shown + sure


def word_map(item: WordMap) -> str:
    """The picture with one layer of light a word, and the words as buttons below.

    The word whose heat has the sharpest peak is lit at first, also where scripts don't run. Where
    probabilities are known, a bar in each button shows the word's.
    """
    heats = np.asarray(item.heats, dtype=np.float64)  # (words, rows, cols)
    peaks = heats.max(axis=(1, 2)) - np.median(heats, axis=(1, 2))
    first = int(peaks.argmax())
    bars = [f'<i style="--p:{p:.3f}"></i>' for p in item.probabilities] or [""] * len(heats)
    layers, buttons = [], []
    for i, (word, heat, bar) in enumerate(zip(item.words, heats, bars, strict=True)):
        lit = " lit" if i == first else ""
        layers.append(f'<img class="heat{lit}" src="{_heat_uri(item.picture, heat)}" alt="">')
        buttons.append(
            f'<button type="button" aria-pressed="{str(i == first).lower()}"'
            f' data-says="{escape(item.says(i))}">{escape(word)}{bar}</button>'
        )
    sentence = " ".join(item.words)
    return (
        f'<figure class="words">{framed(item.picture, sentence, "".join(layers), target=256)}'
        f'<figcaption><div class="sentence" role="group" aria-label="words">{" ".join(buttons)}'
        f'</div><p class="says" aria-live="polite">{escape(item.says(first))}'
        "</p></figcaption></figure>"
    )


def says(word: str, heat: np.ndarray, measure: str = "similarity") -> str:
    """What the light shows, in words: where it is brightest, and the range of its values."""
    row, col = np.unravel_index(heat.argmax(), heat.shape)
    down = ("top", "", "bottom")[int(3 * row // heat.shape[0])]
    across = ("left", "", "right")[int(3 * col // heat.shape[1])]
    place = (
        f"at the {down} {across}".replace("  ", " ").strip() if down or across else "in the middle"
    )
    numbers = f"{heat.min():.2f} to {heat.max():.2f}".replace("-", "−")
    return f"“{word}” is brightest {place}; {measure} {numbers}"


def _heat_uri(picture: np.ndarray, heat: np.ndarray) -> str:
    height, width = picture.shape[:2]
    longest = max(height, width)
    size = (max(1, HEAT_PX * width // longest), max(1, HEAT_PX * height // longest))
    layer = show.veil(heat, size).quantize(64, method=Image.Quantize.FASTOCTREE)
    return show.data_uri(layer)  # a quarter of the bytes of the unquantised layer
