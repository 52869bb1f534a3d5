"""Scenes in the COCO detection format, for tools that read it."""

from collections.abc import Sequence

from tinyvlm.datasets.museum.drawing import boxes, masks, outline
from tinyvlm.datasets.museum.scene import PAIRS, Scene


def coco(scenes: Sequence[Scene]) -> dict:
    """A JSON-able dict with images, annotations and categories, ids counted from 1.

    A category is a colour-shape pair ("red circle", supercategory "circle"). `bbox` is x, y, width,
    height in pixels and `segmentation` the outline, both of the whole object; `area` counts its
    visible pixels.
    """
    images = []
    annotations: list[dict] = []
    for image_id, scene in enumerate(scenes, start=1):
        name = f"{scene.split}_{scene.index:06d}.png"
        images.append(
            {"id": image_id, "file_name": name, "width": scene.size_px, "height": scene.size_px}
        )
        areas = masks(scene).sum(axis=(1, 2)).tolist()
        for thing, box, area in zip(scene.objects, boxes(scene).tolist(), areas, strict=True):
            annotations.append(
                {
                    "id": len(annotations) + 1,
                    "image_id": image_id,
                    "category_id": PAIRS.index(thing.pair) + 1,
                    "bbox": box,
                    "area": area,
                    "segmentation": [[value for corner in outline(thing) for value in corner]],
                    "iscrowd": 0,
                }
            )
    categories = [
        {"id": k, "name": f"{color} {shape}", "supercategory": shape}
        for k, (color, shape) in enumerate(PAIRS, start=1)
    ]
    return {"images": images, "annotations": annotations, "categories": categories}
