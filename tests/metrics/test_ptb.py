"""Cutting captions into words; tests/oracle compares it with the Java tokenizer."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tinyvlm.metrics.ptb import DROPPED, tokenize


@pytest.mark.parametrize(
    ("caption", "words"),
    [
        ("A man's dog, isn't it?", "a man 's dog is n't it"),
        ("We can't, they're, I'd.", "we ca n't they 're i 'd"),
        ('It says "STOP" - in red...', "it says stop in red"),
        (
            "a red-haired boy at 10:30 a.m. in the U.S.",
            "a red-haired boy at 10:30 a.m. in the u.s.",
        ),
        ("one,two;three", "one two three"),
        ("$5.00 & 50%", "$ 5.00 & 50 %"),
        ("it’s the dog’s “bone”", "it 's the dog 's bone"),
        ("wow!!!", "wow !!!"),  # a run of marks is no mark that is dropped
        ("a bus (yellow)", "a bus -lrb- yellow -rrb-"),  # the trap of the docstring
        ("", ""),
        (" . ! ", ""),
    ],
)
def test_captions(caption, words):
    assert tokenize(caption) == words


@given(st.text(max_size=40))
def test_any_text(text):
    words = tokenize(text)
    assert "  " not in words
    assert words == words.strip()
    assert not DROPPED & set(words.split(" "))


def test_words_stay_words():
    sentence = "a big red circle left of two small blue squares"
    assert tokenize(sentence) == tokenize(tokenize(sentence)) == sentence
