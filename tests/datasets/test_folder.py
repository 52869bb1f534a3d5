"""A user's own folders: what is found in them, what is refused in one line, what is skipped."""

import json
import os
import zipfile
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from tinyvlm import images
from tinyvlm.datasets.folder import (
    CaptionFolder,
    ClassFolder,
    class_words,
    open_folder,
)
from tinyvlm.datasets.picture_set import load_pictures
from tinyvlm.datasets.sample import Sample
from tinyvlm.errors import InputError


def picture(path, shade=100, shape=(6, 8)):
    """A flat picture, so that its shade tells which one it is."""
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(np.full((*shape, 3), shade, np.uint8)).save(path)
    return path


def names(folder):
    return [path.relative_to(folder.root).as_posix() for path in folder.paths]


def one_line(error):
    message = str(error.value)
    assert message
    assert message.isprintable(), message
    return message


@pytest.fixture
def animals(tmp_path):
    root = tmp_path / "animals"
    picture(root / "golden_retriever" / "10.png", 10)
    picture(root / "golden_retriever" / "2.png", 2)
    picture(root / "Cat" / "a.PNG", 30)
    picture(root / "zebra" / "only.jpeg", 40)
    return root


@pytest.fixture
def captioned(tmp_path):
    """A function that writes ROOT/metadata.* as given beside four pictures."""
    root = tmp_path / "captioned"
    for number in range(4):
        picture(root / f"{number}.png", number)
    picture(root / "inner" / "cat.png", 99)

    def make(content, name="metadata.csv"):
        data = content if isinstance(content, bytes) else content.encode()
        (root / name).write_bytes(data)
        return root

    return make


# Classes


def test_class_folder(animals):
    folder = ClassFolder(animals)
    assert folder.classes == ["Cat", "golden retriever", "zebra"]
    assert names(folder) == [
        "Cat/a.PNG",
        "golden_retriever/2.png",
        "golden_retriever/10.png",  # 2 before 10
        "zebra/only.jpeg",
    ]
    np.testing.assert_array_equal(folder.labels, [0, 1, 1, 2])
    assert folder.labels.dtype == np.int64
    assert folder.skipped == []


def test_it_is_a_sequence_of_samples(animals):
    folder = ClassFolder(animals)
    assert len(folder) == 4
    assert [sample.label for sample in folder] == [0, 1, 1, 2]
    assert folder[-1].label == folder[np.int64(3)].label == 2
    sample = folder[2]
    assert isinstance(sample, Sample)
    assert sample.meta == {"path": animals / "golden_retriever" / "10.png"}
    assert sample.captions == sample.boxes == sample.masks == sample.qa == []
    np.testing.assert_array_equal(sample.image, np.full((6, 8, 3), 10))
    assert sample.image is sample.image
    with pytest.raises(IndexError):
        folder[4]
    with pytest.raises(TypeError):
        folder[0:2]


def test_pictures_are_read_when_asked_for(animals):
    folder = ClassFolder(animals)
    sample = folder[0]
    (animals / "Cat" / "a.PNG").unlink()
    with pytest.raises(InputError, match=r"a\.PNG' does not exist"):
        _ = sample.image


def test_size_makes_square_pictures(animals):
    picture(animals / "zebra" / "wide.png", 7, shape=(10, 30))
    folder = ClassFolder(animals, size=5)
    for sample in folder:
        assert sample.image.shape == (5, 5, 3)
    want = images.to_square(images.load(folder.paths[-1]), 5)
    np.testing.assert_array_equal(folder[-1].image, want)


def test_what_a_class_folder_passes_over(animals):
    (animals / "Cat" / "notes.txt").write_text("no picture")
    (animals / "Cat" / ".hidden.png").write_bytes(b"x")
    (animals / "Cat" / "Thumbs.db").write_bytes(b"x")
    (animals / "readme.md").write_text("beside the classes")
    picture(animals / ".git" / "a.png")
    picture(animals / "Cat" / "kittens" / "a.png")
    (animals / "empty").mkdir()
    folder = ClassFolder(animals)
    assert names(folder)[0] == "Cat/a.PNG"
    assert len(folder) == 4
    assert folder.classes == ["Cat", "golden retriever", "zebra"]
    assert [(path.name, reason) for path, reason in folder.skipped] == [
        ("kittens", "a folder inside a class is not read"),
        ("empty", "no pictures in it"),
    ]


