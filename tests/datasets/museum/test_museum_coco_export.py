"""The COCO export: ids, boxes, areas and outlines."""

import json

import numpy as np

from tinyvlm.datasets import museum


def test_export():
    scenes = list(museum.Museum(museum.SEVERAL_OBJECTS).scenes(10))
    data = json.loads(json.dumps(museum.coco(scenes)))
    assert [image["id"] for image in data["images"]] == list(range(1, 11))
    assert {(image["width"], image["height"]) for image in data["images"]} == {(48, 48)}
    assert len({image["file_name"] for image in data["images"]}) == 10
    things = [(scene, thing) for scene in scenes for thing in scene.objects]
    names = {each["id"]: each["name"] for each in data["categories"]}
    assert len(names) == 48
    assert [each["id"] for each in data["annotations"]] == list(range(1, len(things) + 1))
    for annotation, (scene, thing) in zip(data["annotations"], things, strict=True):
        assert scenes[annotation["image_id"] - 1] is scene
        assert names[annotation["category_id"]] == f"{thing.color} {thing.shape}"
        corners = np.array(annotation["segmentation"][0]).reshape(-1, 2)
        x, y, width, height = annotation["bbox"]
        np.testing.assert_allclose(corners.min(axis=0), (x, y), atol=1e-4)
        np.testing.assert_allclose(corners.max(axis=0), (x + width, y + height), atol=1e-4)
        # the shoelace formula against the counted pixels
        across, down = corners.T
        area = abs(across @ np.roll(down, 1) - down @ np.roll(across, 1)) / 2
        assert abs(area - annotation["area"]) < 0.15 * area
