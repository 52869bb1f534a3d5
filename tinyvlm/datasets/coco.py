"""COCO: captions, and instances with boxes, classes and masks (layer 4).

Lin et al. 2014, arXiv 1405.0312. One JSON file {"images": [...], "annotations": [...],
"categories": [...]} and one folder of pictures. The file is read through once, into an index
beside it, and an item again when its sample is asked for. Left out: key points, panoptic
segmentation.
"""

import os
from typing import Any

import numpy as np

from tinyvlm.datasets import polygons, rle
from tinyvlm.datasets.coco_index import (
    NO_SIZE,
    check_box,
    check_segmentation,
    counts_of,
    index_boxes,
    index_captions,
    index_instances,
    size_of,
)
from tinyvlm.datasets.fields import text
from tinyvlm.datasets.json_index import Build, IndexedJson
from tinyvlm.datasets.picture_set import PictureSet
from tinyvlm.datasets.sample import OnDemand
from tinyvlm.errors import InputError


class CocoPictures(PictureSet):
    """What captions and instances share: a sample a picture, in the order of the file's images.

    `image_ids` (len,) int64. Pictures lie in the folder `pictures` under their file_name.
    """

    def __init__(
        self,
        annotations: str | os.PathLike,
        pictures: str | os.PathLike,
        kind: str,
        build: Build,
        size: int | None = None,
    ):
        super().__init__(pictures, size)  # first: it is quickly said that there is no such folder
        self.file = IndexedJson(annotations, kind, build)
        self.image_ids = self.file.columns["image_id"]
        self.names = OnDemand(len(self.image_ids), self._name)
        self.skipped = [(self.file.path, reason) for reason in self.file.notes["skipped"]]

    def _name(self, index: int) -> str:
        return self.confined.name(text(self._image(index), "file_name"))

    def _image(self, index: int) -> dict:
        (image,) = self.file.read([self._span("image", index)])
        if image.get("id") != self.image_ids[index]:
            raise self.file.does_not_fit()
        return image

    def _annotations(self, index: int) -> list[dict]:
        """The annotations of a picture, in the order of the file."""
        first, beyond = self.file.columns["first"][index : index + 2].tolist()
        found = self.file.read([self._span("annotation", i) for i in range(first, beyond)])
        if any(item.get("image_id") != self.image_ids[index] for item in found):
            raise self.file.does_not_fit()
        return found

    def _span(self, kind: str, index: int) -> tuple[int, int]:
        columns = self.file.columns
        return int(columns[f"{kind}_start"][index]), int(columns[f"{kind}_length"][index])


class CocoCaptions(CocoPictures):
    """captions_train2017.json and its like: every picture with its captions (five, mostly).

    `captions[i]` are those of `paths[i]`; a picture without one is left out. Raises InputError
    for a file that can't be read or has another form.
    """

    def __init__(
        self,
        annotations: str | os.PathLike,
        pictures: str | os.PathLike,
        size: int | None = None,
    ):
        super().__init__(annotations, pictures, "captions", index_captions, size)
        self.captions = OnDemand(len(self), self._captions)

    def _captions(self, index: int) -> list[str]:
        return [text(item, "caption") for item in self._annotations(index)]

    def _facts(self, index: int) -> dict:
        meta = {"image_id": int(self.image_ids[index])}
        return {"captions": self._captions(index), "meta": meta}


class CocoInstances(CocoPictures):
    """instances_train2017.json and its like: boxes, classes and masks of what is in a picture.

    `classes` are the categories' names in the order of the file; a box's label is an index into
    them, and `category_ids` (classes,) int64 are their own numbers, which have gaps. Boxes are in
    pixels of the picture as it is, so there is no `size`. A mask is painted when it is asked for.
    A sample's meta has image_id and, one a box, annotation_ids (None where there is none), areas,
    and iscrowd: True for a region of many. With masks=False a file may have boxes alone.
    """

    def __init__(
        self, annotations: str | os.PathLike, pictures: str | os.PathLike, masks: bool = True
    ):
        if masks:
            super().__init__(annotations, pictures, "instances", index_instances)
        else:
            super().__init__(annotations, pictures, "boxes", index_boxes)
        self.has_masks = masks
        self.classes: list[str] = self.file.notes["classes"]
        self.category_ids = self.file.columns["category_id"]
        self._label_of = {number: i for i, number in enumerate(self.category_ids.tolist())}

    def _facts(self, index: int) -> dict:
        found = self._annotations(index)
        meta = {
            "image_id": int(self.image_ids[index]),
            "annotation_ids": [item.get("id") for item in found],
            "areas": [item.get("area") for item in found],
            "iscrowd": [item.get("iscrowd") == 1 for item in found],
        }
        categories = [check_box(item)[1] for item in found]
        if not set(categories) <= self._label_of.keys():
            raise self.file.does_not_fit()
        facts: dict[str, Any] = {
            "boxes": [tuple(map(float, item["bbox"])) for item in found],
            "box_labels": [self._label_of[number] for number in categories],
            "meta": meta,
        }
        if self.has_masks:
            height, width = size_of(self._image(index))
            shapes = [item.get("segmentation") for item in found]
            facts["masks"] = OnDemand(len(shapes), lambda i: paint(shapes[i], height, width))
        return facts


def paint(segmentation: Any, height: int, width: int) -> np.ndarray:
    """The (Y, X) bool mask of a segmentation: polygons, or run lengths in one of their two forms.

    Raises InputError for what is none of these or does not fit the size.
    """
    size = check_segmentation(segmentation)
    if size == NO_SIZE:
        return polygons.paint(segmentation, height, width)
    if size != (height, width):
        raise InputError(f"run lengths of {size[0]} x {size[1]}, not {height} x {width}")
    return rle.decode(counts_of(segmentation), height, width)
