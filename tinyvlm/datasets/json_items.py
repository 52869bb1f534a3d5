"""The items of a big JSON file, one at a time, with the bytes where each stands (layer 4).

An annotation file of COCO is one object whose lists have up to a million items; read whole it
takes many times its size in memory. Here a window of about a megabyte moves over the file, and
Python's own decoder reads one item of a list after the other. The bytes of the window are decoded
as Latin-1, one character a byte, so a place in the text is a place in the file; an item that has
other than ASCII in it is then read again as UTF-8.
"""

import codecs
import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any, BinaryIO, NamedTuple

from tinyvlm.datasets.confined import quote
from tinyvlm.datasets.text_files import cannot_read, not_utf8
from tinyvlm.errors import InputError

CHUNK = 1 << 20  # bytes read at a time
LARGEST = 64 << 20  # bytes of one item; beyond, a broken file would be read whole
SPACE = re.compile(r"[ \t\r\n]*")
NUMBER = re.compile(r"[-+.0-9eE]*")
BYTE_ORDER_MARK = codecs.BOM_UTF8.decode("latin-1")


class JsonItem(NamedTuple):
    key: str  # of the list in the outermost object
    number: int  # in its list; -1: the value itself, which is no list
    value: Any
    start: int  # its first byte in the file
    stop: int  # the byte after its last


def json_items(path: Path) -> Iterator[JsonItem]:
    """The items of every list of the outermost object, and its other values, in file order.

    Raises InputError for a file that is no such object, not UTF-8, damaged or cut short, in the
    place where that shows: what came before has been handed out.
    """
    try:
        with open(path, "rb") as file:
            window = Window(path, file)
            if window.peek() != "{":
                raise InputError(
                    f"{quote(path)} is no JSON object of lists; check which file it is"
                )
            window.take("{")
            if window.peek() == "}":
                window.take("}")
            else:
                yield from members(window)
            if window.peek():
                raise window.broken()
    except UnicodeDecodeError as error:
        raise not_utf8(path) from error
    except OSError as error:
        raise cannot_read(path, error) from error


def members(window: "Window") -> Iterator[JsonItem]:
    """The members of an object, from after its "{" to its "}"."""
    while True:
        window.peek()
        key, _, _ = window.value()
        if not isinstance(key, str):
            raise window.broken()
        window.take(":")
        if window.peek() == "[":
            yield from elements(window, key)
        else:
            yield JsonItem(key, -1, *window.value())
        if window.take(",}") == "}":
            return


def elements(window: "Window", key: str) -> Iterator[JsonItem]:
    """The elements of a list, from its "[" to its "]"."""
    window.take("[")
    if window.peek() == "]":
        window.take("]")
        return
    number = 0
    while True:
        window.peek()
        yield JsonItem(key, number, *window.value())
        number += 1
        if window.take(",]") == "]":
            return


class Window:
    """A piece of a file, in which the next value is read; it moves on as needed."""

    def __init__(self, path: Path, file: BinaryIO):
        self.path = path
        self.file = file
        self.text = ""
        self.at = 0  # place in `text`
        self.offset = 0  # of `text` in the file
        self.ended = False
        self.utf8 = codecs.getincrementaldecoder("utf-8")()
        self.decode = json.JSONDecoder().raw_decode
        self.read_more(len(BYTE_ORDER_MARK))
        if self.text == BYTE_ORDER_MARK:
            self.at = len(BYTE_ORDER_MARK)

    def read_more(self, amount: int) -> None:
        data = self.file.read(amount)
        self.ended = not data
        self.utf8.decode(data, final=self.ended)  # only to find what is not UTF-8
        self.text = self.text[self.at :] + data.decode("latin-1")
        self.offset += self.at
        self.at = 0

    def peek(self) -> str:
        """Go to the next character that is no space and return it, "" at the end."""
        while True:
            self.at = SPACE.match(self.text, self.at).end()  # type: ignore[union-attr]
            if self.at < len(self.text):
                return self.text[self.at]
            if self.ended:
                return ""
            self.read_more(CHUNK)

    def take(self, expected: str) -> str:
        """Step over the next character, which must be one of these."""
        found = self.peek()
        if not found or found not in expected:
            raise self.broken()
        self.at += 1
        return found

    def value(self) -> tuple[Any, int, int]:
        """The value here, its first byte and the byte after its last."""
        amount = CHUNK
        while True:
            try:
                value, stop = self.decode(self.text, self.at)
            except RecursionError as error:
                raise self.broken() from error
            except ValueError as error:  # broken, or it goes on after the window
                if self.ended or len(self.text) - self.at > LARGEST:
                    raise self.broken() from error
                stop = len(self.text)
            rest = NUMBER.match(self.text, stop).end()  # type: ignore[union-attr]
            if rest < len(self.text) or self.ended:  # Trap: "1." is 1, until the 5 is read
                break
            self.read_more(amount)
            amount *= 2
        span = self.offset + self.at, self.offset + stop
        item = self.text[self.at : stop]
        self.at = stop
        return (value if item.isascii() else json.loads(item.encode("latin-1"))), *span

    def broken(self) -> InputError:
        place = f"broken or cut short at byte {self.offset + self.at:,}"
        return InputError(f"{quote(self.path)} is no valid JSON, {place}; copy it again")
