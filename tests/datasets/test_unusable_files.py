"""Every reader, every unusable file: one line that names it, and no index left behind."""

import json

import pytest

from tinyvlm.datasets.caption_table import CaptionTable
from tinyvlm.datasets.cifar import Cifar
from tinyvlm.datasets.coco import CocoCaptions, CocoInstances
from tinyvlm.datasets.flickr import FlickrCaptions
from tinyvlm.datasets.karpathy import KarpathySplit
from tinyvlm.datasets.nlvr import NLVR
from tinyvlm.datasets.vqa import VQAv2
from tinyvlm.errors import InputError

QUESTIONS = {
    "data_subtype": "x",
    "questions": [{"question_id": 1, "image_id": 1, "question": "why?"}],
}


def vqa_answers(path):
    questions = path.with_name("questions.json")
    questions.write_text(json.dumps(QUESTIONS))
    return VQAv2(questions, path, path.parent)


READERS = {
    "captions": lambda path: CocoCaptions(path, path.parent),
    "instances": lambda path: CocoInstances(path, path.parent),
    "boxes": lambda path: CocoInstances(path, path.parent, masks=False),
    "karpathy": lambda path: KarpathySplit(path, path.parent),
    "questions": lambda path: VQAv2(path, None, path.parent),
    "answers": vqa_answers,
    "flickr": lambda path: FlickrCaptions(path, path.parent),
    "table": lambda path: CaptionTable(path, path.parent),
    "nlvr": lambda path: NLVR(path.parent.parent, path.parent.name),
}
EMPTY_LISTS = {"images": [], "annotations": [], "categories": [], "questions": []}
WRONG = {key: [{"wrong": 1}, 2, None, "x", []] for key in EMPTY_LISTS}
CONTENTS = {
    "nothing": b"",
    "a space": b" ",
    "a mark": b"\xef\xbb\xbf",
    "words": b"some words\n",
    "numbers": b"1\n2\n",
    "no end": b'{"images": [{"id": 1',
    "another encoding": '{"images": []}'.encode("utf-16"),
    "latin 1": '{"images": ["café"]}'.encode("latin-1"),
    "a picture": b"\x89PNG\r\n\x1a\n\x00\x00",
    "a pickle": b"\x80\x04\x95\x10\x00\x00\x00",
    "zeros": bytes(5000),
    "one string": b'"images"',
    "a list": b'[{"image_id": 1, "caption": "a"}]',
    "no lists": b"{}",
    "empty lists": json.dumps(EMPTY_LISTS).encode(),
    "wrong keys": json.dumps(WRONG).encode(),
    "no list": b'{"images": 1, "annotations": {}, "categories": "x", "questions": null}',
    "deep": b'{"images": ' + b"[" * 50_000,
    "long": b"x" * 300_000,
}


@pytest.mark.parametrize("content", CONTENTS)
@pytest.mark.parametrize("reader", READERS)
def test_a_file_that_is_no_such(tmp_path, reader, content):
    folder = tmp_path / "folder"
    folder.mkdir()
    path = folder / "folder.json"  # the name that NLVR wants
    path.write_bytes(CONTENTS[content])
    with pytest.raises(InputError) as error:
        READERS[reader](path)
    message = str(error.value)
    assert "folder.json'" in message
    assert message.isprintable()
    assert len(message) < 400 + len(str(path))
    assert not [p for p in folder.iterdir() if p.suffix == ".index" and "folder.json" in p.name]


@pytest.mark.parametrize("reader", READERS)
def test_no_file(tmp_path, reader):
    folder = tmp_path / "folder"
    folder.mkdir()
    for path in (folder / "folder.json", folder / "missing" / "missing.json"):
        with pytest.raises(InputError, match=r"'.*' does not exist; check the path") as error:
            READERS[reader](path) if path.parent.exists() else CocoCaptions(path, folder)
        assert str(error.value).isprintable()
    (folder / "folder.json").mkdir()
    with pytest.raises(InputError, match=r"folder\.json' is a folder; name a file in it"):
        READERS[reader](folder / "folder.json")


@pytest.mark.parametrize(
    "open_it",
    [
        lambda file, folder: CocoCaptions(file, folder),
        lambda file, folder: CocoInstances(file, folder),
        lambda file, folder: KarpathySplit(file, folder),
        lambda file, folder: VQAv2(file, None, folder),
        lambda file, folder: FlickrCaptions(file, folder),
        lambda file, folder: CaptionTable(file, folder),
        lambda file, folder: Cifar(folder),
        lambda file, folder: NLVR(folder),
    ],
)
def test_no_folder_of_pictures(tmp_path, open_it):
    file = tmp_path / "file.json"
    content = {
        "images": [{"id": 1, "file_name": "a.jpg", "height": 1, "width": 1}],
        "annotations": [{"image_id": 1, "caption": "a"}],
        "questions": QUESTIONS["questions"],
    }
    file.write_text(json.dumps(content))
    for folder in (tmp_path / "nowhere", file):
        with pytest.raises(InputError, match=r"does not exist|is no folder") as error:
            open_it(file, folder)
        assert str(error.value).isprintable()
