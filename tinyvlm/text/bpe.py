"""Byte-pair encoding: a vocabulary between bytes and words, learnt by merging what is frequent.

Sennrich, Haddow, Birch 2016, "Neural Machine Translation of Rare Words with Subword Units"
(arXiv 1508.07909); on bytes instead of characters as in GPT-2 (Radford et al. 2019) and CLIP.

    start:   a piece of text is its UTF-8 bytes, 256 symbols, so no text is ever unknown
    learn:   find the most frequent pair of neighbours, make it one new symbol, repeat
    encode:  apply the merges to a new text, always the one learnt earliest first

The ids: 0-3 special, 4-259 the bytes 0-255, from 260 on the merges in the order they were learnt.
So the smaller of two merged ids is the earlier merge, and no second table of ranks is needed.

Merges stay inside a piece. A piece is a word with one space before it if there is one (" star"; as
in GPT-2, where CLIP marks the word's end with </w> instead), or a single digit (CLIP's and Gemma's
choice: numbers are spelt, 10 is not unrelated to 11), or marks, or whitespace. Pieces are cut after
32 characters: otherwise text without spaces (Chinese, or "aaaa...") would be one endless piece,
whose encoding costs the square of its length.

Left out: clitics ('s, n't) as pieces of their own, and any cleaning of the text: decode gives back
exactly what encode was given.
"""

import re
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from heapq import heapify, heappop, heappush
from itertools import pairwise
from typing import Any, Self

from tinyvlm.errors import InputError
from tinyvlm.text.tokenizer import PUNCTUATION, Tokenizer, each_text, saved_list

Pair = tuple[int, int]

FIRST_BYTE = Tokenizer.num_specials
FIRST_MERGE = FIRST_BYTE + 256
LONGEST_PIECE = 32  # characters, the space before a word not counted
LONGEST_TOKEN = 1 + 4 * LONGEST_PIECE  # bytes: UTF-8 needs at most four for a character
CACHE_SIZE = 1 << 16  # pieces whose ids are remembered

# (?!\S): a run of whitespace leaves its last character, most often a space, to what follows.
PIECE = re.compile(
    rf" ?[^\s\d{PUNCTUATION}]{{1,{LONGEST_PIECE}}}"
    rf"| ?\d"
    rf"| ?[{PUNCTUATION}]{{1,{LONGEST_PIECE}}}"
    rf"|\s{{1,{LONGEST_PIECE}}}(?!\S)"
    rf"|\s"
)


def split_pieces(text: str) -> list[str]:
    """The pieces inside which merges happen; joined again they are the text."""
    return PIECE.findall(text)


def byte_ids(piece: str) -> list[int]:
    """The symbols a piece starts from: the ids of its UTF-8 bytes."""
    try:
        return [FIRST_BYTE + byte for byte in piece.encode("utf-8")]
    except UnicodeEncodeError as error:
        half = piece[error.start]
        raise InputError(f"text holds {half!r}, half a character: read it as UTF-8") from None


def merge_pair(symbols: Sequence[int], pair: Pair, merged: int) -> list[int]:
    """Replaces the pair by one symbol, from left to right: a a a becomes aa a, not a aa."""
    result = []
    i = 0
    while i < len(symbols):
        if i + 1 < len(symbols) and (symbols[i], symbols[i + 1]) == pair:
            result.append(merged)
            i += 2
        else:
            result.append(symbols[i])
            i += 1
    return result


def merge_word(symbols: Sequence[int], merged_id: Mapping[Pair, int]) -> list[int]:
    """Encodes one word: merges neighbours, the smallest merged id first, until no pair is known.

    merged_id gives the new symbol of every learnt pair. Trap: going through the word from left to
    right and merging what can be merged gives other symbols than training saw: in "a b c" with the
    merges b c, then a b, it would take a b.
    """
    symbols = list(symbols)
    unknown = float("inf")
    while len(symbols) > 1:
        first = min(pairwise(symbols), key=lambda pair: merged_id.get(pair, unknown))
        if first not in merged_id:
            break
        symbols = merge_pair(symbols, first, merged_id[first])
    return symbols


class PairCounts:
    """How often each pair of neighbours occurs in all words, kept right while words change.

    Counting everything again for each merge is the definition (the test does it), but a merge
    touches few words: only their pairs are taken out and put back. The most frequent pair comes
    from a heap. An entry in it that is no longer true is not searched for, just skipped when it
    comes up; every change has pushed a true one.
    """

    def __init__(self, words: Sequence[Sequence[int]], frequency: Sequence[int]):
        self.frequency = frequency  # how often each word occurs
        self.count: defaultdict[Pair, int] = defaultdict(int)
        self.words_with: defaultdict[Pair, set[int]] = defaultdict(set)
        self.changed: set[Pair] = set()
        for i, word in enumerate(words):
            self.add(i, word)
        self.heap = [(-self.count[pair], pair) for pair in self.changed]
        heapify(self.heap)
        self.changed.clear()

    def add(self, i: int, word: Sequence[int]) -> None:
        for pair in pairwise(word):
            self.count[pair] += self.frequency[i]
            self.words_with[pair].add(i)
            self.changed.add(pair)

    def remove(self, i: int, word: Sequence[int]) -> None:
        for pair in pairwise(word):
            self.count[pair] -= self.frequency[i]
            self.changed.add(pair)

    def most_frequent(self) -> Pair | None:
        """The pair with the largest count, of equal ones that with the smaller (older) ids.

        None if no pair occurs twice: a merge seen once compresses nothing but its own text.
        """
        for pair in self.changed:
            heappush(self.heap, (-self.count[pair], pair))
        self.changed.clear()
        while self.heap:
            count, pair = heappop(self.heap)
            if -count == self.count[pair]:
                return pair if -count >= 2 else None
        return None


