"""The words of the museum: articles, plurals, numbers, synonyms, and its closed vocabulary."""

from tinyvlm.datasets.museum.scene import COLORS, COLUMNS, ROWS, SHAPES

NUMBERS = ("zero", "one", "two", "three", "four")
PLURALS = {shape: shape + ("es" if shape.endswith("ss") else "s") for shape in (*SHAPES, "object")}
SIZE_WORDS = {"small": ("small", "tiny"), "big": ("big", "large")}  # the first is the usual one
SIZE_OF = {word: size for size, words in SIZE_WORDS.items() for word in words}

# Sentence openings of captions. One object takes SINGULAR, several take PLURAL.
SINGULAR = ("", "a photo of ", "a picture of ", "there is ", "here is ", "we see ")
PLURAL = ("", "a photo of ", "a picture of ", "there are ", "here are ", "we see ")


_OTHER_WORDS = """
    a an object in on the left right of to above below and striped
    what color shape is small or big how many there where relative are more than bigger yes no
    do you see i it its and other one look again really like museum here
    title who made cannot that ok stupid question go away
"""

# Every word of captions, questions, answers and dialogues, sorted: a tokenizer's whole vocabulary.
WORDS = tuple(
    sorted(
        {
            *" ".join((*SINGULAR, *PLURAL, _OTHER_WORDS)).split(),
            *COLORS,
            *SHAPES,
            *COLUMNS,
            *ROWS,
            *NUMBERS,
            *SIZE_OF,
            *PLURALS.values(),
        }
    )
)
