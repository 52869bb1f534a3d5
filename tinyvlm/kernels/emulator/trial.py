"""Runs a kernel file as its first comment says, and compares what comes out (layer 1)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from tinyvlm.errors import InputError
from tinyvlm.kernels.emulator import bfloat16, header, source
from tinyvlm.kernels.emulator.arguments import NAMES, Parameter
from tinyvlm.kernels.emulator.isolated import run_isolated
from tinyvlm.kernels.emulator.module import EmulatedModule
from tinyvlm.kernels.emulator.problems import Problem, problem_for
from tinyvlm.kernels.emulator.profile import ProfileRow

NARROW = ("b2", "f2")


@dataclass(frozen=True)
class Step:
    """One launch; an argument is an array's name or a number."""

    kernel: str
    grid: tuple[int, ...]
    block: tuple[int, ...]
    shared: int
    args: list[str | np.generic]


@dataclass(frozen=True)
class Comparison:
    """How far an array is from what it should be: NaN where nothing was written."""

    array: str
    error: float
    allowed: float

    @property
    def right(self) -> bool:
        return self.error <= self.allowed


@dataclass
class Trial:
    """A kernel file with arrays to run it on; see header.py for what the file has to say."""

    path: Path
    header: header.Header
    problem: Problem
    options: list[str]
    steps: list[Step] = field(default_factory=list)
    arrays: dict[str, np.ndarray] = field(default_factory=dict)
    elements: dict[str, str] = field(default_factory=dict)  # array -> "f4", "b2", ...
    written: list[str] = field(default_factory=list)

    def run(
        self, *, check: bool = False, thread_order: int = 0, seconds: float = 10.0
    ) -> dict[str, np.ndarray]:
        """The arrays after all launches, each in a child process. Raises KernelMistake."""
        return self.launch(check=check, thread_order=thread_order, seconds=seconds)[0]

    def profile(self, seconds: float = 10.0) -> list[ProfileRow]:
        return self.launch(check=True, seconds=seconds, profile=True)[1]

    def launch(self, **how: Any) -> tuple[dict[str, np.ndarray], list[ProfileRow]]:
        arrays = {name: array.copy() for name, array in self.arrays.items()}
        rows: list[ProfileRow] = []
        for step in self.steps:
            args = [arrays[a] if isinstance(a, str) else a for a in step.args]
            shape = step.grid, step.block
            rows += run_isolated(
                self.path, step.kernel, *shape, args, step.shared, options=self.options, **how
            )
        return arrays, rows

    def values(self, arrays: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
        """Numbers in float64, whatever the kernel keeps them in; integers stay."""
        return {name: as_numbers(array, self.elements[name]) for name, array in arrays.items()}

    def compare(self, arrays: Mapping[str, np.ndarray]) -> list[Comparison]:
        """Every array of which the right values are known and that a kernel may have written."""
        narrow = [name for name, element in self.elements.items() if element in NARROW]
        wanted = self.problem.wanted(self.values(self.arrays), narrow)
        after = self.values(arrays)
        results = []
        for name in self.written:
            if name in wanted:
                right = wanted[name].values
                if right.shape != after[name].shape and right.shape != ():
                    raise self.header.error(
                        f"expects {name} of shape {right.shape}, and it is {after[name].shape}"
                    )
                error = float(abs(after[name] - right).max(initial=0.0))
                results.append(Comparison(name, error, wanted[name].allowed))
        return results


def as_numbers(array: np.ndarray, element: str) -> np.ndarray:
    if element == "b2":
        return bfloat16.from_bits(array).astype(np.float64)
    return array.astype(np.float64) if array.dtype.kind == "f" else array


def prepare(
    path: Path, sizes: Mapping[str, Any] | None = None, definitions: Sequence[str] = ()
) -> Trial:
    """A trial of a kernel file. sizes replace values of its first comment, definitions are
    NAME=VALUE for the compiler. Raises InputError, CompileError."""
    options = [f"-D{definition}" for definition in definitions]
    code = read(path)
    parameters = source.prepare(code, path.name, path.parent).parameters
    read_header = header.parse(code, path.name, list(parameters))
    named = {name for line in read_header.launches for name in parameters[line.kernel]}
    known = {**defined(definitions), **(sizes or {})}
    problem = problem_for(read_header, named, known)
    trial = Trial(path, read_header, problem, [*problem.options, *options])
    module = EmulatedModule(path, trial.options)  # the problem may define something itself
    for line in read_header.launches:
        kernel = module.get_function(line.kernel)
        names = module.source.parameters[line.kernel]
        if len(names) != len(kernel.parameters):
            raise InputError(f"{path.name}: the parameters of {line.kernel} come out of a macro")
        args = [
            argument(trial, problem.aliases.get(name, name), parameter)
            for name, parameter in zip(names, kernel.parameters, strict=True)
        ]
        grid, block = (
            tuple(read_header.whole(formula, problem.values) for formula in formulas)
            for formulas in (line.grid, line.block)
        )
        shared = read_header.whole(line.shared, problem.values)
        trial.steps.append(Step(line.kernel, grid, block, shared, args))
    return trial


def read(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8")
    except OSError as error:
        raise InputError(f"can't read {path}: {error.strerror}; check the path") from error
    except UnicodeDecodeError as error:
        raise InputError(f"{path} is no text in UTF-8; a kernel file is a .cu file") from error


def defined(definitions: Sequence[str]) -> dict[str, int]:
    """The definitions that are whole numbers: sizes may depend on them."""
    pairs = [definition.partition("=") for definition in definitions]
    return {name: int(value) for name, _, value in pairs if value.isdigit()}


def argument(trial: Trial, name: str, parameter: Parameter) -> str | np.generic:
    """An array's name, made if it is new, or a number of the parameter's type."""
    if parameter.way == "scalar":
        if name not in trial.problem.values:
            raise trial.header.error(f"gives no value for {name}, as in: {name} = 100")
        return dtype_of(parameter, trial).type(trial.problem.values[name])
    if name not in trial.arrays:
        trial.arrays[name] = new_array(trial, name, parameter)
        trial.elements[name] = parameter.element
    if parameter.way == "array" and name not in trial.written:
        trial.written.append(name)
    return name


def dtype_of(parameter: Parameter, trial: Trial) -> np.dtype:
    if parameter.element not in NAMES:
        raise InputError(f"{trial.path.name}: no array can be made for a parameter of its own type")
    return np.dtype({"t1": "bool", "b2": "u2"}.get(parameter.element, parameter.element))


def new_array(trial: Trial, name: str, parameter: Parameter) -> np.ndarray:
    """What the problem gives, or random numbers (integers below 10); NaN where only written."""
    problem, dtype = trial.problem, dtype_of(parameter, trial)
    fresh = parameter.way == "array" and not problem.reads(name)
    value = None if fresh else problem.given(name)
    if value is None:
        shape = trial.header.shape(name, problem.values)
        if parameter.lanes > 1:
            shape = (*shape, parameter.lanes)  # x (N) of a float4 * is N of them
        if parameter.element[0] not in "fb":
            filled = np.full(shape, 0) if fresh else problem.random.integers(0, 10, shape)
            return filled.astype(dtype)
        value = np.full(shape, np.nan) if fresh else problem.random.standard_normal(shape)
    if parameter.element == "b2":
        return bfloat16.to_bits(value)
    return np.ascontiguousarray(value, dtype)
