"""Evaluates the formulas of a kernel's first comment: sizes, launch shapes, results (layer 1).

Arithmetic, comparisons, subscripts, .T and the functions below; names stand for numbers or arrays.
"B H" is B times H. Nothing else is run, whatever stands in the file.
"""

from __future__ import annotations

import ast
import math
import re
from collections.abc import Mapping
from typing import Any

import numpy as np

FUNCTIONS = {
    "ceil": lambda x: math.ceil(x),
    **{name: getattr(np, name) for name in ("exp", "log", "sqrt", "tanh", "abs", "sum", "mean")},
    **{name: getattr(np, name) for name in ("max", "min", "maximum", "minimum", "where")},
    **{name: getattr(np, name) for name in ("cumsum", "bincount", "arange", "round")},
}
NODES = (
    *(ast.Expression, ast.BinOp, ast.UnaryOp, ast.Compare, ast.Name, ast.Constant, ast.Call),
    *(ast.Attribute, ast.Subscript, ast.Slice, ast.Tuple, ast.keyword, ast.Load),
    *(ast.operator, ast.unaryop, ast.cmpop),
)
SIDE_BY_SIDE = re.compile(r"(?<![\w.])([\w.]+)\s+(?=[A-Za-z_]\w*\b(?!\s*\())")


class FormulaError(ValueError):
    """A formula can't be evaluated; the message says why, in a few words."""


def evaluate(formula: str, names: Mapping[str, Any]) -> Any:
    """The value of a formula, in which names stand for their values. Raises FormulaError."""
    text = SIDE_BY_SIDE.sub(r"\1 * ", formula.strip())
    try:
        tree = ast.parse(text, mode="eval")
    except SyntaxError:
        raise FormulaError(f"{formula.strip()!r} is no formula") from None
    for node in ast.walk(tree):
        check(node, names, formula.strip())
    known = {"__builtins__": {}, **FUNCTIONS, **names}
    try:
        return eval(compile(tree, "<formula>", "eval"), known)
    except Exception as error:
        raise FormulaError(f"{formula.strip()!r} can't be computed: {error}") from None


def check(node: ast.AST, names: Mapping[str, Any], formula: str) -> None:
    allowed = isinstance(node, NODES)
    if isinstance(node, ast.Attribute):
        allowed = node.attr == "T"
    elif isinstance(node, ast.Call):
        allowed = isinstance(node.func, ast.Name)
    elif isinstance(node, ast.Constant):
        allowed = isinstance(node.value, int | float)
    elif isinstance(node, ast.Name) and node.id not in names and node.id not in FUNCTIONS:
        raise FormulaError(f"{formula!r} needs a value for {node.id}")
    if not allowed:
        raise FormulaError(f"{formula!r} is more than a formula")


def whole(formula: str, names: Mapping[str, Any]) -> int:
    """The value of a formula that has to be a whole number."""
    value = evaluate(formula, names)
    if not isinstance(value, int | float | np.integer) or value != int(value):
        raise FormulaError(f"{formula.strip()!r} is {value}, not a whole number")
    return int(value)


def words(formula: str) -> set[str]:
    """The names that stand in a formula."""
    return set(re.findall(r"[A-Za-z_]\w*", formula))
