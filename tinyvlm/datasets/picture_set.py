"""A set of pictures in a folder, what every reader of real data is (layer 4)."""

import os
from collections.abc import Sequence
from functools import partial
from pathlib import Path

import numpy as np
from tqdm import tqdm

from tinyvlm import images
from tinyvlm.datasets.confined import Confined, check_folder, quote
from tinyvlm.datasets.sample import OnDemand, Sample, at
from tinyvlm.errors import InputError


class PictureSet(Sequence[Sample]):
    """What all readers share: samples in the order of their file, each picture read when asked for.

    `paths` has one entry a sample, `skipped` (path, reason) of everything that was not used.
    `size` makes every picture (size, size, 3): the shorter side, then the middle. A reader fills
    `names`, paths inside `root`, and says in `_facts` what else it knows of a sample.
    """

    def __init__(self, root: str | os.PathLike, size: int | None = None):
        self.root = check_folder(root)
        self.confined = Confined(self.root)
        self.size = size
        self.names: Sequence[str] = []  # with "/" between folders
        self.skipped: list[tuple[Path, str]] = []

    def __len__(self) -> int:
        return len(self.names)

    def __getitem__(self, index: int) -> Sample:  # type: ignore[override]  # no slices
        index = at(index, len(self))
        facts = self._facts(index)
        meta = {"path": self.path(index), **facts.pop("meta", {})}
        return Sample(partial(self.picture, index, self.size), meta=meta, **facts)

    @property
    def paths(self) -> Sequence[Path]:
        return OnDemand(len(self), self.path)

    def path(self, index: int) -> Path:
        return self.root / self.names[index]

    def picture(self, index: int, size: int | None = None) -> np.ndarray:
        """Read one picture: (Y, X, 3) uint8, or (size, size, 3); raises InputError."""
        path = self.path(index)
        self.confined.check(path)
        image = images.load(path)
        return image if size is None else images.to_square(image, size)

    def _facts(self, index: int) -> dict:
        """Fields of Sample beside the picture; `meta` is added to its path."""
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
    for index in tqdm(range(len(folder)), desc="reading pictures", unit="picture"):
        try:
            pictures[len(kept)] = folder.picture(index, size)  # (size, size, 3)
        except InputError as error:
            failed.append((folder.path(index), str(error)))
        else:
            kept.append(index)
    known = set(folder.skipped)
    folder.skipped += [entry for entry in failed if entry not in known]
    if not kept:
        raise InputError(f"no picture of {quote(folder.root)} can be read; first: {failed[0][1]}")
    return pictures[: len(kept)], np.array(kept, np.int64)
