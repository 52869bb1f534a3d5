"""One item of a data set: a picture that is read when it is asked for, and what is known of it.

Every reader of this package hands out the same Sample and fills what its format has: a class
folder `label`, a caption folder `captions`. What a format lacks stays empty.
"""

from collections.abc import Callable
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import numpy as np


@dataclass(frozen=True, eq=False)
class Sample:
    read: Callable[[], np.ndarray] = field(repr=False)  # gives (Y, X, 3) uint8
    captions: list[str] = field(default_factory=list)
    label: int | None = None  # class of the whole picture
    boxes: list[tuple[float, float, float, float]] = field(default_factory=list)  # x, y, w, h
    box_labels: list[int] = field(default_factory=list)  # one class a box
    masks: list[np.ndarray] = field(default_factory=list)  # one (Y, X) bool a box
    qa: list[tuple[str, list[str]]] = field(default_factory=list)  # question, accepted answers
    meta: dict[str, Any] = field(default_factory=dict)  # where it came from: path, ids

    @cached_property
    def image(self) -> np.ndarray:
        """The picture, (Y, X, 3) uint8, read at the first use; raises InputError if it can't be."""
        return self.read()
