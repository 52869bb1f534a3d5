"""Fields of a JSON row, checked: whole number, text, numbers; InputError says which (layer 4)."""

import math
from typing import Any

from tinyvlm.errors import InputError


def check_object(row: Any) -> dict:
    """The row itself, if it is a JSON object."""
    if not isinstance(row, dict):
        raise InputError(f"not an object but {row!r:.40}")
    return row


def whole(row: dict, key: str) -> int:
    """row[key], an integer of at most 63 bits; true and 1.0 are none."""
    value = row.get(key)
    if type(value) is not int or not -(1 << 63) < value < 1 << 63:
        raise InputError(f"{key} must be a whole number, got {row.get(key, 'none')!r:.40}")
    return value


def text(row: dict, key: str) -> str:
    """row[key], a string that is not blank, without the spaces around it."""
    value = row.get(key)
    if not isinstance(value, str) or not value.strip():
        raise InputError(f"{key} must be a text, got {row.get(key, 'none')!r:.40}")
    check_text(value)
    return value.strip()


def check_text(value: str) -> None:
    """Raise InputError for half a surrogate pair, which no UTF-8 file can hold."""
    try:
        value.encode()
    except UnicodeEncodeError as error:
        raise InputError(f"half a character in the text {value!r:.40}") from error


def numbers(row: dict, key: str, count: int) -> list[float]:
    """row[key], a list of so many finite numbers."""
    value = row.get(key)
    if not isinstance(value, list) or len(value) != count or not all(map(is_number, value)):
        raise InputError(f"{key} must be {count} numbers, got {row.get(key, 'none')!r:.40}")
    return value


def is_number(value: Any) -> bool:
    """Whether it is a finite number that a float can hold; true and false are none."""
    if type(value) is int:
        return abs(value) < 1 << 63
    return type(value) is float and math.isfinite(value)
