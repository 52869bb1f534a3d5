"""VQA accuracy by hand; tests/oracle compares it with the official evaluation."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tinyvlm.metrics.vqa import accuracies, accuracy, by_type, normalize, short_accuracy


def people(agreeing, answer="red"):
    return [answer] * agreeing + ["blue"] * (10 - agreeing)


@pytest.mark.parametrize(
    ("agreeing", "official", "short"),
    [(0, 0, 0), (1, 0.3, 1 / 3), (2, 0.6, 2 / 3), (3, 0.9, 1), (4, 1, 1), (9, 1, 1), (10, 1, 1)],
)
def test_by_hand(agreeing, official, short):
    assert accuracy("red", people(agreeing)) == pytest.approx(official)
    assert short_accuracy("red", people(agreeing)) == pytest.approx(short)


@pytest.mark.parametrize(
    ("answer", "normal"),
    [
        ("The Two dogs!", "2 dogs"),
        ("none", "0"),
        ("an apple, a pear", "apple pear"),
        ("black/white", "black white"),
        ("black / white", "black white"),
        ("t-shirt", "t shirt"),
        ("1,000", "1000"),
        ("3.5", "3.5"),
        ("5 p.m.", "5 pm"),
        ("dont know", "don't know"),
        ("couldnt've", "couldn't've"),
        ("the", ""),
        ("", ""),
    ],
)
def test_normalize(answer, normal):
    assert normalize(answer) == normal


def test_answers_are_normalised_only_where_people_differ():
    """The trap of the docstring."""
    assert accuracy("Yes.", ["yes"] * 10) == 0
    assert accuracy("Yes.", ["yes"] * 9 + ["no"]) == 1
    assert accuracy("yes\n", [" yes"] * 10) == 1  # but blanks around never count


def test_people_are_normalised_too():
    assert accuracy("2", ["two", "2", "Two.", "the two", "many", *["a few"] * 5]) == 1
    assert accuracy("few", ["a few"] * 4 + ["two"] * 6) == 1


def test_the_order_of_people_and_questions_does_not_count():
    several = [people(3), people(2, "green"), people(1)]
    each = accuracies(["red", "green", "blue"], several)
    np.testing.assert_allclose(each, [0.9, 0.6, 1])
    turned = accuracies(["blue", "green", "red"], [p[::-1] for p in several[::-1]])
    np.testing.assert_allclose(turned, each[::-1], rtol=1e-12)
    np.testing.assert_allclose(accuracies(["red"], [people(3)], form=short_accuracy), [1])


def test_by_type():
    means = by_type(np.array([1.0, 0.5, 0.0]), ["yes/no", "number", "yes/no"])
    assert means == {"number": 0.5, "yes/no": 0.5}


@given(st.text(max_size=30))
def test_normalising_any_text(text):
    """Nothing is normal that has capitals, double blanks or an article."""
    normal = normalize(text)
    assert normal == normal.lower()
    assert "  " not in normal
    assert not {"a", "an", "the"} & set(normal.split())


def test_wrong_arguments():
    with pytest.raises(ValueError, match="two people or more"):
        accuracy("red", ["red"])
    with pytest.raises(ValueError, match="1 answers, but people's to 2"):
        accuracies(["red"], [people(1)] * 2)
    with pytest.raises(ValueError, match="0 answers"):
        accuracies([], [])
    with pytest.raises(ValueError, match="2 accuracies, but 1 types"):
        by_type(np.ones(2), ["yes/no"])
