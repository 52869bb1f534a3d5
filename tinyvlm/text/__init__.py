"""Text to ids and back: words, and byte pairs (layer 4)."""

from tinyvlm.text.bpe import BytePairTokenizer
from tinyvlm.text.saved import tokenizer_from_json
from tinyvlm.text.tokenizer import Tokenizer
from tinyvlm.text.words import WordTokenizer, with_article

__all__ = [
    "BytePairTokenizer",
    "Tokenizer",
    "WordTokenizer",
    "tokenizer_from_json",
    "with_article",
]
