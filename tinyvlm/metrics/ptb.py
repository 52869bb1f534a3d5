"""Captions cut into words as the COCO caption scorer does, approximately (layer 4).

Its tokenizer is Stanford's PTBTokenizer 3.4.1, a Java program with the rules of the Penn Treebank:
lower case, "don't" is do n't, "dog's" is dog 's, punctuation stands alone, an abbreviation keeps
its points. Then the scorer drops the punctuation of DROPPED. These are the rules that captions
need; names of files, smileys, dates and the like may come out otherwise.
Trap: the scorer means to drop brackets too, but asks for -LRB- where its tokens are -lrb-. They
stay, here as there.
"""

from __future__ import annotations

import re

DROPPED = {"''", "'", "``", "`", ".", "?", "!", ",", ":", "-", "--", "...", ";"}
BRACKETS = {"(": "-lrb-", ")": "-rrb-", "[": "-lsb-", "]": "-rsb-", "{": "-lcb-", "}": "-rcb-"}
_ABBREVIATIONS = """
    mr mrs ms dr prof sr jr st ave blvd rd mt ft inc co corp ltd etc vs jan feb mar apr aug sept
    oct nov dec lt col gen sgt capt gov sen rep rev ph.d e.g i.e a.m p.m
"""
TWO_WORDS = {
    **{"cannot": "can not", "gonna": "gon na", "wanna": "wan na", "gotta": "got ta"},
    **{"gimme": "gim me", "lemme": "lem me"},
}

TOKEN = re.compile(
    rf"""
      \.{{2,}} | -{{2,}} | [?!]{{2,}}                               # ... and -- and ?!
    | '\d\ds?\b | 'n'                                               # '57, rock 'n' roll
    | (?:{"|".join(re.escape(word) for word in _ABBREVIATIONS.split())})\.(?!\w)
    | (?:[a-z]\.)+(?!\w) | no\.(?=\ *\d)                            # u.s., no. 5
    | \d+(?:[.,:/]\d+)*(?:-?[a-z\d]+)*                              # 3.5, 10:30, 1/2, 2nd, 5-foot
    | [^\W\d_]+?(?=n't\b)                                           # do of don't
    | n't\b | '(?:s|re|ve|ll|d|m)\b
    | [od]'[^\W\d_]{{2,}}                                           # o'clock
    | [^\W_]+(?:[-/&_.][^\W_]+)*                                    # red-haired
    | [^\w\s] | _+
    """,
    re.VERBOSE,
)


def tokenize(caption: str) -> str:
    """ "A man's dog, isn't it?" -> "a man 's dog is n't it": words with single blanks between."""
    text = re.sub('["“”„«»]', " ", re.sub("[‘’´`]", "'", caption.lower()))
    words = []
    for token in TOKEN.findall(text):
        words += TWO_WORDS.get(token, BRACKETS.get(token, token)).split()
    return " ".join(word for word in words if word not in DROPPED)
