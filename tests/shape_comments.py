"""Compare shape comments with real shapes while code runs; test_shape_comments.py runs the models.

`y = ...  # (B, N, D)` is compared with what the line assigned, `return ...  # (B, D)` with what was
returned, and a dataclass field `k: Array  # (B, G, S, K)` with what a function returned in it.
Within one call a letter stands for one number; a local integer of its name is that number.
"""

import ast
import re
import sys
from collections import namedtuple
from collections.abc import Callable
from dataclasses import is_dataclass
from pathlib import Path
from typing import Any

import numpy as np

AXIS = r"[\w'*/+-]+(?: or \w+)?"  # N, 1+N, C*P*P, Y', "B or 1"
SHAPE = re.compile(rf"\(({AXIS}(?:, {AXIS})+|{AXIS},)\)")
STATEMENTS = ast.Assign | ast.AnnAssign | ast.AugAssign | ast.Return

# made: the expressions that have the shape, none for a return. Several shapes are joined by "or".
Comment = namedtuple("Comment", "place shapes made")


class ShapeComments:
    """The shape comments of files. `check(run)` compares those that run reaches."""

    def __init__(self, files: list[Path]) -> None:
        self.all: set[str] = set()  # every place, "nn/attention.py:63"
        self.checked: set[str] = set()
        self.lies: list[str] = []
        self.at: dict[tuple, Comment] = {}  # (file, line) or (class, field) -> Comment
        self.files = {str(path) for path in files}
        for path in files:
            text = path.read_text(encoding="utf-8")
            comments = [line.partition("  # ")[2] for line in text.splitlines()]
            shapes = {n: SHAPE.findall(comment) for n, comment in enumerate(comments, 1)}
            self.all |= {f"{path.parent.name}/{path.name}:{n}" for n in shapes if shapes[n]}
            for owner in ast.walk(ast.parse(text)):
                for node in ast.iter_child_nodes(owner):
                    if isinstance(node, STATEMENTS) and shapes[node.end_lineno]:
                        self.add(path, owner, node, shapes[node.end_lineno])

    def add(self, path: Path, owner: ast.AST, node: ast.stmt, shapes: list[str]) -> None:
        targets = getattr(node, "targets", [getattr(node, "target", None)])
        made = [ast.unparse(e) for t in targets if t for e in getattr(t, "elts", [t])]
        comment = Comment(f"{path.parent.name}/{path.name}:{node.end_lineno}", shapes, made)
        if isinstance(owner, ast.ClassDef):
            self.at[owner.name, made[0]] = comment
        else:
            lines = range(node.lineno, node.end_lineno + 1)
            self.at |= {(str(path), line): comment for line in lines}

    def check(self, run: Callable[[], Any]) -> None:
        before = sys.gettrace()
        sys.settrace(self.enter)
        try:
            run()
        finally:
            sys.settrace(before)

    def enter(self, frame, event, arg):
        """Python asks at every call who wants to watch its lines."""
        path, pending, letters = frame.f_code.co_filename, None, {}
        if path not in self.files or frame.f_code.co_name.startswith("<"):  # a comprehension
            return None

        def watch(frame, event, arg):
            """A comment is pending until its statement is done: at another line, or the return."""
            nonlocal pending
            here = self.at.get((path, frame.f_lineno)) if event == "line" else None
            if event == "exception":
                pending = None
            elif pending and pending.made and here is not pending:
                scope = {**frame.f_globals, **frame.f_locals}
                values = [eval(expression, scope) for expression in pending.made]
                self.compare(pending, values, letters, frame.f_locals)
                pending = None
            elif pending and event == "return":
                self.compare(pending, [arg], letters, frame.f_locals)
            if event == "return":
                self.compare_fields(arg if isinstance(arg, tuple) else (arg,))
            pending = pending or here
            return watch

        return watch

    def compare(self, comment: Comment, values: list, letters: dict, local: dict) -> None:
        letters |= {name: n for name, n in local.items() if isinstance(n, int | np.integer)}
        for x in values:
            shape = getattr(x, "shape", "none")
            fits = [bind(said, shape, letters) for said in comment.shapes]
            if fitting := [fit for fit in fits if fit is not None]:
                letters |= fitting[0]
                self.checked.add(comment.place)
            else:
                said = " or ".join(f"({shape})" for shape in comment.shapes)
                self.lies.append(f"{comment.place}: the comment says {said}, the shape is {shape}")

    def compare_fields(self, returned: tuple) -> None:
        for record in filter(is_dataclass, returned):
            letters = {}
            for name, x in vars(record).items():
                if comment := self.at.get((type(record).__name__, name)):
                    self.compare(comment, [x], letters, {})


def bind(said: str, shape: tuple | str, letters: dict[str, int]) -> dict[str, int] | None:
    """What the letters must be for the comment to be true of the shape, or None."""
    axes, letters = said.replace("'", "_").rstrip(",").split(", "), dict(letters)
    if shape == "none" or len(axes) != len(shape):
        return None
    # Letters first, then arithmetic. An expression with an unknown letter has one value as a whole.
    for axis, n in sorted(zip(axes, shape, strict=True), key=lambda pair: not pair[0].isalpha()):
        options = axis.split(" or ")
        known = [set(re.findall(r"[^\W\d]\w*", option)) <= letters.keys() for option in options]
        values = [
            eval(option, {}, letters) if all_known else letters.get(option)
            for option, all_known in zip(options, known, strict=True)
        ]
        if n not in values:
            if None not in values:
                return None
            letters[options[values.index(None)]] = n
    return letters
