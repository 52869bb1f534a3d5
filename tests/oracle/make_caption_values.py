"""Draw captions with references, and store them with what the reference scorers say of them.

Run it with a Python that has NumPy, pycocoevalcap and snowballstemmer 2.0.0, and with Java:
    python tests/oracle/make_caption_values.py
BLEU, ROUGE-L and CIDEr-D are those of pycocoevalcap. METEOR is its meteor-1.5.jar with the modules
exact and stem; its list of function words and ours agree on the words that are drawn. It is asked
only about cases without empty sentences, and not where a few words are said again and again: there
it doesn't always find the best alignment.

caption_values.npz: `captions` uint8, numbers of words in `words`, then 255 at the end of a
sentence, 254 of a picture (first its candidate, then the references), 253 of a case; `corpus`
(cases, 7) and `each` (pictures, 7): BLEU-1 to 4, ROUGE-L, CIDEr-D, METEOR (NaN: not asked).
caption_values.json: "stems" of the words in stem_words.txt by Snowball, and "tokens" of the lines
in caption_lines.txt by pycocoevalcap's stanford-corenlp-3.4.1.jar.
"""

import json
import random
import subprocess
from pathlib import Path

import numpy as np
import pycocoevalcap
import snowballstemmer
from pycocoevalcap.bleu.bleu import Bleu
from pycocoevalcap.cider.cider import Cider
from pycocoevalcap.rouge.rouge import Rouge
from pycocoevalcap.tokenizer.ptbtokenizer import PTBTokenizer

HERE = Path(__file__).parent
METEOR_JAR = Path(pycocoevalcap.__path__[0]) / "meteor" / "meteor-1.5.jar"
CASES = 256
FUNCTION = ["the", "a", "of", "in", "on", "and", "is", "to", "with"]
CONTENT = """
    dog dogs cat cats run runs running circle circles circled red blue striped stripes star stars
    big small walk walks walking walked jump jumps jumping house tree trees man woman square top
    left
"""
WORDS = [*FUNCTION, *CONTENT.split()]
KINDS = ("plain", "one picture", "same", "empty", "one word", "repeated", "five", "constant")

Picture = tuple[str, list[str]]  # the candidate, its references


def draw(number: int) -> list[Picture]:
    rng = random.Random(2015 + number)
    kind = KINDS[number % len(KINDS)]
    pictures = [draw_picture(rng, kind) for _ in range(rng.randint(2, 7))]
    if kind == "constant":
        pictures = [pictures[0]] * len(pictures)
    return pictures[:1] if kind == "one picture" else pictures


def draw_picture(rng: random.Random, kind: str) -> Picture:
    words = [draw_word(rng) for _ in range(rng.randint(1, 11))]
    if kind == "repeated":
        words = (words[: rng.randint(1, 3)] * 6)[: rng.randint(2, 11)]
    count = 5 if kind == "five" else rng.randint(1, 4)
    references = [changed(rng, words, most=5) for _ in range(count)]
    candidate = changed(rng, words, most=4)
    if kind == "same":
        candidate = references[0]
    elif kind == "one word":
        candidate = candidate[:1]
        references = [reference[: rng.randint(1, 2)] for reference in references]
    elif kind == "empty" and rng.random() < 0.6:
        if rng.random() < 0.5:
            candidate = []
        if rng.random() < 0.5:
            references[0] = []
    return " ".join(candidate), [" ".join(reference) for reference in references]


def draw_word(rng: random.Random) -> str:
    return rng.choice(FUNCTION) if rng.random() < 0.4 else rng.choice(WORDS[len(FUNCTION) :])


def changed(rng: random.Random, words: list[str], most: int) -> list[str]:
    words = list(words)
    for _ in range(rng.randint(0, most)):
        k = rng.randrange(len(words))
        what = rng.choice(["another", "drop", "insert", "turn"])
        if what == "another":
            words[k] = draw_word(rng)
        elif what == "drop" and len(words) > 1:
            del words[k]
        elif what == "insert":
            words.insert(k, draw_word(rng))
        elif what == "turn":
            words = words[k:] + words[:k]
    return words


class Meteor:
    """The program, asked through its standard input."""

    def __init__(self) -> None:
        command = ["java", "-Xmx1G", "-jar", METEOR_JAR, "-", "-", "-stdio", "-l", "en"]
        command += ["-m", "exact stem", "-w", "1.0 0.6"]
        self.program = subprocess.Popen(
            command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )

    def ask(self, *parts: str, lines: int = 1) -> list[str]:
        self.program.stdin.write(" ||| ".join(parts) + "\n")
        self.program.stdin.flush()
        return [self.program.stdout.readline().strip() for _ in range(lines)]

    def score(self, pictures: list[Picture]) -> tuple[float, list[float]]:
        """Of all, and of each."""
        counts = [self.ask("SCORE", *others, mine)[0] for mine, others in pictures]
        *each, total = map(float, self.ask("EVAL", *counts, lines=len(pictures) + 1))
        return total, each


def values(pictures: list[Picture], meteor: Meteor | None) -> tuple[list[float], np.ndarray]:
    """Of all pictures (7,), and of each (B, 7)."""
    mine = {k: [candidate] for k, (candidate, _) in enumerate(pictures)}
    others = {k: references for k, (_, references) in enumerate(pictures)}
    bleu, bleu_each = Bleu(4).compute_score(others, mine, verbose=0)
    rouge, rouge_each = Rouge().compute_score(others, mine)
    cider, cider_each = Cider().compute_score(others, mine)
    total, each = meteor.score(pictures) if meteor else (np.nan, [np.nan] * len(pictures))
    return [*bleu, rouge, cider, total], np.column_stack([*bleu_each, rouge_each, cider_each, each])


def meteor_can(number: int, pictures: list[Picture]) -> bool:
    full = all(all([candidate, *references]) for candidate, references in pictures)
    return full and KINDS[number % len(KINDS)] != "repeated"


def numbers(cases: list[list[Picture]]) -> np.ndarray:
    found: list[int] = []
    for pictures in cases:
        for candidate, references in pictures:
            for sentence in (candidate, *references):
                found += [*(WORDS.index(word) for word in sentence.split()), 255]
            found.append(254)
        found.append(253)
    return np.array(found, np.uint8)


def stems() -> list[str]:
    words = (HERE / "stem_words.txt").read_text(encoding="utf-8").split()
    return snowballstemmer.stemmer("english").stemWords(words)


def tokens() -> list[str]:
    lines = (HERE / "caption_lines.txt").read_text(encoding="utf-8").splitlines()
    found = PTBTokenizer().tokenize({k: [{"caption": line}] for k, line in enumerate(lines)})
    return [found[k][0] for k in range(len(lines))]


if __name__ == "__main__":
    cases = [draw(number) for number in range(CASES)]
    meteor = Meteor()
    rows = [values(p, meteor if meteor_can(n, p) else None) for n, p in enumerate(cases)]
    corpus, each = zip(*rows, strict=True)
    meteor.program.stdin.close()
    np.savez_compressed(
        HERE / "caption_values.npz",
        words=np.array(WORDS),
        captions=numbers(cases),
        corpus=np.array(corpus),
        each=np.concatenate(each),
    )
    text = json.dumps({"stems": stems(), "tokens": tokens()}, ensure_ascii=False, indent=0)
    (HERE / "caption_values.json").write_text(text + "\n", encoding="utf-8")
