"""COCO files: captions; boxes, classes and masks; rows that are broken; files of another kind."""

import copy
import json
import tracemalloc

import numpy as np
import pytest

from tinyvlm.datasets import coco, json_index, museum, rle
from tinyvlm.datasets.coco import CocoCaptions, CocoInstances
from tinyvlm.datasets.picture_set import load_pictures
from tinyvlm.errors import InputError

SQUARE = [2, 1, 5, 1, 5, 3, 2, 3]  # 6 pixels of 12 x 16
CROWD = np.zeros((12, 16), bool)
CROWD[3:6, 4:9] = True

IMAGES = [
    {"id": 42, "file_name": "b.png", "height": 12, "width": 16},
    {"id": 7, "file_name": "in/a.png", "height": 12, "width": 16},
    {"id": 9, "file_name": "empty.png", "height": 12, "width": 16},
]
CAPTIONS = {
    "info": {"year": 2017},
    "images": IMAGES,
    "licenses": [],
    "annotations": [
        {"id": 1, "image_id": 7, "caption": "A cat . "},
        {"id": 2, "image_id": 42, "caption": "un café, 猫"},
        {"id": 3, "image_id": 7, "caption": "The \u2028 cat\n"},
    ],
}
INSTANCES = {
    "images": IMAGES,
    "categories": [
        {"id": 90, "name": "toothbrush", "supercategory": "indoor"},
        {"id": 1, "name": "person"},
    ],
    "annotations": [
        {
            "id": 10,
            "image_id": 7,
            "category_id": 1,
            "bbox": [2, 1.5, 3, 2],
            "area": 6.0,
            "iscrowd": 0,
            "segmentation": [SQUARE],
        },
        {
            "id": 11,
            "image_id": 42,
            "category_id": 90,
            "bbox": [0, 0, 16, 12],
            "segmentation": [SQUARE, [8, 8, 12, 8, 12, 12]],
        },
        {
            "id": 12,
            "image_id": 7,
            "category_id": 90,
            "bbox": [4, 3, 5, 3],
            "area": 15,
            "iscrowd": 1,
            "segmentation": {"size": [12, 16], "counts": rle.encode(CROWD)},
        },
        {
            "id": 13,
            "image_id": 7,
            "category_id": 1,
            "bbox": [4, 3, 5, 3],
            "segmentation": {"size": [12, 16], "counts": rle.to_string(rle.encode(CROWD))},
        },
    ],
}


@pytest.fixture
def pictures(photos):
    return photos("b.png", "in/a.png", "empty.png")


@pytest.fixture
def write(tmp_path):
    def make(content):
        path = tmp_path / "coco.json"
        text = content if isinstance(content, str) else json.dumps(content, ensure_ascii=False)
        path.write_text(text, encoding="utf-8")
        return path

    return make


def changed(content, key, number, **fields):
    """A copy in which one item has other fields; None takes a field away."""
    content = copy.deepcopy(content)
    item = {**content[key][number], **fields}
    content[key][number] = {name: value for name, value in item.items() if value is not None}
    return content


def reasons(data):
    return [reason for _, reason in data.skipped]


# Captions


def test_captions(write, pictures):
    path = write(CAPTIONS)
    for _ in range(2):  # the second time from the index
        data = CocoCaptions(path, pictures)
        assert len(data) == 2
        assert list(data.captions) == [["un café, 猫"], ["A cat .", "The \u2028 cat"]]
        assert list(data.paths) == [pictures / "b.png", pictures / "in" / "a.png"]
        assert data.image_ids.tolist() == [42, 7]
        assert data.skipped == [(path, "images[2]: no caption (id 9)")]
        sample = data[-1]
        assert sample.captions == data.captions[1]
        assert sample.meta == {"path": pictures / "in" / "a.png", "image_id": 7}
        assert sample.image[0, 0, 0] == 10
        assert sample.boxes == sample.qa == []


def test_the_file_is_read_through_once(write, pictures, monkeypatch):
    path = write(CAPTIONS)
    first = CocoCaptions(path, pictures)
    monkeypatch.setattr(json_index, "json_items", None)
    again = CocoCaptions(path, pictures)
    assert list(again.captions) == list(first.captions)
    assert again.skipped == first.skipped


