"""One item of a data set: a picture that is read when it is asked for, and what is known of it.

Every reader of this package hands out the same Sample and fills what its format has: a class
folder `label`, a caption folder `captions`. What a format lacks stays empty.
"""

import operator
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, TypeVar

import numpy as np

T = TypeVar("T")


class OnDemand(Sequence[T]):
    """A sequence of `length` items, each made by make(index) whenever it is asked for."""

    def __init__(self, length: int, make: Callable[[int], T]):
        self.length = length
        self.make = make

    def __len__(self) -> int:
        return self.length

    def __getitem__(self, index: int) -> T:  # type: ignore[override]  # no slices
        return self.make(at(index, self.length))


@dataclass(frozen=True, eq=False)
class Sample:
    read: Callable[[], np.ndarray] = field(repr=False)  # gives (Y, X, 3) uint8
    captions: list[str] = field(default_factory=list)
    label: int | None = None  # class of the whole picture; NLVR: whether its sentence is true
    boxes: list[tuple[float, float, float, float]] = field(default_factory=list)  # x, y, w, h
    box_labels: list[int] = field(default_factory=list)  # one class a box
    masks: Sequence[np.ndarray] = field(default_factory=list, repr=False)  # (Y, X) bool, one a box
    qa: list[tuple[str, list[str]]] = field(default_factory=list)  # question, accepted answers
    meta: dict[str, Any] = field(default_factory=dict)  # where it came from: path, ids

    @cached_property
    def image(self) -> np.ndarray:
        """The picture, (Y, X, 3) uint8, read at the first use; raises InputError if it can't be."""
        return self.read()


def at(index: int, length: int) -> int:
    """An index of a sequence, counted from its start; raises IndexError beyond its end."""
    index = operator.index(index)
    if not -length <= index < length:
        raise IndexError(f"index {index} of a sequence of {length}")
    return index % length
