"""The index of a big JSON file: made once, believed while it fits, made anew when damaged."""

import json
import os
import warnings

import numpy as np
import pytest
import safetensors.numpy

from tinyvlm.datasets.fields import whole
from tinyvlm.datasets.json_index import IndexedJson, Scan
from tinyvlm.errors import InputError

ROWS = [{"id": 5, "say": "猫"}, {"id": 3, "say": "b"}, {"id": 9, "say": "c"}]


def build(path):
    build.calls += 1
    rows = Scan(path, {"rows": lambda row: (whole(row, "id"),)}, "file of rows").rows["rows"]
    return {"id": rows[:, 0].copy(), "place": rows[:, 2:].copy()}, {"skipped": [], "who": "猫"}


@pytest.fixture
def path(tmp_path):
    build.calls = 0
    path = tmp_path / "rows.json"
    path.write_text(json.dumps({"rows": ROWS}, ensure_ascii=False), encoding="utf-8")
    return path


def read(file):
    return file.read([tuple(place) for place in file.columns["place"].tolist()])


def test_it_is_built_once(path):
    for _ in range(3):
        file = IndexedJson(path, "test", build)
        assert file.columns["id"].tolist() == [5, 3, 9]
        assert file.notes == {"skipped": [], "who": "猫"}
        assert read(file) == ROWS
    assert build.calls == 1
    assert file.index == path.with_name("rows.json.test.index")
    assert sorted(p.name for p in path.parent.iterdir()) == ["rows.json", "rows.json.test.index"]


def test_kinds_have_an_index_each(path):
    IndexedJson(path, "one", build)
    IndexedJson(path, "two", build)
    assert build.calls == 2
    os.replace(path.with_name("rows.json.one.index"), path.with_name("rows.json.two.index"))
    IndexedJson(path, "two", build)
    assert build.calls == 3


def test_another_size_or_time_makes_a_new_one(path):
    IndexedJson(path, "test", build)
    status = path.stat()
    path.write_text(json.dumps({"rows": ROWS[:1]}))
    os.utime(path, ns=(status.st_atime_ns, status.st_mtime_ns))
    assert len(IndexedJson(path, "test", build).columns["id"]) == 1
    os.utime(path, ns=(status.st_atime_ns, status.st_mtime_ns + 1000))
    IndexedJson(path, "test", build)
    assert build.calls == 3


@pytest.mark.parametrize(
    "damage", ["empty", "cut", "text", "other version", "other type", "folder"]
)
def test_a_damaged_or_foreign_index_is_made_anew(path, damage):
    index = IndexedJson(path, "test", build).index
    whole_index = index.read_bytes()
    if damage == "empty":
        index.write_bytes(b"")
    elif damage == "cut":
        index.write_bytes(whole_index[:-20])
    elif damage == "text":
        index.write_text("hello" * 100)
    elif damage == "other version":
        index.write_bytes(whole_index.replace(b"tinyvlm JSON index", b"tinyvlm JSON INDEX"))
    elif damage == "other type":
        with safetensors.safe_open(index, framework="np") as file:
            about = file.metadata()
        safetensors.numpy.save_file({"id": np.zeros(3, np.float32)}, index, about)
    else:
        index.unlink()
        index.mkdir()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore" if damage == "folder" else "error")
        assert read(IndexedJson(path, "test", build)) == ROWS
    assert build.calls == 2


def test_a_place_that_can_not_be_written(path):
    path.with_name("rows.json.test.index").mkdir()  # root may write everywhere
    with pytest.warns(UserWarning, match="could not write .*; it will be read through again"):
        file = IndexedJson(path, "test", build)
    assert read(file) == ROWS


def test_a_file_changed_after_opening(path):
    file = IndexedJson(path, "test", build)
    path.write_text('{"rows": []}')
    with pytest.raises(InputError, match=r"rows\.json' was changed while it was in use; open it"):
        read(file)
    path.unlink()
    with pytest.raises(InputError, match="can't be read"):
        read(file)


def test_a_file_changed_while_it_is_read(path):
    def build_slowly(path):
        found = build(path)
        path.write_text("{}")
        return found

    with pytest.raises(InputError, match="was changed while it was in use"):
        IndexedJson(path, "test", build_slowly)
    assert not path.with_name("rows.json.test.index").exists()


@pytest.mark.parametrize("place", [(0, 5), (3, 0), (-5, 5), (10**9, 5), (10, -1), (8, 1)])
def test_places_that_do_not_fit(path, place):
    file = IndexedJson(path, "test", build)
    with pytest.raises(InputError, match=r"test\.index' does not fit .*; delete it") as error:
        file.read([place])
    assert str(error.value).isprintable()


def test_scan_skips_and_names(tmp_path):
    path = tmp_path / "scan.json"
    rows = [{"id": 1}, {"id": "2"}, 7, {"id": 3}, None, {}]
    path.write_text(json.dumps({"about": "x", "rows": rows, "other": [1, 2], "n": 5}))
    scan = Scan(path, {"rows": lambda row: (whole(row, "id"), 77)}, "file of rows")
    data = path.read_bytes()
    assert scan.rows["rows"][:, :3].tolist() == [[1, 77, 0], [3, 77, 3]]
    assert [json.loads(data[a : a + n]) for a, n in scan.rows["rows"][:, 3:].tolist()] == [
        {"id": 1},
        {"id": 3},
    ]
    assert scan.texts == {"about": "x"}
    assert [reason.partition(":")[0] for reason in scan.skipped] == [
        "rows[1]",
        "rows[2]",
        "rows[4]",
        "rows[5]",
    ]
    scan.leave_out("rows", np.array([False, True]), "id {} is not wanted")
    assert scan.rows["rows"][:, 0].tolist() == [1]
    assert scan.skipped[-1] == "rows[3]: id 3 is not wanted"


@pytest.mark.parametrize("content", [{}, {"rows": []}, {"rows": {}}, {"rows": 1}, {"rows": [1]}])
def test_scan_of_another_file(tmp_path, content):
    path = tmp_path / "scan.json"
    path.write_text(json.dumps(content))
    with pytest.raises(InputError, match=r"scan\.json' is no file of rows: no usable rows;"):
        Scan(path, {"rows": lambda row: (whole(row, "id"),)}, "file of rows")