def test_natural_order_of_any_names(tmp_path):
    mixed = ["10", "9", "a10", "a9", "B", "c", "٣", "²", "7b", "é", "0010", "x" * 100 + "1" * 100]
    for name in mixed:
        picture(tmp_path / name / "p.png")
    order = ClassFolder(tmp_path).classes
    assert sorted(order) == sorted(mixed)
    assert order[:4] == ["7b", "9", "0010", "10"]
    assert order.index("a9") < order.index("a10") < order.index("B") < order.index("c")


def test_two_folders_of_one_class_are_refused(tmp_path):
    picture(tmp_path / "a_b" / "1.png")
    picture(tmp_path / "a b" / "1.png")
    with pytest.raises(InputError, match="'a b' a second time; rename") as error:
        ClassFolder(tmp_path)
    one_line(error)


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("golden_retriever", "golden retriever"),
        ("cat", "cat"),
        ("T-shirt", "T-shirt"),
        ("_a__b_", "a b"),
        ("_", "_"),
        ("猫", "猫"),
    ],
)
def test_class_words(name, words):
    assert class_words(name) == words


# Captions


def test_caption_folder_from_csv(captioned):
    root = captioned("file_name,text\n2.png,two\n0.png,zero\n2.png,a pair\ninner/cat.png,a cat\n")
    folder = CaptionFolder(root)
    assert names(folder) == ["2.png", "0.png", "inner/cat.png"]
    assert folder.captions == [["two", "a pair"], ["zero"], ["a cat"]]
    assert folder[0].captions == ["two", "a pair"]
    assert folder[0].label is None
    assert folder[2].image[0, 0, 0] == 99
    assert folder.empty_captions == 0
    assert folder.skipped == []


def test_caption_folder_from_jsonl(captioned):
    rows = [
        {"file_name": "1.png", "text": "one", "extra": [1, None]},
        {"file_name": "./1.png", "text": "uno\u2028eins"},  # U+2028 is no line end here
        {"text": 'a "cat"', "file_name": "inner/cat.png"},
    ]
    lines = "\r\n\r\n".join(json.dumps(row, ensure_ascii=False) for row in rows)
    folder = CaptionFolder(captioned(b"\xef\xbb\xbf" + lines.encode(), "metadata.jsonl"))
    assert names(folder) == ["1.png", "inner/cat.png"]
    assert folder.captions == [["one", "uno\u2028eins"], ['a "cat"']]


def test_csv_as_spreadsheets_write_it(captioned):
    text = (
        "\ufeff id , file_name ,text\r\n"
        '1,0.png,"a cat, a dog"\r\n'
        '2,1.png,"she said ""hi"""\r\n'
        '3,2.png,"two\r\nlines"\r\n'
        ",,\r\n"
        "\r\n"
        "4,inner\\cat.png,  spaces around  \r\n"
    )
    folder = CaptionFolder(captioned(text))
    assert folder.captions == [
        ["a cat, a dog"],
        ['she said "hi"'],
        ["two\r\nlines"],
        ["spaces around"],
    ]
    assert folder[3].image[0, 0, 0] == 99


def test_captions_of_every_kind_are_kept(captioned):
    long = " ".join(["word"] * 10_000)
    texts = [long, "кошка на окне", "窗户上的猫", "قطة", "👩‍👩‍👧 🐈", "e\u0301", "a\tb"]
    rows = "".join(f'0.png,"{text}"\n' for text in texts)
    assert CaptionFolder(captioned("file_name,text\n" + rows)).captions == [texts]


def test_empty_captions_are_counted_and_left_out(captioned):
    root = captioned('file_name,text\n0.png,\n0.png,zero\n1.png,"  "\n1.png,\u3000\n2.png,two\n')
    folder = CaptionFolder(root)
    assert folder.captions == [["zero"], ["two"]]
    assert folder.empty_captions == 3
    assert folder.skipped == [(root / "1.png", "no caption")]


