"""Flickr8k and Flickr30k: the three forms of their captions, split files, rows that are broken."""

import pytest

from tinyvlm.datasets.flickr import FlickrCaptions
from tinyvlm.errors import InputError

TOKENS = (
    "a.jpg#0\tA dog runs .\n"
    "a.jpg#1\tUn chien , courant | vite .\n"
    "2258277193_586949ec62.jpg.1#0\tA name that is none .\n"
    "\n"
    "b.jpg#0\tA cat .\r\n"
)
PIPED = (
    "image_name| comment_number| comment\n"
    "a.jpg| 0| A dog runs .\n"
    "a.jpg| 1| Un chien , courant | vite .\n"
    "2199200615.jpg| 4   A dog runs across the grass .\n"
    "b.jpg| 0| A cat .\n"
)
COMMAS = (
    "image,caption\n"
    "a.jpg,A dog runs .\n"
    'a.jpg,"Un chien , courant | vite ."\n'
    "2199200615.jpg\n"
    'b.jpg,"A cat ."\n'
)
BROKEN = {
    TOKENS: "line 3: '2258277193_586949ec62.jpg.1' is no picture's name",
    PIPED: "line 4: 2 fields, not NAME.jpg| 0| caption",
    COMMAS: "line 4: 1 fields instead of a name and a caption",
}


@pytest.fixture
def pictures(photos):
    return photos("a.jpg", "b.jpg")


@pytest.fixture
def write(tmp_path):
    def make(content, name="captions.txt"):
        path = tmp_path / name
        path.write_bytes(content if isinstance(content, bytes) else content.encode())
        return path

    return make


@pytest.mark.parametrize("content", BROKEN, ids=["tokens", "piped", "commas"])
@pytest.mark.parametrize("mark", [b"", b"\xef\xbb\xbf"], ids=["", "marked"])
def test_all_forms(write, pictures, content, mark):
    path = write(mark + content.encode())
    data = FlickrCaptions(path, pictures)
    assert list(data.paths) == [pictures / "a.jpg", pictures / "b.jpg"]
    assert data.captions == [["A dog runs .", "Un chien , courant | vite ."], ["A cat ."]]
    assert data.skipped == [(path, BROKEN[content])]
    assert data[0].captions == data.captions[0]
    assert data[1].image.shape == (12, 16, 3)
    assert abs(int(data[1].image[0, 0, 0]) - 10) < 3  # JPEG


def test_a_split(write, pictures):
    only = write("b.jpg\n\nmissing.jpg\r\n", "test.txt")
    data = FlickrCaptions(write(TOKENS), pictures, only, size=5)
    assert [path.name for path in data.paths] == ["b.jpg"]
    assert data.captions == [["A cat ."]]
    assert data[0].image.shape == (5, 5, 3)
    assert data.skipped[1] == (only, "line 3: 'missing.jpg' has no captions")
    with pytest.raises(InputError, match=r"none\.txt' names no picture that has captions"):
        FlickrCaptions(write(TOKENS), pictures, write("x.jpg\n", "none.txt"))
    with pytest.raises(InputError, match=r"nothing\.txt' does not exist"):
        FlickrCaptions(write(TOKENS), pictures, pictures / "nothing.txt")


@pytest.mark.parametrize(
    ("row", "reason"),
    [
        ("../c.jpg#0\tA fox .", "file_name '../c.jpg' leaves the folder; use a path inside it"),
        ("/c.jpg#0\tA fox .", "file_name '/c.jpg' leaves the folder"),
        ("c.txt#0\tA fox .", "'c.txt' is no picture's name"),
        ("c.jpg#0\t  ", "no caption"),
        ("c.jpg#0 A fox .", "no NAME.jpg#0<TAB>caption"),
        ("c.jpg#one\tA fox .", "no NAME.jpg#0<TAB>caption"),
        ("c.jpg\tA fox .", "no NAME.jpg#0<TAB>caption"),
    ],
)
def test_broken_rows(write, pictures, row, reason):
    data = FlickrCaptions(write(f"a.jpg#0\tA dog .\n{row}\nb.jpg#0\tA cat .\n"), pictures)
    assert len(data) == 2
    assert data.skipped[0][1].startswith(f"line 2: {reason}")


def test_broken_quotes(write, pictures):
    data = FlickrCaptions(write('image,caption\na.jpg,"A "dog"\nb.jpg,A cat\n'), pictures)
    assert data.captions == [["A cat"]]
    assert "check the quotes" in data.skipped[0][1]


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("file,text\na.jpg,x\n", "is none of Flickr's files: it must have lines NAME.jpg#0<TAB>"),
        ('{"images": []}', "is none of Flickr's files"),
        ("\n\n", "is none of Flickr's files"),
        ("image,caption\n", "has no usable caption; none at all"),
        ("a.png#0\t\n", "has no usable caption; line 1: no caption"),
    ],
)
def test_another_file(write, pictures, content, message):
    with pytest.raises(InputError, match=message) as error:
        FlickrCaptions(write(content), pictures)
    assert str(error.value).isprintable()
