"""Prompts: the tasks and what each needs, and rows of ids with the answer marked."""

import numpy as np
import pytest

from tinyvlm.errors import InputError
from tinyvlm.text import WordTokenizer
from tinyvlm.text.prompts import encode_examples, encode_prompt, pad, split_prompt

SENTENCES = ["caption en", "answer en what color is the star", "detect a red circle"]
WORDS = WordTokenizer.from_texts(SENTENCES)
PAD, BOS, EOS, UNK = 0, 1, 2, 3


@pytest.mark.parametrize(
    "prompt", ["caption en", "answer en what color is the star", "detect red star", "Caption  EN"]
)
def test_the_tasks(prompt):
    assert encode_prompt(WORDS, prompt) == [*WORDS.encode(prompt), BOS]


def test_a_prompt_is_a_task_and_what_follows():
    assert split_prompt(" Detect  red star ") == ("detect", "red star")
    assert split_prompt("caption en") == ("caption en", "")


@pytest.mark.parametrize(
    "prompt", ["", "  ", "what color is the star", "captions en", "describe", "caption"]
)
def test_a_prompt_without_a_task_lists_the_tasks(prompt):
    with pytest.raises(InputError) as error:
        encode_prompt(WORDS, prompt)
    message = str(error.value)
    assert message.endswith("begin with one of: caption en, answer en QUESTION, detect THING")
    assert repr(prompt) in message


def test_a_long_text_without_a_task_is_quoted_in_part():
    with pytest.raises(InputError, match="names no task") as error:
        encode_prompt(WORDS, "please " * 10_000)
    assert len(str(error.value)) < 200
    assert "\n" not in str(error.value)


@pytest.mark.parametrize(
    ("prompt", "task", "what"),
    [
        ("answer en", "answer en", "QUESTION"),
        ("answer en ???", "answer en", "QUESTION"),  # a word tokenizer has no ids for marks
        ("detect ", "detect", "THING"),
    ],
)
def test_a_question_of_no_words(prompt, task, what):
    with pytest.raises(InputError, match=f"has no word after '{task}': write the {what}"):
        encode_prompt(WORDS, prompt)


def test_nothing_follows_a_caption():
    with pytest.raises(InputError, match="write 'caption en' alone, nothing follows it"):
        encode_prompt(WORDS, "caption en please")


def test_a_question_of_10_000_words():
    """It is refused, not cut: a question cut short is another question."""
    with pytest.raises(InputError, match=r"has 10,002 tokens and 64 are read") as error:
        encode_prompt(WORDS, "answer en" + " red" * 10_000)
    assert len(str(error.value)) < 200
    assert len(encode_prompt(WORDS, "answer en" + " red" * 62)) == 65


def test_words_never_met():
    assert encode_prompt(WORDS, "detect zebra") == [*WORDS.encode("detect"), UNK, BOS]
    assert WORDS.unknown("detect zebra") == ["zebra"]


def test_examples():
    """[prompt, bos, answer, eos, padding]; the answer and its eos are the suffix."""
    ids, suffix = encode_examples(
        WORDS, ["caption en", "answer en what color is the star"], ["a red star", "red"]
    )
    a, red, star = (WORDS.id_of[word] for word in ("a", "red", "star"))
    caption, question = WORDS.encode("caption en"), WORDS.encode("answer en what color is the star")
    assert ids.tolist() == [
        [*caption, BOS, a, red, star, EOS, PAD, PAD, PAD],
        [*question, BOS, red, EOS],
    ]
    assert ids.dtype == np.int32
    np.testing.assert_array_equal(np.flatnonzero(suffix[0]), [3, 4, 5, 6])
    np.testing.assert_array_equal(np.flatnonzero(suffix[1]), [8, 9])


def test_an_empty_answer_is_its_end():
    """What "detect" says when there is nothing."""
    ids, suffix = encode_examples(WORDS, ["detect star"], [""])
    assert ids[0, suffix[0]].tolist() == [EOS]


def test_padding_on_either_side():
    rows = [[5, 6, 7], [8], []]
    assert pad(rows, 0).tolist() == [[5, 6, 7], [8, 0, 0], [0, 0, 0]]
    assert pad(rows, 9, "left").tolist() == [[5, 6, 7], [9, 9, 8], [9, 9, 9]]
    assert pad([], 0).shape == (0, 0)
