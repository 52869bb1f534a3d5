"""A set of pictures in a folder, what every reader of real data is (layer 4)."""

import operator
import os
from collections.abc import Sequence
from functools import partial
from pathlib import Path

import numpy as np
from tqdm import tqdm

from tinyvlm import images
from tinyvlm.datasets.confined import check_folder, quote
from tinyvlm.datasets.sample import Sample
from tinyvlm.errors import InputError


class PictureSet(Sequence[Sample]):
    """What all readers share: a Sample a picture, its picture read when asked for.

    `paths` has one entry a picture, `skipped` (path, reason) of everything that was not used.
    `size` makes every picture (size, size, 3): the shorter side, then the middle.
    """

    def __init__(self, root: str | os.PathLike, size: int | None = None):
        self.root = check_folder(root)
        self.size = size
        self.paths: list[Path] = []
        self.skipped: list[tuple[Path, str]] = []

    def __len__(self) -> int:
        return len(self.paths)

    def __getitem__(self, index: int) -> Sample:  # type: ignore[override]  # no slices
        index = operator.index(index)
        path = self.paths[index]
        return Sample(partial(_read, path, self.size), meta={"path": path}, **self._facts(index))

    def _facts(self, index: int) -> dict:
        raise NotImplementedError


def load_pictures(folder: PictureSet, size: int) -> tuple[np.ndarray, np.ndarray]:
    """Decode all pictures into one array, with a progress bar.

    Returns pictures (N, size, size, 3) uint8 and the indices (N,) into the folder that they have.
    Unreadable ones are left out and logged in `folder.skipped`; raises InputError if all are.
    """
    try:
        pictures = np.empty((len(folder), size, size, 3), np.uint8)
    except MemoryError as error:
        gigabytes = len(folder) * size * size * 3 / 1e9
        message = f"{len(folder)} pictures need {gigabytes:.0f} GB of memory; use a smaller size"
        raise InputError(message) from error
    kept: list[int] = []
    failed: list[tuple[Path, str]] = []
    for index, path in enumerate(tqdm(folder.paths, desc="reading pictures", unit="picture")):
        try:
            pictures[len(kept)] = _read(path, size)  # (size, size, 3)
        except InputError as error:
            failed.append((path, str(error)))
        else:
            kept.append(index)
    known = set(folder.skipped)
    folder.skipped += [entry for entry in failed if entry not in known]
    if not kept:
        raise InputError(f"no picture of {quote(folder.root)} can be read; first: {failed[0][1]}")
    return pictures[: len(kept)], np.array(kept, np.int64)


def _read(path: Path, size: int | None) -> np.ndarray:
    image = images.load(path)
    return image if size is None else images.to_square(image, size)
