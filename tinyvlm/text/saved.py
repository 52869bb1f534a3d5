"""Finds the tokenizer that a checkpoint's metadata describes."""

from typing import Any

from tinyvlm.errors import InputError
from tinyvlm.text.bpe import BytePairTokenizer
from tinyvlm.text.tokenizer import Tokenizer
from tinyvlm.text.words import WordTokenizer


def tokenizer_from_json(saved: dict[str, Any]) -> Tokenizer:
    """The tokenizer whose `to_json` gave `saved`.

    Raises:
        InputError: its kind is missing or unknown, or what stands in it is damaged.
    """
    kind = saved.get("kind") if isinstance(saved, dict) else None
    for tokenizer in (WordTokenizer, BytePairTokenizer):
        if tokenizer.kind == kind:
            return tokenizer.from_json(saved)
    raise InputError(
        f'the saved tokenizer has kind {kind!r}: "words" and "byte-pair" can be read here'
    )
