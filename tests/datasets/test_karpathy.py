"""Karpathy's splits: one split or several, names with and without a folder, broken rows."""

import json

import pytest

from tinyvlm.datasets import json_index
from tinyvlm.datasets.karpathy import KarpathySplit
from tinyvlm.errors import InputError

IMAGES = [
    {
        "filename": "a.png",
        "imgid": 0,
        "split": "train",
        "sentids": [0, 1],
        "sentences": [
            {"tokens": ["a", "dog"], "raw": "A dog . ", "imgid": 0, "sentid": 0},
            {"tokens": ["two", "words"], "imgid": 0, "sentid": 1},
        ],
    },
    {"filename": "b.png", "split": "test", "sentences": [{"raw": "Ein Hund, 犬."}]},
    {
        "filename": "c.png",
        "filepath": "val2014",
        "split": "restval",
        "cocoid": 5,
        "sentences": [{"raw": "A cat."}],
    },
]


@pytest.fixture
def pictures(photos):
    return photos("a.png", "b.png", "val2014/c.png")


@pytest.fixture
def write(tmp_path):
    def make(images):
        path = tmp_path / "dataset.json"
        text = json.dumps({"images": images, "dataset": "flickr8k"}, ensure_ascii=False)
        path.write_text(text, encoding="utf-8")
        return path

    return make


def test_one_split(write, pictures):
    data = KarpathySplit(write(IMAGES), pictures)
    assert len(data) == 1
    assert data[0].captions == data.captions[0] == ["A dog .", "two words"]
    assert data[0].meta == {"path": pictures / "a.png", "split": "train"}
    assert data[0].image[0, 0, 0] == 0
    test = KarpathySplit(write(IMAGES), pictures, "test", size=5)
    assert list(test.captions) == [["Ein Hund, 犬."]]
    assert test[0].image.shape == (5, 5, 3)


def test_two_splits(write, pictures, monkeypatch):
    path = write(IMAGES)
    KarpathySplit(path, pictures)
    monkeypatch.setattr(json_index, "json_items", None)  # from the index
    data = KarpathySplit(path, pictures, ("restval", "train"))
    assert [sample.meta["split"] for sample in data] == ["train", "restval"]
    assert data.paths[1] == pictures / "val2014" / "c.png"
    assert data[1].image[0, 0, 0] == 20


def test_a_split_that_is_not_there(write, pictures):
    with pytest.raises(InputError, match="has no split 'val'; it has train, test, restval"):
        KarpathySplit(write(IMAGES), pictures, ("train", "val"))


@pytest.mark.parametrize(
    ("fields", "reason"),
    [
        ({"filename": None}, "filename must be a text"),
        ({"filename": "../a.png"}, "file_name '../a.png' leaves the folder"),
        ({"filepath": ".."}, "file_name '../a.png' leaves the folder"),
        ({"filepath": 7}, "filepath must be a text"),
        ({"split": None}, "split must be a text"),
        ({"sentences": []}, "no sentences"),
        ({"sentences": None}, "no sentences"),
        ({"sentences": "A dog"}, "no sentences"),
        ({"sentences": ["A dog"]}, "not an object but 'A dog'"),
        ({"sentences": [{"raw": ""}]}, "raw must be a text"),
        ({"sentences": [{"raw": "a"}, {}]}, "a sentence has no raw text and no tokens"),
        ({"sentences": [{"tokens": ["a", 1]}]}, "a sentence has no raw text and no tokens"),
        ({"sentences": [{"tokens": []}]}, "a sentence has no raw text and no tokens"),
    ],
)
def test_broken_rows(write, pictures, fields, reason):
    images = [IMAGES[0], IMAGES[0] | fields, "row", *IMAGES[:1]]
    data = KarpathySplit(write(images), pictures)
    assert len(data) == 2
    assert data.skipped[0][1].startswith(f"images[1]: {reason}")
    assert data.skipped[1][1] == "images[2]: not an object but 'row'"


def test_another_file(write, pictures):
    with pytest.raises(
        InputError, match="is no file of Karpathy's splits: no usable images; image"
    ):
        KarpathySplit(write([{"id": 1, "file_name": "a.png"}]), pictures)
