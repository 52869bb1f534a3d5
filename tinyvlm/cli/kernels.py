"""`kernels`: the CUDA kernels of this project, and your own, run on the CPU thread by thread."""

from __future__ import annotations

import argparse
import re
import textwrap
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tinyvlm.cli.arguments import add_command
from tinyvlm.errors import InputError

if TYPE_CHECKING:
    from tinyvlm.kernels.emulator.trial import Trial

EXAMPLES = """\
  python -m tinyvlm kernels                         the ladders, one idea a kernel
  python -m tinyvlm kernels run 03                  run it in three orders of threads, compare
  python -m tinyvlm kernels run 03 --check          watch every load and store
  python -m tinyvlm kernels profile 01              sectors and bank conflicts, line by line
  python -m tinyvlm kernels profile attention/03 --size T=128 S=128
  python -m tinyvlm kernels run my.cu --check       a kernel of your own

A kernel file opens with a comment that says how it is run:

  // Adds a multiple of x to y; one thread a value.
  // x (N), y (N), N = 1000, a = 2.5
  // Launch: block 128, grid (ceil(N / 128))
  // Expect: y = a * x + y

  extern "C" __global__ void add_multiple(const float *x, float *y, float a, int N) { ... }

An array's shape stands behind its name, a number's value behind its =; arrays are filled with
random numbers. Expect: is optional, a formula in the manner of NumPy. A kernel with parameters
A, B, C, I, J, K is compared to the matrix product, with none. Copy a rung and break it."""
ORDERS = {0: "first thread first", 1: "last thread first", 2: "shuffled"}
LEGEND = """\
sectors are 32 bytes of global memory, 4 a request for 32 neighbouring floats; used is the share of
their bytes that was asked for; an n-way bank conflict takes n turns of shared memory for one."""
FIRST = ("matmul", "attention")  # of the ladders; others follow by name


def add(commands: Any) -> None:
    help = "run CUDA kernels on the CPU, and see what is wrong or slow in them"
    parser = add_command(commands, "kernels", help, EXAMPLES)
    parser.add_argument("action", nargs="?", choices=["list", "run", "profile"], default="list")
    parser.add_argument("kernel", nargs="?", help="03, attention/03, or a .cu file")
    parser.add_argument("--check", action="store_true", help="name mistakes by line (10x slower)")
    parser.add_argument("--size", nargs="+", metavar="I=64", default=[], help="other sizes")
    parser.add_argument("--define", nargs="+", metavar="TILE=32", default=[], help="for #ifdef")
    parser.add_argument("--seconds", type=seconds, default=10.0, help="the longest (default: 10)")
    parser.set_defaults(run=run)


def seconds(text: str) -> float:
    """An argparse type: a time that has an end and is not over yet."""
    try:
        number = float(text)
    except ValueError:
        number = 0.0
    if not 0.01 <= number <= 3600:
        raise argparse.ArgumentTypeError(f"expected seconds, 0.01 to 3600, got {text!r}")
    return number


def run(arguments: argparse.Namespace) -> None:
    if arguments.action == "list":
        print_ladders()
        return
    if arguments.kernel is None:
        raise InputError(
            f"which kernel? kernels {arguments.action} takes a number of `python -m tinyvlm "
            "kernels`, or a .cu file"
        )
    from tinyvlm.kernels.emulator import KernelMistake, explain, trial

    path = find(arguments.kernel)
    sizes = {name: size_of(name, value) for name, value in map(pair, arguments.size)}
    definitions = ["=".join(pair(text)) for text in arguments.define]
    tried = trial.prepare(path, sizes, definitions)
    print_launch(tried)
    try:
        if arguments.action == "profile":
            print_profile(tried, arguments.seconds)
        else:
            compare(tried, arguments)
    except KernelMistake as mistake:
        print("\n" + wrapped(explain.explain(mistake, path.parent)) + "\n", flush=True)
        raise


def ladders() -> dict[str, list[Path]]:
    """ladder -> its rungs, in order."""
    import tinyvlm.kernels

    found: dict[str, list[Path]] = {name: [] for name in FIRST}
    for path in sorted(Path(tinyvlm.kernels.__file__).parent.glob("*/[0-9][0-9]_*.cu")):
        found.setdefault(path.parent.name, []).append(path)
    return {name: rungs for name, rungs in found.items() if rungs}


