"""Reads a kernel file's first comment, which says what the file is and how it is run (layer 1).

// Adds a multiple of x to y; one thread a value.
// x (N), y (N), N = 1000, a = 2.5
// Launch: block 128, grid (ceil(N / 128))
// Expect: y = a * x + y

An array's shape stands behind its name, a number's value behind its =. Launch: runs the file's
first kernel, or those that it names, one after the other: "NAME block ..., grid ...". Shared memory
that the launch asks for: "..., shared 4 N bytes". Expect: is optional.
"""

from __future__ import annotations

import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from tinyvlm.errors import InputError
from tinyvlm.kernels.emulator import expression

MOST = 1 << 26  # values of an array: the emulator is for small ones
HOW = "python -m tinyvlm kernels --help shows how it is written"
COMMENT = re.compile(r"\s*((?://[^\n]*(?:\n\s*|$))+|/\*.*?\*/)", re.DOTALL)
BRACKET = r"\((?:[^()]|\([^()]*\))*\)"  # with one level of brackets inside
LAUNCH = re.compile(
    rf"(?:(?P<kernel>\w+)\s+)?\bblock\s+(?P<block>{BRACKET}|\w+)(?:\s+{BRACKET})?"
    rf",\s+grid\s+(?P<grid>{BRACKET}|\w+)(?:,\s+shared\s+(?P<shared>[^,:;]+?)\s+bytes)?"
)
SHAPE = re.compile(r"((?:\w+,\s+)*\w+)\s+\(([^()]*)\)")
VALUE = re.compile(r"\b([A-Za-z_]\w*) = (-?\d+(?:\.\d+)?(?:e-?\d+)?)\b")
EXPECT = re.compile(r"^Expect:\s*(\w+)\s*=(?!=)(.+)$", re.MULTILINE)
DEFINE = re.compile(r"^[ \t]*#[ \t]*define[ \t]+(\w+)[ \t]+((?:[^\n/]|/(?![/*]))+)", re.MULTILINE)


@dataclass(frozen=True)
class LaunchLine:
    """One launch, as formulas."""

    kernel: str
    grid: tuple[str, ...]
    block: tuple[str, ...]
    shared: str  # bytes


@dataclass(frozen=True)
class Header:
    """What a first comment says; formulas are still text."""

    name: str  # of the file, for messages
    idea: str  # the first sentence
    launches: list[LaunchLine]
    shapes: dict[str, tuple[str, ...]]
    values: dict[str, Any]
    expects: dict[str, str]

    def shape(self, array: str, values: Mapping[str, Any]) -> tuple[int, ...]:
        """Raises InputError when the comment does not give it."""
        if array not in self.shapes:
            raise self.error(f"gives no shape for {array}, as in: {array} (N)")
        shape = tuple(self.whole(size, values) for size in self.shapes[array])
        if min(shape, default=0) < 0 or math.prod(shape) > MOST:
            raise self.error(f"gives {array} the shape {shape}, of at most {MOST:,} values")
        return shape

    def whole(self, formula: str, values: Mapping[str, Any]) -> int:
        try:
            return expression.whole(formula, values)
        except expression.FormulaError as error:
            raise self.error(f"has a formula that fails: {error}") from None

    def error(self, what: str) -> InputError:
        return InputError(f"{self.name}: its first comment {what}; {HOW}")


def first_comment(code: str) -> str:
    """Its text, without the slashes; empty when the file opens with something else."""
    match = COMMENT.match(code)
    lines = match.group(1).splitlines() if match else []
    return "\n".join(re.sub(r"^\s*(?://|/\*|\*/|\*)?\s?|\*/\s*$", "", line) for line in lines)


def formulas(text: str) -> tuple[str, ...]:
    """ "(ceil(J / 16), 2)" -> ("ceil(J / 16)", "2"); "512" -> ("512",)."""
    inner = text[1:-1] if text.startswith("(") else text
    parts = re.split(r",(?![^(]*\))", inner)
    return tuple(part.strip() for part in parts)


def idea_of(code: str) -> str:
    """The first sentence of the first comment: a ladder's rung says what it is."""
    text = " ".join(first_comment(code).partition("\n\n")[0].split())
    return re.split(r"(?<=[.!?]) ", text)[0]


def parse(code: str, name: str, kernels: Sequence[str]) -> Header:
    """code is the file's text, kernels are the names of its kernels. Raises InputError."""
    text = first_comment(code)
    shapes: dict[str, tuple[str, ...]] = {}
    for names, sizes in SHAPE.findall(text):
        for array in names.replace(",", " ").split():
            shapes.setdefault(array, formulas(sizes))
    values: dict[str, Any] = {}
    for key, number in VALUE.findall(text):
        values.setdefault(key, float(number) if re.search(r"[.e]", number) else int(number))
    for key, formula in DEFINE.findall(code):
        try:
            values.setdefault(key, expression.evaluate(formula, values))
        except expression.FormulaError:
            continue
    expects = {array: formula.strip() for array, formula in EXPECT.findall(text)}
    header = Header(name, idea_of(code), [], shapes, values, expects)
    header.launches.extend(launch_lines(text, header, kernels))
    return header


def launch_lines(text: str, header: Header, kernels: Sequence[str]) -> list[LaunchLine]:
    if not kernels:
        raise InputError(f"{header.name} has no kernel: __global__ void NAME(...)")
    lines = []
    for match in LAUNCH.finditer(text.partition("Launch:")[2]):
        kernel = match["kernel"] or kernels[0]
        if kernel not in kernels:
            raise header.error(
                f"launches {kernel}, and the file's kernels are {', '.join(kernels)}"
            )
        shared = match["shared"] or "0"
        lines.append(LaunchLine(kernel, formulas(match["grid"]), formulas(match["block"]), shared))
    if not lines:
        raise header.error("has no line as: Launch: block 128, grid (ceil(N / 128))")
    return lines
