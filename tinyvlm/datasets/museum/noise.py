"""Captions that belong to another picture, as web data has them (ALIGN: Jia et al., 2102.05918)."""

from collections.abc import Sequence

import numpy as np

from tinyvlm.datasets.museum.facts import Caption
from tinyvlm.errors import InputError


def misplace_captions(
    captions: Sequence[Caption], caption_noise: float, rng: np.random.Generator
) -> tuple[list[Caption], np.ndarray]:
    """Hand a share of the captions on, each to another picture of the share.

    caption_noise: the share, 0 to 1. Returns the captions in their new places and a bool array (B,)
    of the places that changed hands; a caption may by chance be true of its new picture too.
    """
    if not 0 <= caption_noise <= 1:
        raise InputError(f"caption_noise={caption_noise} must be a share between 0 and 1")
    count = round(caption_noise * len(captions))
    places = rng.permutation(len(captions))[:count]
    given = list(captions)
    if count > 1:  # one alone has nobody to exchange with
        for place, source in zip(places.tolist(), np.roll(places, 1).tolist(), strict=True):
            given[place] = captions[source]
    moved = np.zeros(len(captions), dtype=bool)
    moved[places] = count > 1
    return given, moved