def test_sizes_and_loading(write, pictures):
    data = CocoCaptions(write(CAPTIONS), pictures, size=5)
    assert data[0].image.shape == (5, 5, 3)
    (pictures / "b.png").unlink()
    loaded, kept = load_pictures(data, 4)
    assert kept.tolist() == [1]
    assert loaded.shape == (1, 4, 4, 3)
    assert "does not exist" in data.skipped[-1][1]


def test_lists_in_any_order(write, pictures):
    content = dict(reversed(CAPTIONS.items()))
    assert next(iter(content)) == "annotations"
    assert len(CocoCaptions(write(content), pictures)) == 2


@pytest.mark.parametrize(
    ("key", "number", "fields", "reason"),
    [
        ("annotations", 0, {"caption": None}, "annotations[0]: caption must be a text, got 'none'"),
        ("annotations", 0, {"caption": "  "}, "annotations[0]: caption must be a text"),
        ("annotations", 0, {"caption": ["a"]}, "annotations[0]: caption must be a text, got ['a']"),
        ("annotations", 0, {"image_id": "7"}, "annotations[0]: image_id must be a whole number"),
        ("annotations", 0, {"image_id": 8}, "annotations[0]: image_id 8 is none of the images"),
        ("images", 0, {"id": None}, "images[0]: id must be a whole number, got 'none'"),
        ("images", 0, {"id": 1 << 70}, "images[0]: id must be a whole number"),
        ("images", 1, {"id": 42}, "images[1]: id 42 is given a second time"),
        ("images", 0, {"file_name": None}, "images[0]: file_name must be a text"),
        ("images", 0, {"file_name": "../b.png"}, "images[0]: file_name '../b.png' leaves the"),
        ("images", 0, {"file_name": "/b.png"}, "images[0]: file_name '/b.png' leaves the folder"),
        ("images", 0, {"file_name": "C:b.png"}, "images[0]: file_name 'C:b.png' leaves the"),
        ("images", 0, {"file_name": "a\0b"}, "images[0]: file_name 'a\\x00b' names no file"),
    ],
)
def test_broken_rows_of_captions(write, pictures, key, number, fields, reason):
    data = CocoCaptions(write(changed(CAPTIONS, key, number, **fields)), pictures)
    assert any(found.startswith(reason) for found in reasons(data)), reasons(data)
    assert all(found.isprintable() for found in reasons(data))
    for sample in data:
        assert sample.captions
        _ = sample.image


def test_half_a_character(write, pictures):
    text = json.dumps(CAPTIONS).replace("A cat", "\\ud83d cat")
    data = CocoCaptions(write(text), pictures)
    assert reasons(data)[0].startswith("annotations[0]: half a character in the text")


def test_a_link_that_leaves(write, pictures, tmp_path):
    (tmp_path / "secret.png").write_bytes((pictures / "b.png").read_bytes())
    (pictures / "b.png").unlink()
    try:
        (pictures / "b.png").symlink_to(tmp_path / "secret.png")
    except OSError:
        pytest.skip("no links here")
    data = CocoCaptions(write(CAPTIONS), pictures)
    with pytest.raises(InputError, match=r"'b\.png' leaves the folder"):
        data[0]
    assert data[1].image[0, 0, 0] == 10


# Instances


def test_instances(write, pictures):
    path = write(INSTANCES)
    for _ in range(2):
        data = CocoInstances(path, pictures)
        assert data.classes == ["toothbrush", "person"]
        assert data.category_ids.tolist() == [90, 1]
        assert len(data) == 3
        assert data.skipped == []
        sample = data[1]
        assert sample.boxes == [(2.0, 1.5, 3.0, 2.0), (4.0, 3.0, 5.0, 3.0), (4.0, 3.0, 5.0, 3.0)]
        assert sample.box_labels == [1, 0, 1]
        assert sample.meta == {
            "path": pictures / "in" / "a.png",
            "image_id": 7,
            "annotation_ids": [10, 12, 13],
            "areas": [6.0, 15, None],
            "iscrowd": [False, True, False],
        }
        assert len(data[0].masks) == 1
        assert data[2].boxes == data[2].box_labels == list(data[2].masks) == []


