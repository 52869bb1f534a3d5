"""The word tokenizer: one id a word, for small vocabularies that a reader can print and check.

A sentence of the museum ("a small red star above a blue circle") needs some 60 to 120 words, and
with one id each a picture of the attention over them can be read. The price: a word not met in
training has no id of its own; it becomes `unk`, and `unknown` names it. Byte pairs (bpe.py) have no
such words.
"""

import re
import unicodedata
from collections import Counter
from collections.abc import Iterable, Sequence
from typing import Any, Self

from tinyvlm.errors import InputError
from tinyvlm.text.tokenizer import PUNCTUATION, Tokenizer, each_text, saved_list

# A name in angle brackets (<image>, <loc0512>: the markers models put in a text) is one word;
# otherwise a word is a run without whitespace and punctuation, an apostrophe inside it allowed.
WORD = re.compile(rf"<\w+>|[^\s{PUNCTUATION}]+(?:'[^\s{PUNCTUATION}]+)*")


def split_words(text: str) -> list[str]:
    """The words of a text in lower case: "A red star, isn't it?" is a, red, star, isn't, it.

    Accented letters are composed first (Unicode's NFC): macOS writes the é of a folder's name as e
    and an accent, which would be another word than the é of a keyboard.
    """
    return WORD.findall(unicodedata.normalize("NFC", text.lower()))


def with_article(noun: str) -> str:
    """'red circle' -> 'a red circle', 'orange star' -> 'an orange star': by the first letter."""
    return ("an " if noun[:1].lower() in tuple("aeiou") else "a ") + noun


class WordTokenizer(Tokenizer):
    """One id for each word of a list, in its order, from id 4 on; all others share `unk_id`."""

    kind = "words"

    def __init__(self, words: Sequence[str]):
        """words: lower-case, each once, as `split_words` gives them.

        Raises:
            InputError: a word is given twice, or a text could never contain it.
        """
        self.words = list(words)
        self.id_of: dict[str, int] = {}
        for i, word in enumerate(each_text(words, "words"), start=self.num_specials):
            if split_words(word) != [word]:
                raise InputError(f"words holds {word!r}: give single words in lower case")
            if word in self.id_of:
                raise InputError(f"words holds {word!r} twice: give each word once")
            self.id_of[word] = i

    @classmethod
    def from_texts(cls, texts: Iterable[str], max_words: int = 10_000, min_count: int = 1) -> Self:
        """The max_words most frequent words that occur at least min_count times.

        Ordered by frequency, equally frequent ones by the alphabet, so that the same texts in
        another order make the same tokenizer.

        Raises:
            InputError: there is no such word, or max_words is below 1.
        """
        if max_words < 1:
            raise InputError(f"max_words is {max_words}: give 1 or more")
        counts: Counter[str] = Counter()
        for text in each_text(texts):
            counts.update(split_words(text))
        words = [word for word, count in counts.items() if count >= min_count]
        words.sort(key=lambda word: (-counts[word], word))
        if not words:
            raise InputError(f"texts: no word occurs {min_count} times or more, give more texts")
        return cls(words[:max_words])

    @property
    def vocab_size(self) -> int:
        return self.num_specials + len(self.words)

    def encode(self, text: str) -> list[int]:
        id_of = self.id_of
        return [id_of.get(word, self.unk_id) for word in split_words(text)]

    def decode(self, ids: Iterable[int]) -> str:
        """The words joined by spaces; an unknown one reads <unk>, pad, bos and eos are left out."""
        words = []
        for i in self.checked(ids):
            if i >= self.num_specials:
                words.append(self.words[i - self.num_specials])
            elif i == self.unk_id:
                words.append("<unk>")
        return " ".join(words)

    def unknown(self, text: str) -> list[str]:
        """The words of the text that have no id, each once, in their order."""
        return [word for word in dict.fromkeys(split_words(text)) if word not in self.id_of]

    def to_json(self) -> dict[str, Any]:
        return {"kind": self.kind, "words": list(self.words)}

    @classmethod
    def from_json(cls, saved: dict[str, Any]) -> Self:
        return cls(saved_list(saved, cls.kind, "words"))
