"""What is checked and kept of a COCO file when it is read through (layer 4).

An image or an annotation that can't be used is left out and named: a missing or wrong field, a
file_name that leaves the folder, a mask of another size, an image that is not in the file.
"""

from pathlib import Path
from typing import Any

import numpy as np

from tinyvlm.datasets import polygons, rle
from tinyvlm.datasets.confined import quote, relative_name
from tinyvlm.datasets.fields import check_object, numbers, text, whole
from tinyvlm.datasets.json_index import Check, Columns, Notes, Scan
from tinyvlm.errors import InputError
from tinyvlm.images import MAX_PIXELS

CAPTIONS_FORM = "COCO captions file"
INSTANCES_FORM = "COCO instances file"
NO_SIZE = (-1, -1)  # of polygons, which are painted in any


def index_captions(path: Path) -> tuple[Columns, Notes]:
    """Columns of images that have a caption, and of captions."""
    scan = Scan(path, {"images": check_image, "annotations": check_caption}, CAPTIONS_FORM)
    columns = by_image(path, scan, captioned=True)
    return columns, {"skipped": scan.skipped}


def index_instances(path: Path) -> tuple[Columns, Notes]:
    """Columns of images, of instances with masks, and of categories; notes have their names."""
    return _index_categories(path, {"images": check_sized_image, "annotations": check_instance})


def index_boxes(path: Path) -> tuple[Columns, Notes]:
    """The same for instances of which only the boxes are of interest."""
    return _index_categories(path, {"images": check_image, "annotations": check_box})


def _index_categories(path: Path, checks: dict[str, Check]) -> tuple[Columns, Notes]:
    names: list[str] = []

    def check_category(item: dict) -> tuple[int]:
        number, name = whole(item, "id"), text(item, "name")
        names.append(name)
        return (number,)

    scan = Scan(path, {**checks, "categories": check_category}, INSTANCES_FORM)
    categories = scan.rows["categories"][:, 0]
    if len(np.unique(categories)) < len(categories):
        raise InputError(f"{quote(path)} has two categories of the same id; correct it")
    unknown = ~np.isin(scan.rows["annotations"][:, 1], categories)
    scan.leave_out("annotations", unknown, "its category is none of the categories (image {})")
    columns = by_image(path, scan)
    return columns | {"category_id": categories.copy()}, {"skipped": scan.skipped, "classes": names}


def by_image(path: Path, scan: Scan, captioned: bool = False) -> Columns:
    """Where each image's item stands, and where those of its annotations do.

    image_id, image_start, image_length (images,); first (images + 1,): the annotations of image i
    are those from first[i] to first[i + 1] of annotation_start, annotation_length. With
    `captioned`, images without annotations are left out. Rows of images are id, height, width, of
    annotations image_id, category_id, height, width.
    """
    owner = _owners(scan)
    images, annotations = scan.rows["images"], scan.rows["annotations"]
    if not len(annotations):
        raise InputError(f"{quote(path)} has no usable annotation; {scan.skipped[-1]}")
    by_owner = np.argsort(owner, kind="stable")
    first = np.searchsorted(owner[by_owner], np.arange(len(images) + 1)).astype(np.int64)
    if captioned:
        bare = first[1:] == first[:-1]
        scan.leave_out("images", bare, "no caption (id {})")
        images = images[~bare]
        first = np.append(first[:-1][~bare], first[-1])
    return {
        "image_id": images[:, 0].copy(),
        "image_start": images[:, -2].copy(),
        "image_length": images[:, -1].copy(),
        "first": first,
        "annotation_start": annotations[by_owner, -2],
        "annotation_length": annotations[by_owner, -1],
    }


def _owners(scan: Scan) -> np.ndarray:
    """(annotations,): which row of images each belongs to; what belongs to none is left out."""
    twice = np.ones(len(scan.rows["images"]), bool)
    twice[np.unique(scan.rows["images"][:, 0], return_index=True)[1]] = False
    scan.leave_out("images", twice, "id {} is given a second time")
    images = scan.rows["images"]
    by_id = np.argsort(images[:, 0])
    ids = images[by_id, 0]
    wanted = scan.rows["annotations"][:, 0]
    place = np.searchsorted(ids, wanted).clip(max=len(ids) - 1)
    stray = ids[place] != wanted
    scan.leave_out("annotations", stray, "image_id {} is none of the images")
    owner = by_id[place[~stray]]
    size = scan.rows["annotations"][:, 2:4]
    other = (size != images[owner, 1:3]).any(axis=1) & (size != NO_SIZE).any(axis=1)
    scan.leave_out("annotations", other, "its run lengths are not of its image's size (image {})")
    return owner[~other]


def check_image(item: dict) -> tuple[int, int, int]:
    relative_name(text(item, "file_name"))
    return whole(item, "id"), *NO_SIZE


def check_sized_image(item: dict) -> tuple[int, int, int]:
    number, _, _ = check_image(item)
    return number, *size_of(item)


def check_caption(item: dict) -> tuple[int, int, int, int]:
    text(item, "caption")
    return whole(item, "image_id"), 0, *NO_SIZE


def check_box(item: dict) -> tuple[int, int, int, int]:
    _, _, width, height = numbers(item, "bbox", 4)
    if width < 0 or height < 0:
        raise InputError(f"bbox has a negative side, {width} x {height}")
    return whole(item, "image_id"), whole(item, "category_id"), *NO_SIZE


def check_instance(item: dict) -> tuple[int, int, int, int]:
    image, category, _, _ = check_box(item)
    if not item.get("segmentation"):
        raise InputError("no segmentation; for boxes alone open it with masks=False")
    return image, category, *check_segmentation(item["segmentation"])


def check_segmentation(segmentation: Any) -> tuple[int, int]:
    """The (height, width) of run lengths, NO_SIZE of polygons; InputError for anything else."""
    if not isinstance(segmentation, dict):
        polygons.check_polygons(segmentation)
        return NO_SIZE
    height, width = numbers(segmentation, "size", 2)
    size = size_of({"height": height, "width": width})
    rle.check_counts(counts_of(segmentation), *size)
    return size


def counts_of(segmentation: dict) -> Any:
    """The run lengths of either form."""
    counts = segmentation.get("counts")
    return rle.from_string(counts) if isinstance(counts, str) else counts


def size_of(item: dict) -> tuple[int, int]:
    """(height, width) in pixels; raises InputError unless both are sides of a picture."""
    height, width = whole(check_object(item), "height"), whole(item, "width")
    if min(height, width) < 1 or height * width > MAX_PIXELS:
        raise InputError(f"{height} x {width} pixels are no size of a picture")
    return height, width