@pytest.mark.parametrize(
    ("content", "name", "message"),
    [
        ("file,text\n0.png,x\n", "metadata.csv", r"line 1: no column 'file_name' in 'file, text'"),
        ("file_name,caption\n0.png,x\n", "metadata.csv", "line 1: no column 'text'"),
        ("file_name;text\n0.png;x\n", "metadata.csv", "no column 'file_name' in 'file_name;text'"),
        ("file_name,text\n0.png,a\n1.png\n", "metadata.csv", "line 3: 1 fields under 2 columns"),
        ("file_name,text\n0.png,a,b\n", "metadata.csv", "line 2: 3 fields .* double quotes"),
        ("file_name,text\n,a\n", "metadata.csv", "line 2: file_name '' names no file"),
        ('file_name,text\n0.png,"a\n1.png,b\n', "metadata.csv", "line 3: .* check the quotes"),
        ("file_name,text\n0.png," + "x" * 200_000, "metadata.csv", "field larger than"),
        ("file_name,text\n0.png,a\n".encode("utf-16"), "metadata.csv", "not UTF-8 .* save it as"),
        (b"file_name,text\n0.png,caf\xe9\n", "metadata.csv", "not UTF-8 text"),
        ("", "metadata.csv", "no row with a file_name and a text"),
        ("file_name,text\n0.png,\n", "metadata.csv", "no row with a file_name and a text"),
        ('{"file_name": "0.png"}', "metadata.jsonl", "line 1: no column 'text' in 'file_name'"),
        ('\n{"file_name": "0.png"', "metadata.jsonl", "line 2: not valid JSON"),
        ("[1]", "metadata.jsonl", "line 1: not a JSON object"),
        ("[" * 100_000, "metadata.jsonl", "line 1: not valid JSON"),
        ("1" * 10_000, "metadata.jsonl", "line 1: not valid JSON"),
        ('{"file_name": "0.png", "text": ["a"]}', "metadata.jsonl", r"text must be a string, got"),
        ('{"file_name": 7, "text": "a"}', "metadata.jsonl", "file_name must be a string, got 7"),
        ('{"file_name": "0.png", "text": "\\ud83d"}', "metadata.jsonl", "line 1: not valid JSON"),
        ('{"file_name": "a\\u0000", "text": "a"}', "metadata.jsonl", "names no file"),
    ],
)
def test_malformed_metadata_names_file_and_line(captioned, content, name, message):
    with pytest.raises(InputError, match=message) as error:
        CaptionFolder(captioned(content, name))
    assert f"{name}'" in one_line(error)


@pytest.mark.parametrize(
    "file_name",
    [
        "../secret.png",
        "inner/../../secret.png",
        "inner/..",
        "..\\secret.png",
        "/etc/passwd",
        "\\secret.png",
        "C:\\secret.png",
        "c:secret.png",
        "\\\\server\\share\\secret.png",
    ],
)
@pytest.mark.parametrize("kind", ["csv", "jsonl"])
def test_paths_that_leave_the_folder(captioned, file_name, kind):
    rows = [{"file_name": "0.png", "text": "a"}, {"file_name": file_name, "text": "b"}]
    content = {
        "csv": f"file_name,text\n0.png,a\n{file_name},b\n",
        "jsonl": "\n".join(map(json.dumps, rows)),
    }
    root = captioned(content[kind], f"metadata.{kind}")
    picture(root.parent / "secret.png")
    line = {"csv": 3, "jsonl": 2}[kind]
    with pytest.raises(InputError, match="leaves the folder; use a path inside") as error:
        CaptionFolder(root)
    assert f"metadata.{kind}', line {line}: file_name {file_name!r}" in one_line(error)


def link(path, target, is_folder=False):
    try:
        path.symlink_to(target, target_is_directory=is_folder)
    except OSError:
        pytest.skip("no links here")


def test_links_in_a_caption_folder(captioned):
    root = captioned("file_name,text\n0.png,a\nlink.png,b\n")
    link(root / "link.png", root / "inner" / "cat.png")
    assert CaptionFolder(root)[1].image[0, 0, 0] == 99
    (root / "link.png").unlink()
    link(root / "link.png", picture(root.parent / "secret.png"))
    with pytest.raises(InputError, match=r"line 3: file_name 'link.png' leaves the folder"):
        CaptionFolder(root)
    captioned("file_name,text\nalias/secret.png,b\n")
    link(root / "alias", root.parent, is_folder=True)
    with pytest.raises(InputError, match=r"line 2: .* leaves the folder"):
        CaptionFolder(root)


def test_a_link_laid_after_opening(animals):
    folder = ClassFolder(animals)
    (animals / "Cat" / "a.PNG").unlink()
    link(animals / "Cat" / "a.PNG", picture(animals.parent / "secret.png"))
    with pytest.raises(InputError, match=r"a\.PNG' leaves .*; copy the file into it") as error:
        _ = folder[0].image
    one_line(error)


