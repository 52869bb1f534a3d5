"""Every lesson keeps its form, runs in fast mode, notices its planted bug, equals its notebook."""

import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

FOLDER = Path(__file__).parents[2] / "lessons"
LESSONS = sorted(FOLDER.glob("[0-9][0-9]_*/lesson.py"))
MOST_LINES = 300
MOST_BYTES = 400_000  # of a notebook
SECONDS = 60  # 20 on two free cores, and other work may be running beside the tests
every_lesson = pytest.mark.parametrize("lesson", LESSONS, ids=lambda path: path.parent.name)


def cells(text: str) -> list[tuple[str, str]]:
    """(kind, source) of each cell of a script in percent format, as jupytext reads them."""
    found = []
    before, *parts = re.split(r"^(?=# %%)", text, flags=re.MULTILINE)
    assert before == "", "a lesson begins with a cell"
    for part in parts:
        marker, _, source = part.partition("\n")
        assert marker in ("# %%", "# %% [markdown]"), f"no cell begins with {marker!r}"
        source = source.strip("\n")
        if marker == "# %%":
            found.append(("code", source))
        else:
            lines = source.split("\n")
            assert all(line == "#" or line.startswith("# ") for line in lines), source
            found.append(("markdown", "\n".join(line[2:] for line in lines)))
    return found


def run(lesson: Path, folder: Path, **switches: str) -> subprocess.CompletedProcess:
    """Run a copy of the lesson in `folder`, where its pictures go."""
    script = shutil.copy(lesson, folder)
    env = {k: v for k, v in os.environ.items() if not k.startswith("TINYVLM_")}
    env |= {"TINYVLM_FAST": "1", "PYTHONPATH": str(FOLDER.parent)} | switches
    command = [sys.executable, "-W", "error::RuntimeWarning", str(script)]
    return subprocess.run(command, env=env, capture_output=True, text=True, timeout=SECONDS)


def test_lessons_are_found_and_listed():
    assert LESSONS
    listed = re.findall(r"\]\((\d\d_\w+)/lesson.ipynb\)", (FOLDER / "README.md").read_text())
    assert listed == [lesson.parent.name for lesson in LESSONS]


@every_lesson
def test_form(lesson):
    """The parts that COURSE asks for: a reader finds them in every lesson under the same names."""
    text = lesson.read_text(encoding="utf-8")
    assert len(text.splitlines()) <= MOST_LINES
    parts = cells(text)
    kind, first = parts[0]
    assert kind == "markdown"
    assert first.startswith(f"# {lesson.parent.name[:2]} ")
    assert re.search(r"^Minutes: \d+", first, re.MULTILINE)
    assert re.search(r"^Prerequisites: \S", first, re.MULTILINE)
    assert "\n## Question\n" in first
    kind, last = parts[-1]
    assert kind == "markdown"
    headings = re.findall(r"^## (.*)$", last, re.MULTILINE)
    assert headings == ["Exercise", "Break it", "What to read next"]
    assert "**Hint.**" in last
    assert "TINYVLM_FAST" in text
    assert "TINYVLM_BREAK" in text


@every_lesson
def test_predictions_come_before_checked_code(lesson):
    parts = cells(lesson.read_text(encoding="utf-8"))
    predictions = [i for i, (_, source) in enumerate(parts) if "**Predict.**" in source]
    assert predictions
    for i in predictions:
        kind, code = parts[i + 1]
        assert kind == "code", f"cell {i}: nothing is run after the prediction"
        assert re.search(r"^ *assert ", code, re.MULTILINE), f"cell {i + 1} checks no number"


@every_lesson
def test_fast_run_draws_a_picture(lesson, tmp_path):
    done = run(lesson, tmp_path)
    assert done.returncode == 0, done.stderr
    pictures = [path for path in (tmp_path / "out").iterdir() if path.stat().st_size > 500]
    assert {path.suffix for path in pictures} <= {".png", ".svg"}
    assert pictures


@every_lesson
def test_planted_bug_is_noticed(lesson, tmp_path):
    done = run(lesson, tmp_path, TINYVLM_BREAK="1")
    assert done.returncode == 1
    assert done.stderr.splitlines()[-1].startswith("AssertionError: ")  # and it says what is wrong


@every_lesson
def test_notebook_is_the_script_run(lesson):
    """A changed lesson needs `python lessons/notebooks.py NN`."""
    path = lesson.with_suffix(".ipynb")
    assert path.stat().st_size <= MOST_BYTES
    notebook = json.loads(path.read_text(encoding="utf-8"))["cells"]
    found = [(cell["cell_type"], "".join(cell["source"])) for cell in notebook]
    assert found == cells(lesson.read_text(encoding="utf-8"))
    code = [cell for cell in notebook if cell["cell_type"] == "code"]
    assert [cell["execution_count"] for cell in code] == list(range(1, len(code) + 1))
    outputs = [output for cell in code for output in cell["outputs"]]
    assert not [output for output in outputs if output["output_type"] == "error"]
    assert any("image/" in kind for output in outputs for kind in output.get("data", {}))