def learn_merges(piece_counts: Mapping[str, int], number: int) -> list[Pair]:
    """The training: up to `number` pairs, in the order in which they are to be merged.

    piece_counts: how often each piece occurs in the text.
    """
    # Imported here: a progress bar is needed in training only, and costs time to import.
    from tqdm import tqdm

    words = [byte_ids(piece) for piece in piece_counts]
    pairs = PairCounts(words, list(piece_counts.values()))
    merges: list[Pair] = []
    for merged in tqdm(range(FIRST_MERGE, FIRST_MERGE + number), desc="merges", disable=None):
        pair = pairs.most_frequent()
        if pair is None:
            break
        merges.append(pair)
        for i in pairs.words_with.pop(pair):
            pairs.remove(i, words[i])
            words[i] = merge_pair(words[i], pair, merged)
            pairs.add(i, words[i])
    return merges


class BytePairTokenizer(Tokenizer):
    """Bytes and learnt merges of them: any text has ids, and decode gives exactly it back."""

    kind = "byte-pair"

    def __init__(self, merges: Sequence[Sequence[int]]):
        """merges: pairs of ids in the order learnt; the i-th makes the id 260 + i.

        Raises:
            InputError: a pair names an id that does not exist yet, occurs twice, or gets too long.
        """
        self.merged_id: dict[Pair, int] = {}
        self.token_bytes = [b""] * FIRST_BYTE + [bytes([byte]) for byte in range(256)]
        self.cache: dict[str, list[int]] = {}
        for pair in merges:
            self._append(pair)

    def _append(self, pair: Sequence[int]) -> None:
        merged = len(self.token_bytes)
        if not (isinstance(pair, list | tuple) and [type(i) for i in pair] == [int, int]):
            raise InputError(f"merges: the one for id {merged} is not a pair of ids")
        first, second = pair
        if not all(FIRST_BYTE <= i < merged for i in pair):
            raise InputError(f"merges: {first}, {second} can't be id {merged}: give earlier ids")
        if (first, second) in self.merged_id:
            raise InputError(f"merges: {first}, {second} occurs twice: give each pair once")
        token = self.token_bytes[first] + self.token_bytes[second]
        # Without this limit forty merges, each doubling the last, would fill the memory.
        if len(token) > LONGEST_TOKEN:
            raise InputError(f"merges: id {merged} has {len(token)} bytes, {LONGEST_TOKEN} at most")
        self.merged_id[first, second] = merged
        self.token_bytes.append(token)

    @classmethod
    def train(cls, texts: Iterable[str], vocab_size: int) -> Self:
        """Learns vocab_size - 260 merges from texts; fewer if no pair is left that occurs twice.

        Equally frequent pairs are merged in the order of their ids: the same texts, in whatever
        order, make the same tokenizer.

        Raises:
            InputError: vocab_size is below 260, or texts is not a list of strings.
        """
        if vocab_size < FIRST_MERGE:
            raise InputError(
                f"vocab_size is {vocab_size}: {FIRST_MERGE} is the least (4 special ids, 256 bytes)"
            )
        counts: Counter[str] = Counter()
        for text in each_text(texts):
            counts.update(split_pieces(text))
        return cls(learn_merges(counts, vocab_size - FIRST_MERGE))

    @property
    def vocab_size(self) -> int:
        return len(self.token_bytes)

    def encode(self, text: str) -> list[int]:
        """The ids of a text, without bos and eos.

        Raises:
            InputError: text holds half a character (a lone surrogate), which has no bytes.
        """
        ids: list[int] = []
        for piece in split_pieces(text):
            ids += self.cache.get(piece) or self._encode_piece(piece)
        return ids

    def _encode_piece(self, piece: str) -> list[int]:
        if len(self.cache) >= CACHE_SIZE:
            self.cache.clear()
        ids = merge_word(byte_ids(piece), self.merged_id)
        self.cache[piece] = ids
        return ids

    def decode(self, ids: Iterable[int]) -> str:
        """The text of ids (T,); special ids are left out.

        Bytes that are no UTF-8 (a model may stop inside a character) read U+FFFD.
        """
        text = b"".join(self.token_bytes[i] for i in self.checked(ids))
        return text.decode("utf-8", errors="replace")

    def to_json(self) -> dict[str, Any]:
        return {"kind": self.kind, "merges": [list(pair) for pair in self.merged_id]}

    @classmethod
    def from_json(cls, saved: dict[str, Any]) -> Self:
        return cls(saved_list(saved, cls.kind, "merges"))
