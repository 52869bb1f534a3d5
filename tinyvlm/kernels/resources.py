"""What every kernel takes of a GPU: registers, shared memory, and no spills, by NVRTC (layer 1).

    python -m tinyvlm.kernels.resources            compare with resources.json
    python -m tinyvlm.kernels.resources --write    write it anew, to be read before it is committed

A register more may cost a block on each multiprocessor, and a spilled one is a trip to memory, so
both are watched like a test. The first comment of a file names its least architecture, and it is
compiled for every one of ARCHITECTURES from there on; what the comment says of shared memory has to
be so. The table is of NVRTC 13.5.37 (nvrtc.py says how to get it); another one counts otherwise.
"""

from __future__ import annotations

import json
import re
import sys
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

from tinyvlm.errors import InputError
from tinyvlm.files import write_atomically
from tinyvlm.kernels.nvrtc import Nvrtc, NvrtcError, find

FOLDER = Path(__file__).parent
TABLE = FOLDER / "resources.json"
ARCHITECTURES = (75, 80, 90)  # CUDA 13 has none below 75
VARIANTS = {  # folder -> definitions, beyond the files' own, compiled for the last architecture
    "matmul": ["TRANSPOSED_A=1", "TRANSPOSED_B=1"],
    "attention": ["HEAD_WIDTH=16", "HEAD_WIDTH=128", "HEAD_WIDTH=256"],
}
HEAD_WIDTH = 64  # of attention/head.cuh, where nothing else is defined
NEEDS = re.compile(r"^//\s*Architecture:\s*(?:(any)|sm_(\d+)a?)\b", re.MULTILINE)
SHARED = re.compile(r"Shared memory: ([\d.]+) KB(?: \+ (\d+) K bytes)?")
ROUNDING = 512  # bytes, of what a comment says
USED = re.compile(
    r"Compiling entry function '(?P<kernel>\w+)'.*?"
    r"(?P<stores>\d+) bytes spill stores, (?P<loads>\d+) bytes spill loads.*?"
    r"Used (?P<registers>\d+) registers(?P<rest>[^\n]*)",
    re.DOTALL,
)
Table = dict[str, dict[str, list[int]]]  # "file sm_80 -DX" -> kernel -> [registers, shared bytes]


@dataclass(frozen=True)
class Use:
    """What one thread and one block of a kernel take."""

    kernel: str
    registers: int
    shared: int  # bytes
    spilled: int  # bytes stored and loaded


@dataclass(frozen=True)
class Job:
    """One compilation."""

    file: str  # below tinyvlm/kernels
    architecture: int
    definition: str = ""

    def __str__(self) -> str:
        return f"{self.file} sm_{self.architecture} {self.definition}".strip()


def architectures_of(code: str, name: str) -> list[int]:
    """Those of ARCHITECTURES that a file is for. Raises InputError when it does not say."""
    match = NEEDS.search(code)
    if match is None:
        raise InputError(f"{name}: its first comment has no line: // Architecture: any. (or sm_80)")
    least = 0 if match[1] else int(match[2])
    return [architecture for architecture in ARCHITECTURES if architecture >= least]


def jobs() -> list[Job]:
    """Every rung of every ladder: all its architectures, and its variants for the last one."""
    all_jobs = []
    for path in sorted(FOLDER.glob("*/[0-9][0-9]_*.cu")):
        file = f"{path.parent.name}/{path.name}"
        found = architectures_of(path.read_text(encoding="utf-8"), file)
        all_jobs += [Job(file, architecture) for architecture in found]
        all_jobs += [Job(file, found[-1], text) for text in VARIANTS.get(path.parent.name, [])]
    return all_jobs


def compile_job(nvrtc: Nvrtc, job: Job) -> list[Use]:
    """What the kernels of a file take. Raises NvrtcError."""
    path = FOLDER / job.file
    options = [f"-arch=sm_{job.architecture}", f"-I{path.parent}", f"-I{FOLDER}"]
    options += [f"-D{job.definition}"] if job.definition else []
    return read_log(nvrtc.compile(path.read_text(encoding="utf-8"), job.file, options))