def test_masks_in_all_three_forms(write, pictures):
    sample = CocoInstances(write(INSTANCES), pictures)[1]
    square, crowd, compressed = sample.masks
    np.testing.assert_array_equal(np.argwhere(square), [(y, x) for y in (1, 2) for x in (2, 3, 4)])
    np.testing.assert_array_equal(crowd, CROWD)
    np.testing.assert_array_equal(compressed, CROWD)
    assert square.shape == sample.image.shape[:2]
    assert square.dtype == bool


def test_masks_are_painted_when_asked_for(write, pictures, monkeypatch):
    painted = []
    monkeypatch.setattr(coco.polygons, "paint", lambda *given: painted.append(given))
    sample = CocoInstances(write(INSTANCES), pictures)[1]
    assert painted == []
    _ = sample.masks[0]
    assert painted == [([SQUARE], 12, 16)]


@pytest.mark.parametrize(
    ("fields", "reason"),
    [
        ({"bbox": None}, "bbox must be 4 numbers, got 'none'"),
        ({"bbox": [1, 2, 3]}, "bbox must be 4 numbers"),
        ({"bbox": [1, 2, -3, 4]}, "bbox has a negative side, -3 x 4"),
        ({"category_id": 5}, "its category is none of the categories (image 7)"),
        ({"category_id": "person"}, "category_id must be a whole number"),
        ({"image_id": 1000}, "image_id 1000 is none of the images"),
        ({"segmentation": None}, "no segmentation; for boxes alone open it with masks=False"),
        ({"segmentation": []}, "no segmentation; for boxes alone"),
        ({"segmentation": [[1, 2, 3, 4]]}, "a polygon is not [x1, y1"),
        ({"segmentation": [[1, 2, 3, 4, 5, "6"]]}, "a corner of a polygon is no number"),
        ({"segmentation": "abc"}, "segmentation has no polygon"),
        ({"segmentation": {"counts": [192]}}, "size must be 2 numbers"),
        ({"segmentation": {"size": [12, 16]}}, "counts must be integers"),
        ({"segmentation": {"size": [12, 16], "counts": [191]}}, "counts do not sum to 12 x 16"),
        ({"segmentation": {"size": [12, 16], "counts": "abc"}}, "counts"),
        ({"segmentation": {"size": [12, 16], "counts": "é"}}, "counts 'é' are no compressed"),
        ({"segmentation": {"size": [16, 12], "counts": [192]}}, "its run lengths are not of its"),
        (
            {"segmentation": {"size": [10**6, 10**6], "counts": [10**12]}},
            "1000000 x 1000000 pixels",
        ),
        ({"segmentation": {"size": [-1, -1], "counts": []}}, "-1 x -1 pixels are no size"),
    ],
)
def test_broken_instances(write, pictures, fields, reason):
    data = CocoInstances(write(changed(INSTANCES, "annotations", 0, **fields)), pictures)
    assert len(data.skipped) == 1
    assert reasons(data)[0].startswith(f"annotations[0]: {reason}")
    assert reasons(data)[0].isprintable()
    assert [len(sample.boxes) for sample in data] == [1, 2, 0]
    assert [len(list(sample.masks)) for sample in data] == [1, 2, 0]


@pytest.mark.parametrize(
    "fields", [{"height": None}, {"width": 0}, {"height": 10**6, "width": 10**6}]
)
def test_images_without_a_size(write, pictures, fields):
    data = CocoInstances(write(changed(INSTANCES, "images", 1, **fields)), pictures)
    assert data.image_ids.tolist() == [42, 9]
    assert len(data.skipped) == 1 + 3  # the image, and what is in it


def test_boxes_alone(write, pictures):
    content = copy.deepcopy(INSTANCES)
    for item in content["annotations"]:
        del item["segmentation"]
    content["images"] = [{"id": i["id"], "file_name": i["file_name"]} for i in IMAGES]
    path = write(content)
    with pytest.raises(InputError, match=r"no usable images; .*height must be a whole number"):
        CocoInstances(path, pictures)
    data = CocoInstances(path, pictures, masks=False)
    assert [len(sample.boxes) for sample in data] == [1, 3, 0]
    assert data[1].masks == []


