"""The Snowball stemmer for English, "Porter2": circles and circled become circl (layer 4).

Porter 1980, "An algorithm for suffix stripping"; this is its author's second version of 2001, the
one METEOR uses.

R1 is what follows the first consonant after a vowel, and R2 is the R1 of R1. Most suffixes go only
when they lie in one of them, so that enough of the word is left. A y that is a consonant is "Y".
"""

from __future__ import annotations

import re
from functools import lru_cache

VOWEL, CONSONANT = "[aeiouy]", "[^aeiouy]"
R1 = re.compile(f".*?{VOWEL}{CONSONANT}")
LONG_BEGINNINGS = ("gener", "commun", "arsen")  # general is not generous: R1 starts after these
SHORT_SYLLABLE = re.compile(f"(^{VOWEL}{CONSONANT}|{CONSONANT}{VOWEL}[^aeiouywxY])$")

EXCEPTIONS = {
    **{"skis": "ski", "skies": "sky", "dying": "die", "lying": "lie", "tying": "tie"},
    **{"idly": "idl", "gently": "gentl", "ugly": "ugli", "early": "earli", "only": "onli"},
    "singly": "singl",
    **{word: word for word in ("sky", "news", "howe", "atlas", "cosmos", "bias", "andes")},
}
DONE_WITHOUT_PLURAL = (
    *("inning", "outing", "canning", "herring", "earring"),
    *("proceed", "exceed", "succeed"),
)

# Suffix: replacement. Of each table the longest suffix of the word is the only one that is tried.
STEP2 = {
    **{"tional": "tion", "enci": "ence", "anci": "ance", "abli": "able", "entli": "ent"},
    **{"izer": "ize", "ization": "ize", "ational": "ate", "ation": "ate", "ator": "ate"},
    **{"alism": "al", "aliti": "al", "alli": "al", "fulness": "ful", "ousli": "ous"},
    **{"ousness": "ous", "iveness": "ive", "iviti": "ive", "biliti": "ble", "bli": "ble"},
    **{"ogi": "og", "fulli": "ful", "lessli": "less", "li": ""},
}
STEP3 = {
    **{"tional": "tion", "ational": "ate", "alize": "al", "icate": "ic", "iciti": "ic"},
    **{"ical": "ic", "ful": "", "ness": "", "ative": ""},
}
_STEP4 = "al ance ence er ic able ible ant ement ment ent ism ate iti ous ive ize ion"
STEP4 = dict.fromkeys(_STEP4.split(), "")
ONLY_AFTER = {"ogi": "l", "li": "cdeghkmnrt", "ion": "st"}


@lru_cache(maxsize=100_000)
def stem(word: str) -> str:
    """A lower-case word -> its stem; one or two letters stay as they are."""
    if len(word) <= 2:
        return word
    if word in EXCEPTIONS:
        return EXCEPTIONS[word]
    word = re.sub(f"(^|{VOWEL})y", r"\1Y", word.removeprefix("'"))
    r1, r2 = _regions(word)
    word = _without_plural(re.sub("('s'|'s|')$", "", word))
    if word in DONE_WITHOUT_PLURAL:
        return word
    word = _without_past(word, r1)
    if len(word) > 2:
        word = re.sub(f"(?<={CONSONANT})[yY]$", "i", word)
    word = _replaced(word, STEP2, r1)
    word = _replaced(word, STEP3, r1, {"ative": r2})
    word = _replaced(word, STEP4, r2)
    return _without_e(word, r1, r2).replace("Y", "y")


def _regions(word: str) -> tuple[int, int]:
    """Where R1 and R2 begin."""
    start = next((len(b) for b in LONG_BEGINNINGS if word.startswith(b)), None)
    if start is None:
        found = R1.match(word)
        start = found.end() if found else len(word)
    again = R1.match(word, start)
    return start, again.end() if again else len(word)


def _without_plural(word: str) -> str:
    if word.endswith("sses"):
        return word[:-2]
    if word.endswith(("ied", "ies")):
        return word[:-2] if len(word) > 4 else word[:-1]
    if word.endswith(("us", "ss")):
        return word
    return re.sub(f"({VOWEL}.+)s$", r"\1", word)


def _without_past(word: str, r1: int) -> str:
    found = re.search("(eedly|eed|ingly|edly|ing|ed)$", word)
    if found is None:
        return word
    start = found.start()
    if found[0].startswith("eed"):
        return word[: start + 2] if start >= r1 else word
    if not re.search(VOWEL, word[:start]):
        return word
    word = word[:start]
    if word.endswith(("at", "bl", "iz")):
        return word + "e"
    if re.search(r"(bb|dd|ff|gg|mm|nn|pp|rr|tt)$", word):
        return word[:-1]
    is_short = SHORT_SYLLABLE.search(word) and r1 >= len(word)
    return word + "e" if is_short else word


def _replaced(
    word: str, table: dict[str, str], region: int, other: dict[str, int] | None = None
) -> str:
    """Replace the longest suffix of the table if it lies in its region."""
    suffix = max((s for s in table if word.endswith(s)), key=len, default=None)
    if suffix is None:
        return word
    start = len(word) - len(suffix)
    if start < (other or {}).get(suffix, region):
        return word
    if suffix in ONLY_AFTER and word[start - 1 : start] not in [*ONLY_AFTER[suffix]]:
        return word
    return word[:start] + table[suffix]


def _without_e(word: str, r1: int, r2: int) -> str:
    start = len(word) - 1
    if word.endswith("e"):
        if start >= r2 or (start >= r1 and not SHORT_SYLLABLE.search(word[:start])):
            return word[:start]
    elif word.endswith("ll") and start >= r2:
        return word[:start]
    return word
