"""What all tokenizers share: the batch's layout, checked ids, JSON there and back."""

import json

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tinyvlm.errors import InputError
from tinyvlm.text import BytePairTokenizer, WordTokenizer, tokenizer_from_json

CAPTIONS = ["a red star above a blue circle", "a blue star", "two red circles", "a red circle"]
WORDS = WordTokenizer.from_texts(CAPTIONS)
PAIRS = BytePairTokenizer.train(CAPTIONS, 280)
both = pytest.mark.parametrize("tokenizer", [WORDS, PAIRS], ids=["words", "byte-pair"])


@both
def test_special_ids_are_the_first_four_and_encode_gives_none_of_them(tokenizer):
    special = [tokenizer.pad_id, tokenizer.bos_id, tokenizer.eos_id, tokenizer.unk_id]
    assert special == [0, 1, 2, 3]
    for caption in CAPTIONS:
        ids = tokenizer.encode(caption)
        assert ids and all(4 <= i < tokenizer.vocab_size for i in ids)


@both
def test_batch_is_bos_text_eos_padding(tokenizer):
    ids = tokenizer.batch(CAPTIONS, 60)
    assert ids.shape == (4, 60)
    assert ids.dtype == np.int32
    for row, caption in zip(ids, CAPTIONS, strict=True):
        text = tokenizer.encode(caption)
        assert row.tolist() == [1, *text, 2] + [0] * (58 - len(text))
        assert tokenizer.decode(row) == caption


@both
@settings(deadline=None)
@given(texts=st.lists(st.text(), max_size=4), length=st.integers(2, 12))
def test_every_row_of_a_batch_has_one_bos_one_eos_and_padding_after_it(tokenizer, texts, length):
    ids = tokenizer.batch(texts, length)
    assert ids.shape == (len(texts), length)
    for row, text in zip(ids, texts, strict=True):
        used = min(len(tokenizer.encode(text)) + 2, length)
        assert row[0] == tokenizer.bos_id
        assert np.flatnonzero(row == tokenizer.eos_id).tolist() == [used - 1]
        assert (row != tokenizer.pad_id).tolist() == [True] * used + [False] * (length - used)
        assert row[1 : used - 1].tolist() == tokenizer.encode(text)[: length - 2]


@both
def test_a_text_that_just_fits_is_whole_and_one_longer_loses_its_end(tokenizer):
    text = tokenizer.encode(CAPTIONS[0])
    fits = tokenizer.batch(CAPTIONS[:1], len(text) + 2)[0]
    cut = tokenizer.batch(CAPTIONS[:1], len(text) + 1)[0]
    assert fits.tolist() == [1, *text, 2]
    assert cut.tolist() == [1, *text[:-1], 2]


@both
@pytest.mark.parametrize("text", ["", " ", "\0", "\n\t", "...", "red " * 10_000, "🙂" * 10_000])
def test_odd_texts_make_a_row(tokenizer, text):
    row = tokenizer.batch([text], 8)[0]
    assert row[0] == 1
    assert np.count_nonzero(row == 2) == 1
    tokenizer.decode(row)


@both
def test_no_texts_make_an_empty_batch(tokenizer):
    assert tokenizer.batch([], 5).shape == (0, 5)
    assert tokenizer.batch(iter(CAPTIONS), 5).shape == (4, 5)


@both
@pytest.mark.parametrize("length", [1, 0, -3])
def test_a_length_without_room_for_bos_and_eos_is_refused(tokenizer, length):
    with pytest.raises(InputError, match=r"^length is .*give 2 or more$"):
        tokenizer.batch(CAPTIONS, length)


@both
def test_one_string_in_place_of_a_list_is_refused(tokenizer):
    with pytest.raises(InputError, match="texts is one string"):
        tokenizer.batch("a red star", 8)
    with pytest.raises(InputError, match=r"texts\[1\] is NoneType"):
        tokenizer.batch(["a", None], 8)


