"""Questions: every answer is looked up again by other code, and blind guessers gain nothing."""

import re
from collections import Counter, defaultdict
from functools import cache

import numpy as np
import pytest

from tinyvlm.datasets import museum
from tinyvlm.datasets.museum.scene import OPPOSITE
from tinyvlm.datasets.museum.vqa import BIGGER, CLEAR
from tinyvlm.datasets.museum.words import NUMBERS, PLURALS
from tinyvlm.errors import InputError

SEVERAL = museum.SEVERAL_OBJECTS
COLOR = f"({'|'.join(museum.COLORS)})"
SHAPE = f"({'|'.join(museum.SHAPES)})"
WORD = f"({'|'.join(OPPOSITE)})"
NOUN = rf"(\w+ objects|{'|'.join(PLURALS.values())})"
WITHHELD = re.compile("|".join(f"{color} {shape}s?" for color, shape in museum.WITHHELD))


@cache
def asked(split, count, seed=0):
    """(scene, question) of `count` scenes, all types."""
    rng = np.random.default_rng(seed)
    scenes = museum.Museum(SEVERAL, split).scenes(count)
    return [(scene, question) for scene in scenes for question in museum.questions(scene, rng)]


def the(scene, color, shape):
    (thing,) = [each for each in scene.objects if each.pair == (color, shape)]
    return thing


def how_many(scene, noun):
    if noun.endswith("objects"):
        return sum(each.color == noun.split()[0] for each in scene.objects)
    return sum(PLURALS[each.shape] == noun for each in scene.objects)


def direction(scene, a, b):
    """Where a is, seen from b, when that is clear."""
    return museum.relation(a, b, scene.size_px)


def solve(scene, text):
    """The answer by brute force: every object that the words may mean must give the same one."""
    if found := re.fullmatch(rf"what color is the (small |big )?{SHAPE}", text):
        size = found[1] and found[1].strip()
        meant = [
            o for o in scene.objects if o.shape == found[2] and (not size or o.size in (None, size))
        ]
        (thing,) = meant
        return thing.color
    if found := re.fullmatch(rf"what shape is the (small |big )?{COLOR} object", text):
        size = found[1] and found[1].strip()
        meant = [
            o for o in scene.objects if o.color == found[2] and (not size or o.size in (None, size))
        ]
        (thing,) = meant
        return thing.shape
    if found := re.fullmatch(rf"is the {COLOR} {SHAPE} small or big", text):
        return the(scene, found[1], found[2]).size
    if text == "how many objects":
        return NUMBERS[len(scene.objects)]
    if found := re.fullmatch(rf"how many {NOUN}", text):
        return NUMBERS[how_many(scene, found[1])]
    if found := re.fullmatch(rf"is there an? (?:(small|big) )?{COLOR} {SHAPE}", text):
        there = [o for o in scene.objects if o.pair == (found[2], found[3])]
        if found[1] and there:
            assert there[0].size is not None  # nobody should have to guess
            return "yes" if there[0].size == found[1] else "no"
        return "yes" if there else "no"
    if found := re.fullmatch(
        rf"where is the {COLOR} {SHAPE} relative to the {COLOR} {SHAPE}", text
    ):
        a, b = the(scene, found[1], found[2]), the(scene, found[3], found[4])
        return direction(scene, a, b).split()[0]
    if found := re.fullmatch(rf"what is {WORD} the {COLOR} {SHAPE}", text):
        b = the(scene, found[2], found[3])
        words = {a.pair: direction(scene, a, b) for a in scene.objects if a is not b}
        assert None not in words.values()
        (pair,) = [pair for pair, word in words.items() if word == found[1]]
        return " ".join(pair)
    if found := re.fullmatch(rf"is the {COLOR} {SHAPE} {WORD} the {COLOR} {SHAPE}", text):
        a, b = the(scene, found[1], found[2]), the(scene, found[4], found[5])
        word = direction(scene, a, b)
        assert word in (found[3], OPPOSITE[found[3]])
        return "yes" if word == found[3] else "no"
    if found := re.fullmatch(rf"are there more {NOUN} than {NOUN}", text):
        first, second = how_many(scene, found[1]), how_many(scene, found[2])
        assert first != second
        return "yes" if first > second else "no"
    if found := re.fullmatch(rf"is the {COLOR} {SHAPE} bigger than the {COLOR} {SHAPE}", text):
        ratio = the(scene, found[1], found[2]).radius / the(scene, found[3], found[4]).radius
        assert max(ratio, 1 / ratio) >= BIGGER - 1e-9
        return "yes" if ratio > 1 else "no"
    if found := re.fullmatch(rf"where is the {COLOR} {SHAPE}", text):
        thing = the(scene, found[1], found[2])
        for at in (thing.x, thing.y):
            assert min(abs(at / 48 - 0.4), abs(at / 48 - 0.6)) >= CLEAR - 1e-9
        row = "top" if thing.y < 0.4 * 48 else "bottom" if thing.y > 0.6 * 48 else "middle"
        column = "left" if thing.x < 0.4 * 48 else "right" if thing.x > 0.6 * 48 else "center"
        return f"{row} {column}"
    raise AssertionError(f"a question of no known form: {text}")