def test_links_in_a_class_folder(animals, tmp_path):
    link(animals / "Cat" / "b.png", animals / "golden_retriever" / "2.png")
    link(animals / "Cat" / "c.png", "a.PNG")
    link(animals / "Cat" / "round.png", "round.png")
    folder = ClassFolder(animals)
    assert len(folder) == 7
    link(tmp_path / "alias", animals, is_folder=True)
    assert len(ClassFolder(tmp_path / "alias")) == 7  # the root itself may be a link
    link(animals / "dog", tmp_path, is_folder=True)
    with pytest.raises(InputError, match=r"dog' is a link that leaves .*; copy the") as error:
        open_folder(animals)
    one_line(error)
    (animals / "dog").unlink()
    link(animals / "Cat" / "d.png", picture(tmp_path / "secret.png"))
    with pytest.raises(InputError, match=r"d\.png' is a link that leaves"):
        open_folder(animals)


def test_a_metadata_file_that_is_a_link_out(captioned, tmp_path):
    root = captioned("")
    (root / "metadata.csv").unlink()
    (tmp_path / "secret.txt").write_text("file_name,text\n0.png,a\n")
    link(root / "metadata.csv", tmp_path / "secret.txt")
    with pytest.raises(InputError, match=r"metadata\.csv' is a link that leaves"):
        open_folder(root)


# Which kind


def test_open_folder_decides(animals, captioned):
    train, test = open_folder(animals, size=4)
    assert isinstance(train, ClassFolder)
    assert train[0].image.shape == (4, 4, 3)
    assert test is None
    train, test = open_folder(str(captioned("file_name,text\n0.png,a\n")))
    assert isinstance(train, CaptionFolder)
    assert test is None


def test_a_metadata_file_wins(animals):
    (animals / "metadata.csv").write_text("file_name,text\nCat/a.PNG,a cat\n")
    assert isinstance(open_folder(animals).train, CaptionFolder)
    (animals / "metadata.jsonl").write_text("")
    with pytest.raises(InputError, match=r"metadata\.csv and metadata\.jsonl; keep one") as error:
        open_folder(animals)
    one_line(error)


def test_train_and_test(tmp_path):
    for half, classes in {"train": ["cat", "dog"], "test": ["ant_eater", "dog"]}.items():
        for name in classes:
            picture(tmp_path / half / name / "1.png")
    train, test = open_folder(tmp_path)
    assert train.classes == test.classes == ["ant eater", "cat", "dog"]
    assert train.labels.tolist() == [1, 2]
    assert test.labels.tolist() == [0, 2]
    assert names(train) == ["cat/1.png", "dog/1.png"]
    with pytest.raises(InputError, match="'cat' is none of dog, ant eater") as error:
        ClassFolder(tmp_path / "train", classes=["dog", "ant eater"])
    one_line(error)


def test_train_and_test_with_captions(tmp_path):
    for half in ("train", "test"):
        picture(tmp_path / half / "1.png")
        (tmp_path / half / "metadata.csv").write_text(f"file_name,text\n1.png,{half}\n")
    train, test = open_folder(tmp_path)
    assert train.captions == [["train"]]
    assert test.captions == [["test"]]


def test_train_can_be_a_class(tmp_path):
    for name in ("train", "test", "bus"):
        picture(tmp_path / name / "1.png")
        picture(tmp_path / name / "more" / "2.png")
    assert open_folder(tmp_path).train.classes == ["bus", "test", "train"]


def test_neither_is_explained_in_one_line(tmp_path):
    (tmp_path / "empty").mkdir()
    picture(tmp_path / "loose" / "1.png")
    picture(tmp_path / "deep" / "a" / "b" / "1.png")
    picture(tmp_path / "half" / "train" / "cat" / "1.png")
    for name in ("empty", "loose", "deep", "half"):
        with pytest.raises(InputError, match="is no folder of pictures") as error:
            open_folder(tmp_path / name)
        message = one_line(error)
        for part in (f"{name}'", "ROOT/CLASS/*.jpg", "metadata.csv", "file_name,text", "train/"):
            assert part in message


