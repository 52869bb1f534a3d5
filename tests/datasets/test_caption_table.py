"""Tables of captions and addresses: with headings and without, and pictures that are not there."""

import pytest

from tinyvlm.datasets.caption_table import CaptionTable, downloaded_name
from tinyvlm.errors import InputError

CC3M = (
    "a very typical bus station\thttp://a.org/1.jpg\n"
    'a "sierra" looked stunning\thttp://a.org/2.jpg\n'
    "never downloaded\thttps://a.org/3.jpg\n"
    "\n"
    "the last one\thttp://a.org/4.jpg?x=1,2\n"
)


@pytest.fixture
def write(tmp_path):
    def make(content, name="table.tsv"):
        path = tmp_path / name
        path.write_bytes(content if isinstance(content, bytes) else content.encode())
        return path

    return make


@pytest.fixture
def downloaded(photos):
    return photos("00000/000000000.jpg", "00000/000000001.png", "00000/000000003.jpg")


def test_names_of_downloads():
    assert downloaded_name(0) == "00000/000000000"
    assert downloaded_name(12_345) == "00001/000012345"


def test_conceptual_captions(write, downloaded):
    path = write(CC3M)
    data = CaptionTable(path, downloaded)
    assert data.captions == [
        "a very typical bus station",
        'a "sierra" looked stunning',
        "the last one",
    ]
    assert data.urls[2] == "http://a.org/4.jpg?x=1,2"
    assert data.rows == [0, 1, 3]
    assert [path.name for path in data.paths] == [
        "000000000.jpg",
        "000000001.png",
        "000000003.jpg",
    ]
    assert data.skipped == [(path, "line 3: picture '00000/000000002' is not there")]
    assert data[1].captions == ['a "sierra" looked stunning']
    assert data[1].meta == {
        "path": downloaded / "00000" / "000000001.png",
        "url": "http://a.org/2.jpg",
        "row": 1,
    }
    assert data[1].image[0, 0, 0] == 10


def test_the_address_may_come_first(write, downloaded):
    rows = [line.split("\t") for line in CC3M.splitlines() if line]
    data = CaptionTable(write("\n".join(f"{b}\t{a}" for a, b in rows)), downloaded, size=5)
    assert data.captions[0] == "a very typical bus station"
    assert data[0].image.shape == (5, 5, 3)


def test_headings_and_commas(write, downloaded):
    text = 'SAMPLE_ID,URL,TEXT\n1,http://a.org/1.jpg,"a dog, running"\n2,http://a.org/2.jpg,a cat\n'
    data = CaptionTable(write(text, "laion.csv"), downloaded)
    assert data.captions == ["a dog, running", "a cat"]
    assert data.urls == ["http://a.org/1.jpg", "http://a.org/2.jpg"]


def test_a_column_of_file_names(write, photos):
    folder = photos("a.jpg", "in/b.png")
    text = "caption\tkey\nfirst\tin/b\nsecond\t./a.jpg\nthird\ta.png\nfourth\t\n"
    data = CaptionTable(write(text), folder)
    assert [path.relative_to(folder).as_posix() for path in data.paths] == ["in/b.png", "a.jpg"]
    assert data.urls == ["", ""]
    assert [reason for _, reason in data.skipped] == [
        "line 4: picture 'a.png' is not there",
        "line 5: no file name",
    ]


def test_another_way_of_naming(write, photos):
    folder = photos("img-0.jpg", "img-1.jpg")
    data = CaptionTable(write(CC3M), folder, name=lambda row: f"img-{row}.jpg")
    assert data.rows == [0, 1]


@pytest.mark.parametrize(
    ("row", "reason"),
    [
        ("only one", "1 fields under 3 columns"),
        ("a\tb\tc\td", "4 fields under 3 columns"),
        (" \thttp://x\ta.jpg", "no caption"),
        ("x\thttp://x\t../a.jpg", "file_name '../a.jpg' leaves the folder; use a path inside it"),
        ("x\thttp://x\t/etc/passwd", "file_name '/etc/passwd' leaves the folder"),
        ("x\thttp://x\tC:\\a.jpg", "file_name 'C:\\\\a.jpg' leaves the folder"),
        ("x\thttp://x\tb\0.jpg", "file_name 'b\\x00.jpg' names no file"),
        ("x\thttp://x\tb.txt", "picture 'b.txt' is not there"),
        ("x" * 200_000 + "\thttp://x\ta.jpg", "field larger than field limit"),
    ],
)
def test_broken_rows(write, photos, row, reason):
    folder = photos("a.jpg")
    (folder / "b.txt").write_text("no picture")
    text = f"caption\turl\tfile_name\nbefore\thttp://x\ta.jpg\n{row}\nafter\thttp://x\ta\n"
    data = CaptionTable(write(text), folder)
    assert data.captions == ["before", "after"]
    assert len(data.skipped) == 1
    assert reason in data.skipped[0][1]
    assert "line 3: " in data.skipped[0][1]
    assert data.skipped[0][1].isprintable()


def test_broken_quotes(write, downloaded):
    text = 'url,caption\nhttp://a,"x"y\nhttp://b,good\n'
    data = CaptionTable(write(text, "t.csv"), downloaded)
    assert data.captions == ["good"]
    assert data.rows == [1]
    assert "check the quotes" in data.skipped[0][1]


def test_a_link_that_leaves(write, photos, tmp_path):
    folder = photos("a.jpg")
    (tmp_path / "secret.jpg").write_bytes((folder / "a.jpg").read_bytes())
    try:
        (folder / "b.jpg").symlink_to(tmp_path / "secret.jpg")
    except OSError:
        pytest.skip("no links here")
    data = CaptionTable(write("caption\tkey\none\ta\ntwo\tb\nthree\tb.jpg\n"), folder)
    assert data.captions == ["one"]
    assert all("leaves the folder" in reason for _, reason in data.skipped)
    assert len(data.skipped) == 2


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("a,b,c\n1,2,3\n", "is no table of captions: it needs a heading caption or text, or two"),
        ("some words\n", "is no table of captions"),
        ("http://a\thttp://b\n", "is no table of captions"),
        ('{"images": [{"url": "http://x"}]}', "is no table of captions"),
        ("\n \n", "has no row whose picture is there; no rows"),
        ("caption\turl\n", "has no row whose picture is there; no rows"),
        ("a cat\thttp://x\n", "has no row whose picture is there; line 1: picture '00000/"),
    ],
)
def test_another_file(write, tmp_path, content, message):
    (tmp_path / "empty").mkdir()
    with pytest.raises(InputError, match=message) as error:
        CaptionTable(write(content), tmp_path / "empty")
    assert str(error.value).isprintable()