@pytest.mark.parametrize("split", ["train", "test_comp", "test_count"])
def test_answers(split):
    for scene, question in asked(split, 600 if split == "train" else 150):
        assert solve(scene, question.text) == question.answer, (scene, question)


def test_all_eight_types_and_their_answer_types():
    found = {(question.type, question.answer_type) for _, question in asked("train", 600)}
    assert {type for type, _ in found} == set(museum.QUESTION_TYPES)
    assert len(museum.QUESTION_TYPES) == 8
    assert found == {
        *((type, "other") for type in ("color", "shape", "size", "relation", "position")),
        *((type, "yes/no") for type in ("exist", "relation", "compare")),
        ("count", "number"),
    }


def test_forms_of_relation_questions():
    starts = Counter(q.text.split()[0] for _, q in asked("train", 600) if q.type == "relation")
    assert set(starts) == {"where", "what", "is"}
    assert min(starts.values()) / starts.total() > 0.25


def test_no_withheld_pair_is_named():
    for scene, question in asked("train", 600):
        text = " | ".join([question.text, question.answer, *question.annotators])
        assert not WITHHELD.search(text), text
        if question.type in ("color", "shape"):  # nor by putting question and answer together
            (thing,) = [
                o for o in scene.objects if question.answer in o.pair and _is_asked(o, question)
            ]
            for answer in question.annotators:
                pair = (answer, thing.shape) if question.type == "color" else (thing.color, answer)
                assert pair not in museum.WITHHELD


def _is_asked(thing, question):
    words = question.text.split()
    size = next((word for word in words if word in ("small", "big")), None)
    known = thing.shape if question.type == "color" else thing.color
    return known in words and (size is None or thing.size in (None, size))


def test_withheld_pairs_are_asked_about_in_test_comp():
    texts = [question.text for _, question in asked("test_comp", 150)]
    assert sum(bool(WITHHELD.search(text)) for text in texts) > 100


def test_absent_things_differ_in_one_attribute():
    for scene, question in asked("train", 600):
        found = re.fullmatch(rf"is there an? (?:(small|big) )?{COLOR} {SHAPE}", question.text)
        if question.type != "exist" or question.answer == "yes":
            continue
        size, color, shape = found.groups()
        differences = [
            (each.color != color) + (each.shape != shape) + (size is not None and each.size != size)
            for each in scene.objects
        ]
        assert min(differences) == 1


def test_ten_annotators():
    synonyms = 0
    for _, question in asked("train", 600):
        assert len(question.annotators) == 10
        assert question.annotators[:8] == (question.answer,) * 8
        assert question.annotators[9] != question.answer
        synonyms += question.annotators[8] != question.answer
    assert synonyms > 100


def test_words_are_in_the_vocabulary():
    for _, question in asked("train", 600):
        assert set(" ".join([question.text, *question.annotators]).split()) <= set(museum.WORDS)


def test_questions_are_repeatable():
    scene = museum.Museum(SEVERAL)[1]
    a, b = (museum.questions(scene, np.random.default_rng(7)) for _ in range(2))
    assert a == b
    assert [question.type for question in a] == list(museum.QUESTION_TYPES)


