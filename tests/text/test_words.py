"""The word tokenizer: what a word is, which words are kept, what happens to the others."""

import unicodedata

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tinyvlm.errors import InputError
from tinyvlm.text.words import WordTokenizer, split_words


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("A red star, isn't it?", ["a", "red", "star", "isn't", "it"]),
        ("'quoted' words' and 'tis", ["quoted", "words", "and", "tis"]),
        ("fire_truck/t-shirt.jpg", ["fire", "truck", "t", "shirt", "jpg"]),
        ("  two\tlines\nhere  ", ["two", "lines", "here"]),
        ("detect <loc0012><loc1023> star", ["detect", "<loc0012>", "<loc1023>", "star"]),
        ("a < b > c <> d", ["a", "b", "c", "d"]),
        ("“Grüße” – «Été»… ¿qué?", ["grüße", "été", "qué"]),
        ("हिन्दी में लाल तारा", ["हिन्दी", "में", "लाल", "तारा"]),
        ("красная звезда", ["красная", "звезда"]),
        ("红星、蓝圈。", ["红星", "蓝圈"]),
        ("a 👩‍🚀 waves 🙂", ["a", "👩‍🚀", "waves", "🙂"]),
        ("nul\0inside", ["nul\0inside"]),
        ("3 stars", ["3", "stars"]),
        ("?!", []),
        ("", []),
    ],
)
def test_split_words(text, words):
    assert split_words(text) == words


def test_composed_and_decomposed_accents_are_the_same_word():
    composed = "café"
    decomposed = unicodedata.normalize("NFD", composed)
    assert composed != decomposed
    assert split_words(decomposed) == [composed]


@settings(deadline=None)
@given(st.text())
def test_a_word_split_again_is_itself(text):
    words = split_words(text)
    assert split_words(" ".join(words)) == words
    for word in words:
        assert split_words(word) == [word]


@settings(deadline=None)
@given(st.text())
def test_decode_gives_the_words_back_whatever_they_are(text):
    tokenizer = WordTokenizer(sorted(set(split_words(text))))
    ids = tokenizer.encode(text)
    assert tokenizer.decode(ids) == " ".join(split_words(text))
    assert tokenizer.encode(tokenizer.decode(ids)) == ids
    assert tokenizer.unknown(text) == []


def test_ids_follow_the_list():
    tokenizer = WordTokenizer(["star", "red", "a"])
    assert tokenizer.vocab_size == 7
    assert tokenizer.encode("A RED star!") == [6, 5, 4]
    assert WordTokenizer([]).vocab_size == 4


def test_unknown_words_become_unk_and_are_named_once():
    tokenizer = WordTokenizer(["a", "red", "star"])
    text = "A purple unicorn, a red star, a purple star"
    assert tokenizer.encode(text) == [4, 3, 3, 4, 5, 6, 4, 3, 6]
    assert tokenizer.decode(tokenizer.encode("a purple star")) == "a <unk> star"
    assert tokenizer.unknown(text) == ["purple", "unicorn"]
    assert tokenizer.unknown("a red star") == []
    assert tokenizer.unknown("") == []


def test_a_word_that_looks_like_a_special_one_is_a_word():
    tokenizer = WordTokenizer(["<eos>", "<unk>"])
    assert tokenizer.encode("<eos> <unk> <pad>") == [4, 5, 3]


def test_from_texts_keeps_the_frequent_words_in_an_order_the_texts_order_cannot_change():
    texts = ["b b b a a", "c c a", "e d"]  # a and b three times, c twice, d and e once
    assert WordTokenizer.from_texts(texts).words == ["a", "b", "c", "d", "e"]
    assert WordTokenizer.from_texts(texts[::-1]).words == ["a", "b", "c", "d", "e"]
    assert WordTokenizer.from_texts(texts, min_count=2).words == ["a", "b", "c"]
    assert WordTokenizer.from_texts(texts, max_words=4).words == ["a", "b", "c", "d"]
    assert WordTokenizer.from_texts(["c c", "b"]).words == ["c", "b"]
    assert WordTokenizer.from_texts(text for text in texts).vocab_size == 9


def test_texts_without_words_are_refused():
    for texts in ([], ["", " ... "]):
        with pytest.raises(InputError, match="texts: no word occurs 1 times or more"):
            WordTokenizer.from_texts(texts)
    with pytest.raises(InputError, match="no word occurs 3 times"):
        WordTokenizer.from_texts(["a b a"], min_count=3)
    with pytest.raises(InputError, match="max_words is 0"):
        WordTokenizer.from_texts(["a"], max_words=0)
    with pytest.raises(InputError, match="texts is one string"):
        WordTokenizer.from_texts("a red star")


@pytest.mark.parametrize("word", ["Red", "two words", "star!", "", " ", "a-b"])
def test_words_that_no_text_could_contain_are_refused(word):
    with pytest.raises(InputError, match="give single words in lower case"):
        WordTokenizer(["a", word])
