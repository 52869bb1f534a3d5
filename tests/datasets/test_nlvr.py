"""NLVR: every picture of a sentence, true or false, and the official files where they are."""

import json
import os
import zipfile
from pathlib import Path

import numpy as np
import pytest

from tinyvlm.datasets.nlvr import NLVR
from tinyvlm.datasets.picture_set import load_pictures
from tinyvlm.errors import InputError

ROWS = [
    {
        "sentence": "There is a yellow box . ",
        "label": "true",
        "identifier": "12-0",
        "directory": "3",
        "evals": {"r0": "true"},
        "structured_rep": [[], [], []],
    },
    {"sentence": "There is no box.", "label": "false", "identifier": "7-2", "directory": "0"},
]


@pytest.fixture
def root(photos):
    return photos(
        "dev/images/3/dev-12-0-0.png",
        "dev/images/3/dev-12-0-4.png",
        "dev/images/0/dev-7-2-1.png",
        "dev/images/0/dev-8-0-1.png",
    )


@pytest.fixture
def write(root):
    def make(*rows):
        path = root / "dev" / "dev.json"
        path.write_text("\n".join(r if isinstance(r, str) else json.dumps(r) for r in rows))
        return path

    return make


def test_pictures_of_a_sentence_stand_together(root, write):
    write(*ROWS)
    data = NLVR(root, "dev")
    assert data.sentences == ["There is a yellow box ."] * 2 + ["There is no box."]
    assert data.identifiers == ["12-0", "12-0", "7-2"]
    assert data.labels.tolist() == [1, 1, 0]
    assert data.orders.tolist() == [0, 4, 1]
    assert data.skipped == []
    sample = data[1]
    assert sample.qa == [("There is a yellow box .", ["true"])]
    assert sample.label == 1
    assert sample.meta == {
        "path": root / "dev" / "images" / "3" / "dev-12-0-4.png",
        "identifier": "12-0",
        "order": 4,
    }
    assert sample.image[0, 0, 0] == 10
    assert data[2].qa == [("There is no box.", ["false"])]
    assert data[2].label == 0
    assert NLVR(root, size=5)[0].image.shape == (5, 5, 3)


@pytest.mark.parametrize(
    ("row", "reason"),
    [
        ("{", "not valid JSON"),
        ("[" * 100_000, "not valid JSON"),
        ("[1]", "not an object but [1]"),
        (ROWS[0] | {"label": "maybe"}, "label must be true or false, got 'maybe'"),
        (ROWS[0] | {"label": True}, "label must be a text, got True"),
        (ROWS[0] | {"sentence": ""}, "sentence must be a text"),
        (ROWS[0] | {"identifier": "../../x"}, "no identifier '../../x' and directory '3'"),
        (ROWS[0] | {"directory": ".."}, "no identifier '12-0' and directory '..'"),
        (ROWS[0] | {"directory": 3}, "directory must be a text"),
        (ROWS[0] | {"identifier": "99-0"}, "no picture dev-99-0-0.png nor another of its orders"),
        (ROWS[0] | {"directory": "5"}, "no picture dev-12-0-0.png nor another"),
    ],
)
def test_broken_rows(root, write, row, reason):
    path = write(ROWS[0], row, "", ROWS[1])
    data = NLVR(root)
    assert len(data) == 3
    assert len(data.skipped) == 1
    assert data.skipped[0][0] == path
    assert data.skipped[0][1].startswith(f"line 2: {reason}")


def test_another_folder(root, write):
    with pytest.raises(InputError, match=r"dev\.json' does not exist; check the path"):
        NLVR(root)
    with pytest.raises(InputError, match=r"train\.json' does not exist"):
        NLVR(root, "train")
    write({"images": []})
    with pytest.raises(InputError, match="has no sentence whose picture is there; line 1: label"):
        NLVR(root)
    write(ROWS[0] | {"identifier": "99-0"})
    with pytest.raises(InputError, match="no sentence whose picture is there; line 1: no picture"):
        NLVR(root)


def test_the_official_files(tmp_path):
    home = Path(__file__).resolve().parents[2]
    data = Path(os.environ.get("TINYVLM_SHARED_DATA", home.parent / "shared" / "data"))
    if not (data / "nlvr-dev-test.zip").exists():
        pytest.skip("NLVR's pictures are not here: set TINYVLM_SHARED_DATA")
    with zipfile.ZipFile(data / "nlvr-dev-test.zip") as archive:
        archive.extractall(tmp_path)
    dev, test = NLVR(tmp_path / "nlvr", "dev"), NLVR(tmp_path / "nlvr", "test")
    assert (len(set(dev.identifiers)), len(set(test.identifiers))) == (989, 990)
    assert dev.skipped == test.skipped == []
    assert set(dev.orders) == {0, 1}
    assert 0.5 < dev.labels.mean() < 0.6
    assert dev[0].image.shape == (100, 400, 3)
    boxes = [np.sort(dev[i].image.reshape(-1, 3), axis=0) for i in (0, 1)]
    np.testing.assert_array_equal(*boxes)  # the same boxes in another order
    dev.names = dev.names[:20]
    pictures, kept = load_pictures(dev, 32)
    assert len(kept) == len(pictures) == 20