def test_no_relation_is_asked_of_one_object():
    assert museum.ask(museum.Museum()[0], np.random.default_rng(0), "relation") is None


FORMS = {
    "color": "what color",
    "shape": "what shape",
    "size": r"is the \w+ \w+ small or big",
    "how many": "how many objects$",
    "count by attribute": rf"how many {NOUN}",
    "exist": "is there",
    "relation 4-way": "where is .* relative to",
    "relation object": f"what is {WORD}",
    "relation yes/no": rf"is the \w+ \w+ {WORD}",
    "more": "are there more",
    "bigger": ".* bigger than",
    "position": r"where is the \w+ \w+$",
}


def test_each_form_is_asked_as_it_is_called():
    """Catches two forms exchanged, and one that is never drawn."""
    assert [*FORMS] == [*museum.QUESTION_FORMS]
    for scene in museum.Museum(SEVERAL).scenes(100):
        for form, pattern in FORMS.items():
            question = museum.ask_form(scene, np.random.default_rng(3), form)
            if question is not None:
                assert re.match(pattern, question.text), (form, question.text)
                assert question.form == form
                assert solve(scene, question.text) == question.answer
    drawn = Counter(question.form for _, question in asked("train", 600))
    assert set(drawn) == set(FORMS)


@pytest.mark.parametrize(("ask", "kind"), [(museum.ask, "type"), (museum.ask_form, "form")])
def test_unknown_type(ask, kind):
    with pytest.raises(InputError, match=f"question {kind} 'why' is unknown; choose one of color"):
        ask(museum.Museum()[0], np.random.default_rng(0), "why")


def group(question):
    """Guessers know the type of question and what kind of answer it takes."""
    return question.type, question.answer_type


def rates(guess, items):
    """Share of right guesses, by group."""
    hits = defaultdict(list)
    for scene, question in items:
        hits[group(question)].append(guess(scene, question) == question.answer)
    return {key: float(np.mean(each)) for key, each in hits.items()}


def fit_most_frequent(key, items):
    """The most frequent training answer for every value of `key`; then that of the group."""
    seen = defaultdict(Counter)
    for scene, question in items:
        seen[key(scene, question)][question.answer] += 1
        seen[group(question)][question.answer] += 1

    def guess(scene, question):
        answers = seen.get(key(scene, question)) or seen[group(question)]
        return answers.most_common(1)[0][0]

    return guess


def fit_naive_bayes(items):
    """Answers by the question's words, within the group, with one imagined sighting of each."""
    words = defaultdict(lambda: defaultdict(Counter))
    answers = defaultdict(Counter)
    for _, question in items:
        answers[group(question)][question.answer] += 1
        words[group(question)][question.answer].update(question.text.split())

    def guess(scene, question):
        def score(answer):
            counts = words[group(question)][answer]
            size = counts.total() + len(museum.WORDS)
            prior = np.log(answers[group(question)][answer])
            return prior + sum(np.log((counts[w] + 1) / size) for w in question.text.split())

        return max(answers[group(question)], key=score)

    return guess


def test_balance_and_blind_guessers():
    """Majority at most 55 %; text only and picture only at most 5 points above it."""
    train, held_out = asked("train", 3000), asked("test_iid", 5000, seed=1)
    picture = lambda scene, _: tuple(sorted(each.pair for each in scene.objects))  # noqa: E731
    number = lambda scene, _: len(scene.objects)  # noqa: E731
    guessers = {
        "majority": fit_most_frequent(lambda _, question: group(question), held_out),
        "text": fit_most_frequent(lambda _, question: question.text, train),
        "words": fit_naive_bayes(train),
        "picture": fit_most_frequent(number, train),
        "picture and group": fit_most_frequent(
            lambda scene, question: (picture(scene, question)[:1], group(question)), train
        ),
    }
    table = {name: rates(guess, held_out) for name, guess in guessers.items()}
    for key, majority in table["majority"].items():
        assert majority <= 0.55, (key, majority)
        names = ["text", "words", "picture"]
        if key[1] == "yes/no":  # here the picture must not help even one who knows the group
            names.append("picture and group")
        for name in names:
            assert table[name][key] <= majority + 0.05, (name, key, table[name][key], majority)
