"""What a kernel is tried on: numbers, arrays, and the result that they should give (layer 1).

A kernel with parameters A, B, C, I, J, K multiplies matrices, one with q, k, v and rank vectors is
an attention, forward or backward; any other one says in its first comment what it needs.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np

from tinyvlm.errors import InputError
from tinyvlm.kernels import library
from tinyvlm.kernels.emulator import expression
from tinyvlm.kernels.emulator.header import Header

MOST = 4096  # of a size: the emulator is for small ones


@dataclass(frozen=True)
class Wanted:
    """What an array should hold in the end, and how far from it a value may be."""

    values: np.ndarray
    allowed: float


class Problem:
    """The base: everything comes from the file's first comment, arrays are random."""

    def __init__(self, header: Header, sizes: Mapping[str, Any]) -> None:
        self.header, self.sizes = header, dict(sizes)
        self.values: dict[str, Any] = {**header.values, **sizes}
        self.aliases: dict[str, str] = {}  # a parameter that stands for another one's array
        self.options: list[str] = []  # of the compiler
        self.random = np.random.default_rng(0)

    def counts(self, names: str) -> list[int]:
        """The values of sizes named by single letters. Raises InputError for no sensible one."""
        numbers = [self.header.whole(name, self.values) for name in names]
        for name, number in zip(names, numbers, strict=True):
            if not 1 <= number <= MOST:
                raise InputError(f"{name} = {number}: a size here is 1 to {MOST:,}")
        return numbers

    def given(self, name: str) -> np.ndarray | None:
        """An array that the kernel has to be given, or None: any of its shape will do."""
        return None

    def reads(self, name: str) -> bool:
        """Whether the values matter that an array has before the launch. Else it is filled with
        NaN, so that what nobody writes is seen."""
        formulas = " ".join(self.header.expects.values())
        return not formulas or name in expression.words(formulas)

    def wanted(
        self, before: Mapping[str, np.ndarray], narrow: Collection[str]
    ) -> dict[str, Wanted]:
        """The arrays' right values after the launches, computed in float64 from those before.

        narrow names the arrays of 16-bit floats.
        """
        results = {}
        for name, formula in self.header.expects.items():
            try:
                value = np.asarray(expression.evaluate(formula, {**self.values, **before}))
            except expression.FormulaError as error:
                raise self.header.error(f"has a formula that fails: {error}") from None
            largest = float(abs(value).max(initial=0.0))
            results[name] = Wanted(value, largest * (2.0**-7 if narrow else 2.0**-16))
        return results


class Matmul(Problem):
    """C (I, J) = A (I, K) B (K, J), or a batch; TRANSPOSED_A and _B as in matmul/layout.cuh."""

    SIZES: ClassVar = {
        "I": 33,
        "J": 47,
        "K": 21,
        "batch": 1,
    }  # odd, so that tiles hang over the edges

    def __init__(self, header: Header, sizes: Mapping[str, Any]) -> None:
        super().__init__(header, sizes)
        self.values = {**header.values, **self.SIZES, **sizes}
        I, J, K = self.counts("IJK")
        batch = self.header.whole("batch", self.values)
        self.turned_a, self.turned_b = (
            bool(self.values.get(f"TRANSPOSED_{matrix}", 0)) for matrix in "AB"
        )
        one = batch == 1
        self.shapes: dict[str, tuple[int, ...]] = {
            "A": (K, I) if self.turned_a else (I, K),
            "B": (J, K) if self.turned_b else (K, J),
            "C": (I, J),
        }
        if not one:
            self.shapes = {name: (batch, *shape) for name, shape in self.shapes.items()}
        self.values.setdefault("step_a", 0 if one else I * K)
        self.values.setdefault("step_b", 0 if one else K * J)

    def given(self, name: str) -> np.ndarray | None:
        if name not in "AB":
            return None
        return self.random.standard_normal(self.shapes[name], np.float32)

    def reads(self, name: str) -> bool:
        return name in "AB"

    def wanted(
        self, before: Mapping[str, np.ndarray], narrow: Collection[str]
    ) -> dict[str, Wanted]:
        """The error of a sum of K products of float32 numbers; inputs are rounded already."""
        A = before["A"].swapaxes(-1, -2) if self.turned_a else before["A"]
        B = before["B"].swapaxes(-1, -2) if self.turned_b else before["B"]
        rounding = 4 * 2.0**-24 * np.sqrt(self.values["K"]) + (2.0**-8 if "C" in narrow else 0.0)
        return {"C": Wanted(A @ B, float(rounding * (abs(A) @ abs(B)).max()))}


