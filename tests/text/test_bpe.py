"""Byte pairs: the exact round trip, and the training against counting everything again."""

import os
import random
from collections import Counter
from itertools import pairwise
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tinyvlm.errors import InputError
from tinyvlm.text import bpe
from tinyvlm.text.bpe import BytePairTokenizer, merge_pair, merge_word, split_pieces

MUSEUM = [
    "a small red star above a big blue circle",
    "two stars, one blue and one red",
    "the red circle is left of the blue star; isn't it?",
    "Grüße aus dem Museum 👩‍🚀👩‍🚀 红星 красная звезда",
]
TRAINED = BytePairTokenizer.train(MUSEUM * 3, 380)
UNTRAINED = BytePairTokenizer([])


def naive_merges(texts, number):
    """The definition: count all pairs, merge the most frequent one everywhere, start again."""
    words = Counter(tuple(bpe.byte_ids(piece)) for text in texts for piece in split_pieces(text))
    merges = []
    for merged in range(bpe.FIRST_MERGE, bpe.FIRST_MERGE + number):
        counts = Counter()
        for word, frequency in words.items():
            for pair in pairwise(word):
                counts[pair] += frequency
        if not counts or max(counts.values()) < 2:
            break
        best = min(counts, key=lambda pair: (-counts[pair], pair))
        merges.append(best)
        merged_words = Counter()
        for word, frequency in words.items():
            merged_words[tuple(merge_pair(word, best, merged))] += frequency
        words = merged_words
    return merges


@settings(deadline=None)
@given(st.text())
def test_decode_gives_back_exactly_what_encode_was_given(text):
    for tokenizer in (TRAINED, UNTRAINED):
        assert tokenizer.decode(tokenizer.encode(text)) == text
    assert UNTRAINED.encode(text) == [4 + byte for byte in text.encode("utf-8")]


@settings(deadline=None)
@given(st.text(alphabet="a1 ,.\n\té红🙂\u200d\u00a0\u3000_", max_size=80))
def test_pieces_joined_are_the_text(text):
    assert "".join(split_pieces(text)) == text


@pytest.mark.parametrize(
    ("text", "pieces"),
    [
        ("a red star", ["a", " red", " star"]),
        ("  two  ", [" ", " two", "  "]),
        ("one\n\n two", ["one", "\n\n", " two"]),
        ("one\n\ntwo", ["one", "\n", "\n", "two"]),
        ("10 of 11.5", ["1", "0", " of", " 1", "1", ".", "5"]),
        ("star, (red)...", ["star", ",", " (", "red", ")..."]),
        ("हिन्दी 👩‍🚀", ["हिन्दी", " 👩‍🚀"]),
        ("红星、蓝圈", ["红星", "、", "蓝圈"]),
        ("a" * 70, ["a" * 32, "a" * 32, "a" * 6]),
        ("", []),
    ],
)
def test_split_pieces(text, pieces):
    assert split_pieces(text) == pieces


def test_sennrichs_example_by_hand():
    """low x 5, lower x 2, newest x 6, widest x 3: "es", then "est", as in the paper's figure."""
    texts = ["low"] * 5 + ["lower"] * 2 + ["newest"] * 6 + ["widest"] * 3
    tokenizer = BytePairTokenizer.train(texts, 264)
    assert tokenizer.token_bytes[260:] == [b"es", b"est", b"lo", b"low"]
    assert [tokenizer.decode([i]) for i in tokenizer.encode("lowest")] == ["low", "est"]


@settings(deadline=None, max_examples=60)
@given(st.lists(st.text(alphabet="ab cé", max_size=12), max_size=12), st.integers(0, 30))
def test_training_equals_counting_everything_again(texts, number):
    tokenizer = BytePairTokenizer.train(texts, 260 + number)
    assert list(tokenizer.merged_id) == naive_merges(texts, number)


def test_training_equals_counting_everything_again_on_longer_text():
    rng = random.Random(0)
    words = ["".join(rng.choices("abcdef", k=rng.randint(1, 9))) for _ in range(150)]
    texts = [" ".join(rng.choices(words, k=12)) for _ in range(60)]
    merges = list(BytePairTokenizer.train(texts, 460).merged_id)
    assert merges == naive_merges(texts, 200)
    assert len(merges) == 200


def test_encoding_the_training_text_gives_the_symbols_training_ended_with():
    counts = Counter(piece for text in MUSEUM for piece in split_pieces(text))
    words = {piece: bpe.byte_ids(piece) for piece in counts}
    merged_id = {pair: i for i, pair in enumerate(bpe.learn_merges(counts, 50), start=260)}
    for pair, merged in merged_id.items():
        words = {piece: merge_pair(word, pair, merged) for piece, word in words.items()}
    for piece, word in words.items():
        assert merge_word(bpe.byte_ids(piece), merged_id) == word


def test_the_order_of_the_texts_changes_nothing():
    assert BytePairTokenizer.train(MUSEUM[::-1] * 3, 380).to_json() == TRAINED.to_json()


def test_equally_frequent_pairs_are_merged_in_the_order_of_their_ids():
    a, b, c, d = (4 + ord(letter) for letter in "abcd")
    tokenizer = BytePairTokenizer.train(["cd", "ab", "cd", "ab"], 262)
    assert list(tokenizer.merged_id) == [(a, b), (c, d)]


