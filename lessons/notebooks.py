"""Make lesson.ipynb from lesson.py: convert, run, and write the cells with their results.

    python lessons/notebooks.py 02 07      # these lessons
    python lessons/notebooks.py            # all of them

Needs the extra `lessons` (jupyter, jupytext). The script is the only source: change lesson.py and
run this again. Nothing that differs between two runs is kept, no times and no random cell names,
so a notebook changes when its lesson does.
"""

import sys
from pathlib import Path

import jupytext
import nbformat
from nbclient import NotebookClient

MOST_BYTES = 400_000  # people read notebooks on the web page of a repository
KERNEL = {"display_name": "Python 3", "language": "python", "name": "python3"}


def make(script: Path) -> Path:
    """Run one lesson as a notebook; raises what a cell raised."""
    notebook = jupytext.read(script)
    notebook.metadata = nbformat.NotebookNode(kernelspec=KERNEL)
    for i, cell in enumerate(notebook.cells):
        cell.id = f"cell-{i}"
        cell.metadata = nbformat.NotebookNode()
    folder = {"metadata": {"path": str(script.parent)}}
    options = {"record_timing": False, "coalesce_streams": True, "timeout": 600}
    NotebookClient(notebook, resources=folder, **options).execute()
    for cell in notebook.cells:
        if cell.cell_type == "code":  # progress bars tell the time; they are not results
            cell.outputs = [out for out in cell.outputs if out.get("name") != "stderr"]
    notebook.metadata = nbformat.NotebookNode(kernelspec=KERNEL)  # the run added Python's version
    target = script.with_suffix(".ipynb")
    text = nbformat.writes(notebook)
    if len(text) > MOST_BYTES:
        raise SystemExit(f"{target}: {len(text)} bytes; draw smaller pictures ({MOST_BYTES})")
    target.write_text(text + "\n", encoding="utf-8")
    return target


if __name__ == "__main__":
    wanted = tuple(sys.argv[1:]) or ("",)
    for script in sorted(Path(__file__).parent.glob("[0-9][0-9]_*/lesson.py")):
        if script.parent.name.startswith(wanted):
            print(make(script))