@both
def test_decode_takes_lists_and_arrays_and_leaves_special_ids_out(tokenizer):
    ids = tokenizer.encode("a red star")
    assert tokenizer.decode([1, *ids, 2, 0, 0]) == "a red star"
    assert tokenizer.decode(np.array(ids, dtype=np.int64)) == "a red star"
    assert tokenizer.decode(iter(ids)) == "a red star"
    assert tokenizer.decode([]) == ""
    assert tokenizer.decode([0, 1, 2]) == ""


@both
def test_ids_that_are_no_ids_are_refused(tokenizer):
    last = tokenizer.vocab_size - 1
    tokenizer.decode([last])
    with pytest.raises(InputError, match=f"ids has {last + 1}: the vocabulary is 0 to {last}"):
        tokenizer.decode([4, last + 1])
    with pytest.raises(InputError, match="ids has -1"):
        tokenizer.decode([4, -1])
    with pytest.raises(InputError, match=r"shape \(4, 8\)"):
        tokenizer.decode(tokenizer.batch(CAPTIONS, 8))
    with pytest.raises(InputError, match="float64"):
        tokenizer.decode([4.0])


@both
def test_json_gives_the_same_tokenizer_back(tokenizer):
    saved = json.loads(json.dumps(tokenizer.to_json()))
    again = tokenizer_from_json(saved)
    assert type(again) is type(tokenizer)
    assert again.vocab_size == tokenizer.vocab_size
    assert again.to_json() == tokenizer.to_json()
    assert np.array_equal(again.batch(CAPTIONS, 12), tokenizer.batch(CAPTIONS, 12))


@pytest.mark.parametrize(
    ("saved", "message"),
    [
        (None, "kind None"),
        ([], "kind None"),
        ({}, "kind None"),
        ({"kind": "sentences"}, "kind 'sentences'"),
        ({"kind": ["words"]}, "kind"),
        ({"kind": "words"}, 'no list "words"'),
        ({"kind": "words", "words": "abc"}, 'no list "words"'),
        ({"kind": "words", "words": ["a", 7]}, r"words\[1\] is int"),
        ({"kind": "words", "words": ["a", "a"]}, "'a' twice"),
        ({"kind": "words", "words": ["two words"]}, "single words"),
        ({"kind": "byte-pair"}, 'no list "merges"'),
        ({"kind": "byte-pair", "merges": {}}, 'no list "merges"'),
        ({"kind": "byte-pair", "merges": ["ab"]}, "260 is not a pair of ids"),
        ({"kind": "byte-pair", "merges": [[4, 5, 6]]}, "260 is not a pair of ids"),
        ({"kind": "byte-pair", "merges": [[4, 5.0]]}, "260 is not a pair of ids"),
        ({"kind": "byte-pair", "merges": [[4, True]]}, "260 is not a pair of ids"),
        ({"kind": "byte-pair", "merges": [[3, 4]]}, "can't be id 260"),
        ({"kind": "byte-pair", "merges": [[4, 260]]}, "can't be id 260"),
        ({"kind": "byte-pair", "merges": [[-1, 4]]}, "can't be id 260"),
        ({"kind": "byte-pair", "merges": [[4, 4], [4, 4]]}, "occurs twice"),
    ],
)
def test_a_damaged_tokenizer_is_refused_in_one_line(saved, message):
    with pytest.raises(InputError, match=message) as error:
        tokenizer_from_json(saved)
    assert "\n" not in str(error.value)


def test_merges_that_would_fill_the_memory_are_refused():
    doubling = [[4, 4]] + [[i, i] for i in range(260, 330)]
    with pytest.raises(InputError, match="129 at most"):
        tokenizer_from_json({"kind": "byte-pair", "merges": doubling})


def test_from_json_of_the_other_kind_is_refused():
    with pytest.raises(InputError, match='not of kind "words"'):
        WordTokenizer.from_json(PAIRS.to_json())
    with pytest.raises(InputError, match='not of kind "byte-pair"'):
        BytePairTokenizer.from_json(WORDS.to_json())