def read_log(log: str) -> list[Use]:
    """ptxas' words, as numbers, one a kernel."""
    uses = []
    for match in USED.finditer(log):
        shared = re.search(r"(\d+)(?:\+\d+)? bytes smem", match["rest"])
        spilled = int(match["stores"]) + int(match["loads"])
        uses.append(
            Use(
                match["kernel"],
                int(match["registers"]),
                int(shared.group(1)) if shared else 0,
                spilled,
            )
        )
    return sorted(uses, key=lambda use: use.kernel)


def said_of_shared(code: str, definition: str) -> float | None:
    """Bytes of shared memory that a first comment promises; K is the width of a head."""
    match = SHARED.search(code)
    if match is None:
        return None
    width = int(definition.partition("HEAD_WIDTH=")[2] or HEAD_WIDTH)
    return float(match[1]) * 1024 + int(match[2] or 0) * width


def false_comments(results: dict[Job, list[Use]]) -> list[str]:
    """A sentence for each comment that says too much or too little of shared memory.

    The layouts of matmul/ may differ: their comment is about one of them. A width of a head has its
    own number.
    """
    used: dict[tuple[str, str], list[int]] = {}
    for job, uses in results.items():
        width = job.definition if "HEAD_WIDTH" in job.definition else ""
        most = max((use.shared for use in uses), default=0)
        used.setdefault((job.file, width), []).append(most)
    found = []
    for (file, width), numbers in used.items():
        said = said_of_shared((FOLDER / file).read_text(encoding="utf-8"), width)
        if said is not None and min(abs(said - number) for number in numbers) > ROUNDING:
            what, are = f"{file} {width}".strip(), " or ".join(map(str, sorted(set(numbers))))
            found.append(f"{what}: its comment says {said:.0f} bytes of shared memory, not {are}")
    return found


def complaints(job: Job, uses: list[Use], table: Table) -> list[str]:
    """A sentence for each number that is worse than the table's, or not in it."""
    known = table.get(str(job), {})
    found = []
    for use in uses:
        where = f"{job}, {use.kernel}"
        if use.spilled:
            found.append(f"{where}: {use.spilled} bytes of registers are spilled to memory")
        if use.kernel not in known:
            found.append(f"{where} is not in {TABLE.name}; --write puts it there")
            continue
        for name, now, was in zip(
            ("registers", "bytes of shared memory"),
            (use.registers, use.shared),
            known[use.kernel],
            strict=True,
        ):
            if now > was:
                found.append(f"{where}: {now} {name}, {was} in {TABLE.name}")
    return found


def read_table() -> Table:
    return json.loads(TABLE.read_text(encoding="utf-8")) if TABLE.is_file() else {}


def written(results: dict[Job, list[Use]]) -> str:
    """The table as text: one line a compilation, so that a diff shows what changed."""
    lines = []
    for job, uses in results.items():
        numbers = {use.kernel: [use.registers, use.shared] for use in uses}
        lines.append(f"  {json.dumps(str(job))}: {json.dumps(numbers)}")
    return "{\n" + ",\n".join(lines) + "\n}\n"


def measure(nvrtc: Nvrtc) -> tuple[dict[Job, list[Use]], list[str]]:
    """Every job's numbers, and a sentence for every one that does not compile."""
    results, failed = {}, []
    with ThreadPoolExecutor(max_workers=2) as pool:
        running = {job: pool.submit(compile_job, nvrtc, job) for job in jobs()}
        for job, future in running.items():
            try:
                results[job] = future.result()
            except NvrtcError as error:
                failed.append(f"{job} does not compile:\n{error}")
    return results, failed


def check(write: bool = False) -> list[str]:
    """All complaints; none is good. write: the table first becomes what was measured.

    Raises InputError without NVRTC.
    """
    results, problems = measure(find())
    table = json.loads(written(results)) if write else read_table()
    for job, uses in results.items():
        problems += complaints(job, uses, table)
    problems += false_comments(results)
    gone = sorted(set(table) - {str(job) for job in results})
    problems += [f"{key} of {TABLE.name} is compiled no more; --write takes it out" for key in gone]
    if write and not problems:
        write_atomically(TABLE, written(results).encode())
    return problems


def main(words: list[str]) -> int:
    if words not in ([], ["--write"]):
        print(__doc__, file=sys.stderr)
        return 2
    try:
        problems = check(write=bool(words))
    except InputError as error:
        print(error, file=sys.stderr)
        return 2
    print(
        "\n".join(problems)
        or f"{len(read_table())} compilations, no spills, all as in {TABLE.name}"
    )
    return int(bool(problems))


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
