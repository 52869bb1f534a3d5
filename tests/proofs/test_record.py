"""The rows of data/results: added, replaced, read back, and never lost to a damaged file."""

import json
import subprocess
from datetime import date

import pytest

from tinyvlm.errors import InputError
from tinyvlm.proofs import record


@pytest.fixture
def results(tmp_path, monkeypatch):
    monkeypatch.setattr(record, "RESULTS", tmp_path / "results")
    monkeypatch.setattr(record, "commit", lambda: "abc1234")
    return tmp_path / "results"


def row(variant="main", seed=0, score=0.5):
    return {"variant": variant, "seed": seed, "result": {"score": score}}


def scores():
    return [(r["variant"], r["seed"], r["result"]["score"]) for r in record.rows_of("clip")]


def test_a_row_says_where_it_comes_from(results):
    record.append("clip", row())
    (stored,) = json.loads((results / "clip.json").read_text())
    assert stored == row() | {
        "commit": "abc1234",
        "machine": record.machine(),
        "date": date.today().isoformat(),
    }
    assert "threads" in stored["machine"]


def test_rows_are_added_in_order(results):
    for variant, seed in (("main", 0), ("black", 0), ("main", 1)):
        record.append("clip", row(variant, seed))
    record.append("other", row())
    assert scores() == [("main", 0, 0.5), ("black", 0, 0.5), ("main", 1, 0.5)]
    assert len(record.rows_of("other")) == 1


def test_a_run_of_the_same_commit_replaces_its_row(results, monkeypatch):
    """Catches two numbers for one seed of the same code, and a row of older code that is lost."""
    record.append("clip", row(score=0.5))
    record.append("clip", row(seed=1, score=0.6))
    record.append("clip", row(score=0.7))
    assert scores() == [("main", 1, 0.6), ("main", 0, 0.7)]
    monkeypatch.setattr(record, "commit", lambda: "def5678")
    record.append("clip", row(score=0.8))
    assert scores() == [("main", 1, 0.6), ("main", 0, 0.7), ("main", 0, 0.8)]


def test_a_row_without_a_commit_is_kept(results):
    results.mkdir()
    (results / "clip.json").write_text(json.dumps([row()]))
    record.append("clip", row(score=0.9))
    assert scores() == [("main", 0, 0.5), ("main", 0, 0.9)]


def test_a_proof_that_never_ran_has_no_rows(results):
    assert record.rows_of("clip") == []


@pytest.mark.parametrize(
    "content", [b"", b"[{", b'{"variant": "main"}', b"[1, 2]", b"null", b"\xff\xfe\x00"]
)
def test_damaged__results_are_not_overwritten(results, content):
    results.mkdir()
    path = results / "clip.json"
    path.write_bytes(content)
    for use in (lambda: record.rows_of("clip"), lambda: record.append("clip", row())):
        with pytest.raises(InputError, match=r"is damaged .*; restore it with git") as error:
            use()
        assert str(path) in str(error.value)
        assert "\n" not in str(error.value)
    assert path.read_bytes() == content
    assert len(list(results.iterdir())) == 1


def test_mean_and_spread():
    assert record.mean_and_spread([0.5]) == "0.500 (n=1)"
    assert record.mean_and_spread([0.5, 0.7]) == "0.600 ± 0.141 (n=2)"  # over n - 1
    assert record.mean_and_spread([0.9, 0.9, 0.9]) == "0.900 ± 0.000 (n=3)"


# Which commit


@pytest.fixture
def clone(tmp_path, monkeypatch):
    """A small repository with one committed file in tinyvlm/."""
    monkeypatch.setattr(record, "ROOT", tmp_path)

    def git(*words):
        identity = ["-c", "user.name=test", "-c", "user.email=test@example.org"]
        subprocess.run(["git", *identity, *words], cwd=tmp_path, check=True, capture_output=True)

    (tmp_path / "tinyvlm").mkdir()
    (tmp_path / "tinyvlm" / "code.py").write_text("x = 1\n")
    (tmp_path / "README.md").write_text("hello\n")
    git("init")
    git("add", ".")
    git("commit", "-m", "first")
    return tmp_path


def test_a_commit_is_named_and_changes_are_marked(clone):
    """Catches a result that is said to come from a commit whose code was different."""
    name = record.commit()
    assert len(name) >= 7
    assert name == record.git("rev-parse", "--short", "HEAD")
    (clone / "README.md").write_text("no code\n")
    assert record.commit() == name
    (clone / "tinyvlm" / "code.py").write_text("x = 2\n")
    assert record.commit() == name + "+"


def test_outside_a_clone(tmp_path, monkeypatch):
    monkeypatch.setattr(record, "ROOT", tmp_path)
    assert record.commit() == "unknown"

    def no_git(*_, **__):
        raise FileNotFoundError("git")

    monkeypatch.setattr(record.subprocess, "run", no_git)
    assert record.commit() == "unknown"
