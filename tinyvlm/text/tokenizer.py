"""What every tokenizer of the library can do: text to ids, ids to text, texts to one (B, T) array.

Ids 0 to 3 are the same in all of them: padding, beginning of text, end of text, unknown. As padding
is never anything else, a padding mask is `ids != tokenizer.pad_id`; and as end-of-text occurs once
in a row, a model that pools there (CLIP) finds it by `ids == tokenizer.eos_id`.
Trap: OpenAI's CLIP pads with 0, which in its vocabulary is "!", and finds the end of text with
argmax, because there it has the largest id. Neither holds here.
"""

from abc import ABC, abstractmethod
from collections.abc import Iterable, Iterator, Sequence
from typing import Any, Self

import numpy as np

from tinyvlm.errors import InputError

# Inside [...] of a regex: ASCII punctuation, then the Latin, typographic, CJK and full-width marks.
# Trap: \W would be shorter, but calls the vowel signs of Hindi and every emoji punctuation.
PUNCTUATION = r"!-/:-@\[-`{-~¡«»¿\u2010-\u2027\u3001-\u301f\uff01-\uff0f"


class Tokenizer(ABC):
    """Text to ids and back; `WordTokenizer` and `BytePairTokenizer` are the two ways to do it."""

    kind: str  # the name it carries in a checkpoint
    pad_id = 0
    bos_id = 1
    eos_id = 2
    unk_id = 3
    num_specials = 4  # the vocabulary proper starts at this id

    @property
    @abstractmethod
    def vocab_size(self) -> int:
        """V: one more than the largest id, the four special ones included."""

    @abstractmethod
    def encode(self, text: str) -> list[int]:
        """The ids of a text, without bos and eos."""

    @abstractmethod
    def decode(self, ids: Iterable[int]) -> str:
        """The text of ids (T,); pad, bos and eos are left out.

        Raises:
            InputError: an id is outside the vocabulary.
        """

    def unknown(self, text: str) -> list[str]:
        """The words of the text that have no id; none where any text can be written in ids."""
        return []

    @abstractmethod
    def to_json(self) -> dict[str, Any]:
        """What JSON can hold and `from_json` reads back; "kind" says which tokenizer it is."""

    @classmethod
    @abstractmethod
    def from_json(cls, saved: dict[str, Any]) -> Self:
        """The tokenizer that `to_json` described; raises InputError if it is damaged."""

    def batch(self, texts: Iterable[str], length: int) -> np.ndarray:
        """Texts to ids (B, T) int32, T = length: bos, the text, eos, then padding.

        A text of more than length - 2 ids is cut after them, so that its last id is still eos.

        Raises:
            InputError: texts is not a list of strings, or length is below 2.
        """
        if length < 2:
            raise InputError(f"length is {length}: bos and eos alone take 2, so give 2 or more")
        rows = [self.encode(text)[: length - 2] for text in each_text(texts)]
        ids = np.full((len(rows), length), self.pad_id, dtype=np.int32)  # (B, T)
        ids[:, 0] = self.bos_id
        for i, row in enumerate(rows):
            end = len(row) + 1
            ids[i, 1:end] = row
            ids[i, end] = self.eos_id
        return ids

    def checked(self, ids: Iterable[int]) -> list[int]:
        """ids (T,) as Python integers; raises InputError unless all are inside the vocabulary.

        Trap: without the check a negative id would silently count from the vocabulary's end.
        """
        array = np.asarray(list(ids))  # (T,)
        if array.size == 0:
            return []
        if array.ndim != 1 or array.dtype.kind not in "iu":
            raise InputError(
                f"ids is {array.dtype} of shape {array.shape}: give one row (T,) of integers"
            )
        for i in (array.min(), array.max()):
            if not 0 <= i < self.vocab_size:
                raise InputError(f"ids has {i}: the vocabulary is 0 to {self.vocab_size - 1}")
        return array.tolist()


def each_text(texts: Iterable[str], name: str = "texts") -> Iterator[str]:
    """The texts one after another; raises InputError where there is anything but a string."""
    if isinstance(texts, str):
        raise InputError(f"{name} is one string: give a list of strings, [text] for a single one")
    for i, text in enumerate(texts):
        if not isinstance(text, str):
            raise InputError(f"{name}[{i}] is {type(text).__name__}: give strings only")
        yield text


def saved_list(saved: dict[str, Any], kind: str, name: str) -> Sequence[Any]:
    """The list called `name` of a tokenizer's JSON; raises InputError if it isn't there."""
    if not isinstance(saved, dict) or saved.get("kind") != kind:
        raise InputError(f'the saved tokenizer is not of kind "{kind}": make it again with to_json')
    values = saved.get(name)
    if not isinstance(values, list):
        raise InputError(f'the saved tokenizer has no list "{name}": make it again with to_json')
    return values