def test_the_museum_as_coco(tmp_path, photos):
    """What the museum writes is read back: boxes, classes, and masks close to those drawn."""
    scenes = [museum.Museum(museum.SEVERAL_OBJECTS, "train")[i] for i in range(5)]
    path = tmp_path / "museum.json"
    path.write_text(json.dumps(museum.coco(scenes)))
    folder = photos(*[f"train_{scene.index:06d}.png" for scene in scenes])
    data = CocoInstances(path, folder)
    assert data.skipped == []
    for scene, sample in zip(scenes, data, strict=True):
        np.testing.assert_allclose(sample.boxes, museum.boxes(scene), atol=1e-5)
        for drawn, painted in zip(museum.masks(scene), sample.masks, strict=True):
            overlap = (drawn & painted).sum() / (drawn | painted).sum()
            assert overlap > 0.75
        names = [" ".join(thing.pair) for thing in scene.objects]
        assert [data.classes[label] for label in sample.box_labels] == names


# Files of another kind


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ({"images": IMAGES}, "no COCO captions file: no usable annotations; none at all"),
        (
            INSTANCES,
            r"no COCO captions file: no usable annotations; annotations\[0\]: caption must",
        ),
        ({"annotations": []}, "no usable images; none at all"),
        (
            {**CAPTIONS, "images": [{"id": 1000, "file_name": "x"}]},
            "has no usable annotation; anno",
        ),
        ({**CAPTIONS, "images": {"7": IMAGES[1]}}, "no usable images; none at all"),
    ],
)
def test_no_captions_file(write, pictures, content, message):
    with pytest.raises(InputError, match=message) as error:
        CocoCaptions(write(content), pictures)
    assert "coco.json'" in str(error.value)
    assert str(error.value).isprintable()


def test_no_instances_file(write, pictures):
    with pytest.raises(InputError, match="no COCO instances file: no usable annotations; annot"):
        CocoInstances(write(CAPTIONS), pictures)
    with pytest.raises(InputError, match="no COCO instances file: no usable categories; none"):
        CocoInstances(write({**INSTANCES, "categories": []}), pictures)
    twice = changed(INSTANCES, "categories", 0, id=1)
    with pytest.raises(InputError, match="two categories of the same id"):
        CocoInstances(write(twice), pictures)


@pytest.mark.parametrize(
    ("segmentation", "message"),
    [
        ({"size": [16, 12], "counts": [192]}, "run lengths of 16 x 12, not 12 x 16"),
        ({"size": [12, 16], "counts": [191]}, "counts do not sum"),
        ([], "segmentation has no polygon"),
        (None, "segmentation has no polygon"),
    ],
)
def test_what_can_not_be_painted(segmentation, message):
    with pytest.raises(InputError, match=message):
        coco.paint(segmentation, 12, 16)


def test_an_index_of_other_images(write, pictures):
    data = CocoCaptions(write(CAPTIONS), pictures)
    data.file.columns["image_start"] = data.file.columns["image_start"][::-1]
    data.file.columns["image_length"] = data.file.columns["image_length"][::-1]
    with pytest.raises(InputError, match=r"does not fit .*delete it"):
        data.path(0)


def test_an_index_of_another_file(write, pictures):
    """Catches an index that is believed although its places have other items."""
    path = write(CAPTIONS)
    data = CocoCaptions(path, pictures)
    data.file.columns["annotation_start"] = np.roll(data.file.columns["annotation_start"], 1)
    data.file.columns["annotation_length"] = np.roll(data.file.columns["annotation_length"], 1)
    with pytest.raises(InputError, match=r"does not fit .*delete it"):
        list(data)


def test_the_first_opening_takes_little_memory(tmp_path, pictures):
    """Catches a file that is read whole, which takes more than six times its size."""
    images = [
        {**IMAGES[0], "id": i, "coco_url": "http://example.org/" + "x" * 50} for i in range(999)
    ]
    shapes = [[float(f"{k % 640}.{i % 90 + 10}") for k in range(60)] for i in range(100)]
    one = INSTANCES["annotations"][0]
    rows = [one | {"image_id": i % 999, "segmentation": [shapes[i % 100]]} for i in range(10_000)]
    path = tmp_path / "large.json"
    path.write_text(json.dumps({**INSTANCES, "images": images, "annotations": rows}))
    del rows, images, shapes
    tracemalloc.start()
    try:
        data = CocoInstances(path, pictures)
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert len(data) == 999
    assert path.stat().st_size > 5_000_000
    assert peak < 2 * path.stat().st_size