class Attention(Problem):
    """One head layout for all rungs: q (B, T, H, K), k, v (B, S, G, K), prefix-LM ranks."""

    SIZES: ClassVar = {"B": 1, "T": 70, "S": 70, "H": 2, "G": 1, "K": 24}

    def __init__(self, header: Header, sizes: Mapping[str, Any]) -> None:
        super().__init__(header, sizes)
        self.values = {**header.values, **self.SIZES, **sizes}
        B, T, S, H, G, K = self.counts("BTSHGK")
        if H % G:
            raise InputError(f"H = {H} query heads can't share G = {G} key heads evenly")
        self.values |= {"scale": K**-0.5, "masks": 1, "equal": 0, "rows": B * T * H}
        self.options = [f"-DHEAD_WIDTH={K}"]
        self.aliases = {"weights": "scores"}  # the softmax turns one into the other, in place
        self.arrays: dict[str, np.ndarray] = {
            name: self.random.standard_normal(shape)
            for name, shape in {
                "q": (B, T, H, K),
                "k": (B, S, G, K),
                "v": (B, S, G, K),
                "dy": (B, T, H, K),
            }.items()
        }
        prefix = min(T, S) // 3  # these see each other, every later one sees all before it
        ranks = [np.maximum(np.arange(n) - prefix + 1, 0).astype(np.int32) for n in (T, S)]
        self.arrays["q_rank"], self.arrays["k_rank"] = ranks[0][None], ranks[1][None]

    def results(self, before: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
        """Forward and backward in float64."""
        arrays = {**self.arrays, **before}
        q, k, v, dy = (np.asarray(arrays[name], np.float64) for name in ("q", "k", "v", "dy"))
        visible = self.arrays["k_rank"][:, None] <= self.arrays["q_rank"][..., None]
        y, saved = library.attention_forward(q, k, v, self.values["scale"], visible)
        dq, dk, dv = library.attention_backward(dy, saved)
        R = q.shape[2] // k.shape[2]
        scores = np.einsum("bthk,bshk->bhts", q, k.repeat(R, axis=2)) * self.values["scale"]
        scores = np.where(visible[:, None], scores, -np.inf)
        lse = np.logaddexp.reduce(scores, axis=-1)
        delta = np.einsum("bthk,bthk->bht", dy, y)
        return {"y": y, "lse": lse, "delta": delta, "dq": dq, "dk": dk, "dv": dv}

    def given(self, name: str) -> np.ndarray | None:
        if name in self.arrays:
            return self.arrays[name]
        if name in ("y", "lse", "delta"):  # what the backward reads
            return self.results({})[name]
        return np.zeros_like(self.arrays["q"]) if name == "dq" else None

    def reads(self, name: str) -> bool:
        return name in self.arrays or name == "dq"  # atomics add to it

    def wanted(
        self, before: Mapping[str, np.ndarray], narrow: Collection[str]
    ) -> dict[str, Wanted]:
        rounding = 2.0**-6 if narrow else 2.0**-15
        return {
            name: Wanted(value, rounding * float(abs(value).max(initial=1.0)))
            for name, value in self.results(before).items()
        }


def problem_for(header: Header, parameters: Collection[str], sizes: Mapping[str, Any]) -> Problem:
    """The problem that fits these parameter names; what the comment expects comes first."""
    if not header.expects and {"A", "B", "C", "I", "J", "K"} <= set(parameters):
        return Matmul(header, sizes)
    if not header.expects and {"k", "v", "q_rank", "k_rank"} <= set(parameters):
        return Attention(header, sizes)
    return Problem(header, sizes)