def print_ladders() -> None:
    from tinyvlm.kernels.emulator import header

    for name, rungs in ladders().items():
        print(name)
        for path in rungs:
            idea = header.idea_of(path.read_text(encoding="utf-8"))
            idea = re.sub(r"^Rung \d+, ", "", idea)
            print(
                textwrap.fill(
                    idea, 99, initial_indent=f"  {path.name[:2]}  ", subsequent_indent=" " * 6
                )
            )
        print()
    print("run one with: python -m tinyvlm kernels run 03, or see python -m tinyvlm kernels --help")


def find(text: str) -> Path:
    """The file of "03", "attention/03", "03_shared_tile" or a path. Raises InputError."""
    path = Path(text)
    if path.suffix == ".cu" or path.exists():
        return path
    ladder, _, rung = text.rpartition("/")
    rungs = ladders()
    if ladder and ladder not in rungs:
        raise InputError(f"there is no ladder {ladder!r}; there are: {', '.join(rungs)}")
    number = rung.zfill(2) if rung.isdigit() else rung
    for found in rungs[ladder or FIRST[0]]:
        if number in (found.name[:2], found.stem):
            return found
    raise InputError(f"there is no kernel {text!r}; python -m tinyvlm kernels lists them")


def pair(text: str) -> tuple[str, str]:
    """ "I=64" -> ("I", "64"). A definition needs no value, as for a compiler."""
    name, _, value = text.partition("=")
    if not name.isidentifier():
        raise InputError(f"{text!r} is not NAME=VALUE")
    return name, value or "1"


def size_of(name: str, text: str) -> int | float:
    try:
        return int(text) if text.isdigit() else float(text)
    except ValueError:
        raise InputError(f"--size {name}={text}: {text!r} is no number") from None


def print_launch(tried: Trial) -> None:
    print(tried.header.idea)
    arrays = [f"{name} {array.shape}" for name, array in tried.arrays.items()]
    print(wrapped(", ".join(arrays)))
    for step in tried.steps:
        shared = f", {step.shared} bytes of dynamic shared memory" if step.shared else ""
        grid, block = ("x".join(map(str, shape)) for shape in (step.grid, step.block))
        print(f"{step.kernel}: {grid} blocks of {block} threads{shared}")
    print(flush=True)  # compiling may take a moment


def compare(tried: Trial, arguments: argparse.Namespace) -> None:
    """Run, say how far the results are off; InputError when one is wrong."""
    results = {}
    for order, words in ({0: "check mode"} if arguments.check else ORDERS).items():
        after = tried.run(check=arguments.check, thread_order=order, seconds=arguments.seconds)
        results[order] = after
        comparisons = tried.compare(after)
        for result in comparisons:
            print(f"{words}: {result.array} is {off_by(result.error, result.allowed)}")
        wrong = [result.array for result in comparisons if not result.right]
        if wrong:
            hint = "" if arguments.check else "; --check may name the line"
            raise InputError(f"{tried.path.name}: {', '.join(wrong)} is wrong{hint}")
        if not comparisons:
            print_values(words, tried, after)
    if arguments.check:
        print("no race, no barrier left out, nothing out of bounds, nothing read unwritten")
    else:
        print_agreement(tried, results)


def off_by(error: float, allowed: float) -> str:
    if error != error:
        return "not written everywhere: there is NaN in it"
    word = "right" if error <= allowed else "WRONG"
    return f"{word}, off by at most {error:.2g} where {allowed:.2g} is allowed"


def print_values(words: str, tried: Trial, after: dict[str, Any]) -> None:
    """Nothing to compare with: the first numbers."""
    for name in tried.written:
        values = tried.values(after)[name].ravel()
        shown = ", ".join(f"{value:.6g}" for value in values[:8])
        print(f"{words}: {name} = {shown}{', ...' if len(values) > 8 else ''}")


def print_agreement(tried: Trial, results: dict[int, dict[str, Any]]) -> None:
    import numpy as np

    first, *others = results.values()
    same = all(
        np.array_equal(first[name], other[name], equal_nan=first[name].dtype.kind == "f")
        for name in tried.written
        for other in others
    )
    print(
        "the three orders agree to the bit; --check also watches every load and store"
        if same
        else "the orders differ: a race (--check names it), or atomic additions of floats"
    )


def print_profile(tried: Trial, seconds: float) -> None:
    from tinyvlm.kernels.emulator import profile

    print(profile.table(tried.profile(seconds)))
    print(f"\n{LEGEND}")
    if "wmma::" in tried.path.read_text(encoding="utf-8"):
        print("wmma's own loads and stores are counted as they are laid out here, not on a GPU.")


def wrapped(text: str) -> str:
    """Long lines of prose broken at 99 columns; lines of code stay."""
    return "\n".join(
        line if "|" in line[:10] else textwrap.fill(line, 99) for line in text.splitlines()
    )