def test_no_folder_at_all(tmp_path):
    (tmp_path / "photos.zip").write_bytes(b"PK")
    with pytest.raises(InputError, match=r"photos\.zip' is no folder; unpack it") as error:
        open_folder(tmp_path / "photos.zip")
    one_line(error)
    for path in (tmp_path / "nothing", "a\0b", "x" * 5000):
        for reader in (open_folder, ClassFolder, CaptionFolder):
            with pytest.raises(InputError, match="does not exist; name a folder") as error:
                reader(path)
            one_line(error)


def test_a_folder_that_cannot_be_listed(animals, monkeypatch):
    def refuse(path):
        raise PermissionError(13, "Permission denied", str(path))

    monkeypatch.setattr(os, "scandir", refuse)
    with pytest.raises(InputError, match=r"can't be listed \(Permission denied\)") as error:
        open_folder(animals)
    one_line(error)


# Reading all


def test_load_pictures(animals, capsys):
    folder = ClassFolder(animals)
    pictures, kept = load_pictures(folder, 4)
    assert pictures.shape == (4, 4, 4, 3)
    assert pictures.dtype == np.uint8
    assert kept.tolist() == [0, 1, 2, 3]
    assert pictures[:3, 0, 0, 0].tolist() == [30, 2, 10]
    assert "reading pictures" in capsys.readouterr().err


def test_unreadable_pictures_are_skipped_and_named(animals):
    zebra = animals / "zebra"
    (zebra / "0.jpg").touch()
    (zebra / "1.jpg").write_bytes((zebra / "only.jpeg").read_bytes()[:-200])
    (zebra / "2.jpg").write_text("not a picture")
    picture(zebra / "3.png", shape=(1, 1))
    picture(zebra / "4.png", shape=(1, 3_000_000))  # would be 32 x 96,000,000
    folder = ClassFolder(animals)
    for _ in range(2):  # a second reading logs nothing twice
        pictures, kept = load_pictures(folder, 32)
        assert [folder.paths[index].name for index in kept[3:]] == ["3.png", "only.jpeg"]
        assert pictures.shape == (5, 32, 32, 3)
        assert folder.labels[kept].tolist() == [0, 1, 1, 2, 2]
        log = {path.name: reason for path, reason in folder.skipped}
        assert list(log) == ["0.jpg", "1.jpg", "2.jpg", "4.png"]
        assert len(folder.skipped) == 4
    assert "is empty" in log["0.jpg"]
    assert "cut short" in log["1.jpg"]
    assert "not a picture" in log["2.jpg"]
    assert "crop it first" in log["4.png"]


def test_a_missing_captioned_picture_is_skipped(captioned):
    folder = CaptionFolder(captioned("file_name,text\n7.png,seven\n1.png,one\n"))
    pictures, kept = load_pictures(folder, 3)
    assert kept.tolist() == [1]
    assert pictures[0, 0, 0, 0] == 1
    assert "does not exist" in folder.skipped[0][1]


def test_nothing_readable_is_an_error(captioned):
    folder = CaptionFolder(captioned("file_name,text\n7.png,seven\n8.png,eight\n"))
    with pytest.raises(InputError, match=r"no picture of .* can be read; first: .*7\.png") as error:
        load_pictures(folder, 3)
    one_line(error)
    assert len(folder.skipped) == 2


def test_too_many_pictures_for_the_memory(animals):
    with pytest.raises(InputError, match="GB of memory; use a smaller size") as error:
        load_pictures(ClassFolder(animals), 10_000_000)
    one_line(error)


def test_some_cifar10_photographs(tmp_path):
    root = Path(__file__).resolve().parents[2]
    data = Path(os.environ.get("TINYVLM_SHARED_DATA", root.parent / "shared" / "data"))
    if not (data / "cifar10-photos.zip").exists():
        pytest.skip("the CIFAR-10 photographs are not here: set TINYVLM_SHARED_DATA")
    with zipfile.ZipFile(data / "cifar10-photos.zip") as archive:
        archive.extractall(tmp_path, [name for name in archive.namelist() if "/00" in name])
    train, test = open_folder(tmp_path / "cifar10")
    assert train.classes == test.classes
    assert train.classes[:3] == ["airplane", "automobile", "bird"]
    for half in (train, test):
        assert set(half.labels) == set(range(10))
        pictures, kept = load_pictures(half, 32)
        assert len(kept) == len(half)
        assert half.skipped == []
        np.testing.assert_array_equal(pictures[5], half[5].image)  # already 32x32: untouched
        assert 20 < pictures.std() < 90