def test_training_stops_when_no_pair_occurs_twice():
    assert BytePairTokenizer.train(["abc"], 300).vocab_size == 260
    assert BytePairTokenizer.train([], 300).vocab_size == 260
    assert BytePairTokenizer.train(["", "\0"], 300).vocab_size == 260
    assert BytePairTokenizer.train(["abc", "abc"], 300).vocab_size == 262


def test_merges_shorten_the_text_they_were_learnt_from():
    assert len(TRAINED.encode(MUSEUM[0])) * 2 < len(UNTRAINED.encode(MUSEUM[0]))
    assert TRAINED.encode(" red") != TRAINED.encode("red")


def test_merge_pair_goes_from_left_to_right():
    assert merge_pair([7, 7, 7], (7, 7), 9) == [9, 7]
    assert merge_pair([7, 7, 7, 7], (7, 7), 9) == [9, 9]
    assert merge_pair([5, 7, 5, 7, 7], (5, 7), 9) == [9, 9, 7]
    assert merge_pair([], (7, 7), 9) == []


def test_merge_word_takes_the_earliest_merge_not_the_leftmost():
    merged_id = {(2, 3): 10, (1, 2): 11, (1, 10): 12}
    assert merge_word([1, 2, 3], merged_id) == [12]
    assert merge_word([1, 2, 3], {(2, 3): 10, (1, 2): 11}) == [1, 10]
    assert merge_word([1, 2, 4], merged_id) == [11, 4]
    assert merge_word([], merged_id) == []


@pytest.mark.parametrize("vocab_size", [259, 4, 0, -1])
def test_a_vocabulary_smaller_than_the_bytes_is_refused(vocab_size):
    with pytest.raises(InputError, match=r"vocab_size is -?\d+: 260 is the least"):
        BytePairTokenizer.train(MUSEUM, vocab_size)


def test_the_smallest_vocabulary_is_the_bytes():
    assert BytePairTokenizer.train(MUSEUM, 260).to_json() == UNTRAINED.to_json()


def test_half_a_character_is_refused_in_one_line():
    for use in (TRAINED.encode, lambda text: BytePairTokenizer.train([text], 300)):
        with pytest.raises(InputError, match=r"^text holds '\\udc80', half a character"):
            use("a red \udc80 star")


def test_bytes_that_are_no_text_decode_to_the_replacement_character():
    first, second = UNTRAINED.encode("é")
    assert UNTRAINED.decode([first]) == "\ufffd"
    assert UNTRAINED.decode([second, 4 + ord("a")]) == "\ufffda"
    assert UNTRAINED.decode([first, 2, second]) == "é"


def test_endless_pieces_are_cut_so_that_time_and_tokens_stay_bounded():
    endless = ["a" * 100_000, "🙂" * 20_000, " " * 100_000]
    tokenizer = BytePairTokenizer.train(endless, 1000)
    assert max(len(token) for token in tokenizer.token_bytes) <= bpe.LONGEST_TOKEN
    for text in endless:
        assert tokenizer.decode(tokenizer.encode(text)) == text
    assert BytePairTokenizer.from_json(tokenizer.to_json()).to_json() == tokenizer.to_json()


def test_the_cache_is_bounded_and_changes_nothing(monkeypatch):
    fresh = BytePairTokenizer.from_json(TRAINED.to_json())
    monkeypatch.setattr(bpe, "CACHE_SIZE", 3)
    for text in [*MUSEUM, "star"] * 2:
        ids = fresh.encode(text)
        assert ids == TRAINED.encode(text)
        ids.append(0)  # the caller's list is not the cache's
        assert fresh.encode(text) == TRAINED.encode(text)
        assert len(fresh.cache) <= 3


def test_merge_word_serves_clips_published_merges():
    """ids from OpenAI's own algorithm; its bytes have 2 x 256 ids, with and without </w>."""
    root = Path(__file__).parents[2]
    data = Path(os.environ.get("TINYVLM_SHARED_DATA", root.parent / "shared" / "data"))
    merges_file = data / "clip_vocab" / "hf" / "merges.txt"
    if not merges_file.exists():
        pytest.skip("CLIP's merges are not here: set TINYVLM_SHARED_DATA")
    lines = merges_file.read_text(encoding="utf-8").splitlines()[1:48895]
    printable = [*range(33, 127), *range(161, 173), *range(174, 256)]
    letters = [chr(byte) for byte in printable]
    letters += [chr(256 + i) for i in range(256 - len(letters))]
    id_of = {letter: i for i, letter in enumerate(letters + [c + "</w>" for c in letters])}
    merged_id = {}
    for i, line in enumerate(lines, start=512):
        first, second = line.split()
        id_of[first + second] = i
        merged_id[id_of[first], id_of[second]] = i
    assert len(id_of) == 49406

    def encode(word):
        return merge_word([id_of[c] for c in word[:-1]] + [id_of[word[-1] + "</w>"]], merged_id)

    assert [encode(word) for word in ["a", "photo", "of", "a", "cat"]] == [
        [320],
        [1125],
        [539],
        [320],
        [2368],
    ]
    assert encode("mississippi") == [12232]
    assert encode("trapezium") == [42435, 2651, 1008]
    assert encode("unphotographable") == [569, 36754, 4443, 1059]
    assert encode("tinyvlm") == [21716, 85, 15282]
