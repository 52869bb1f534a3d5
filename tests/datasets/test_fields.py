"""Fields of JSON rows: what passes, and what is named when it does not."""

import pytest

from tinyvlm.datasets import fields
from tinyvlm.errors import InputError


def test_what_passes():
    assert fields.check_object({"a": 1}) == {"a": 1}
    assert fields.whole({"id": -3}, "id") == -3
    assert fields.whole({"id": (1 << 63) - 1}, "id") == (1 << 63) - 1
    assert fields.text({"name": "  a 猫\n"}, "name") == "a 猫"
    assert fields.numbers({"bbox": [1, 2.5, 0, -1e9]}, "bbox", 4) == [1, 2.5, 0, -1e9]


@pytest.mark.parametrize("value", [None, 1.0, True, "1", [1], 1 << 63, -(1 << 63), {}])
def test_no_whole_number(value):
    with pytest.raises(InputError, match="id must be a whole number, got"):
        fields.whole({"id": value}, "id")


@pytest.mark.parametrize("value", [None, "", " \n", 1, ["a"], {"a": "b" * 1000}])
def test_no_text(value):
    with pytest.raises(InputError, match="name must be a text, got") as error:
        fields.text({"name": value}, "name")
    assert len(str(error.value)) < 100


def test_half_a_character_is_no_text():
    with pytest.raises(InputError, match="half a character") as error:
        fields.text({"name": "a\ud83d"}, "name")
    assert str(error.value).isprintable()


@pytest.mark.parametrize(
    "value",
    [None, [], [1, 2, 3], [1, 2, 3, 4, 5], "1234", [1, 2, 3, None], [1, 2, 3, "4"], [1, 2, 3, True]]
    + [[1, 2, 3, x] for x in (float("nan"), float("inf"), 10**400, [4])],
)
def test_no_numbers(value):
    with pytest.raises(InputError, match="bbox must be 4 numbers, got"):
        fields.numbers({"bbox": value}, "bbox", 4)


def test_what_is_missing_is_said():
    with pytest.raises(InputError, match="id must be a whole number, got 'none'"):
        fields.whole({}, "id")


@pytest.mark.parametrize("row", [None, 1, "a", [1]])
def test_no_object(row):
    with pytest.raises(InputError, match="not an object but"):
        fields.check_object(row)
