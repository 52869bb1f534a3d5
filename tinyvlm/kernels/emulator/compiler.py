"""Compiles a prepared kernel into a shared library, once per content (layer 1).

g++ on Linux x86-64 does all modes. Elsewhere, and with clang++, there is fast mode only: check mode
needs the calls that g++'s -fsanitize=thread puts before every load and store.

The cache is a folder of libraries named by the hash of all that goes into them. A library is built
under a private name and moved into place, so two processes that build at once both end well.
"""

from __future__ import annotations

import functools
import hashlib
import os
import platform
import re
import shutil
import subprocess
import tempfile
from dataclasses import dataclass
from pathlib import Path

from tinyvlm.errors import InputError
from tinyvlm.kernels.emulator.mistakes import CompileError
from tinyvlm.kernels.emulator.source import Source

RUNTIME = Path(__file__).parent / "runtime"
RUNTIME_FILES = ("scheduler.cpp", "memory.cpp", "copies.cpp", "profile.cpp", "watchdog.cpp")
CACHE_VARIABLE = "TINYVLM_KERNEL_CACHE"

# -gdwarf-4: in version 5 g++ calls the first file "<stdin>", whatever #line says.
COMMON = ["-std=c++17", "-g1", "-gdwarf-4", "-fPIC", "-w", "-fdiagnostics-color=never"]
# -ffp-contract=fast: a * b + c is one fma, as nvcc makes it.
KERNEL_FLAGS = ["-ffp-contract=fast", "-fno-strict-aliasing"]
GNU_FLAGS = ["-fno-gnu-unique"]  # else the statics of two loaded kernels become one
NATIVE = "-march=native" if platform.machine() == "x86_64" else "-mcpu=native"
# A tail call or a vectorised loop would hide the line an access belongs to, and a float4 that g++
# takes apart (sra) would hide that its 16 bytes are not aligned. A load that is moved to where its
# value is used (sink) may come to stand in an if, and then fewer lanes of a warp are seen to read.
CHECK_FLAGS = [
    "-O1",
    "-fsanitize=thread",
    "--param=tsan-instrument-func-entry-exit=0",
    "-fno-optimize-sibling-calls",
    "-fno-tree-sra",
    "-fno-tree-sink",
    "-fno-tree-vectorize",
    "-fno-tree-slp-vectorize",
]


def cache_folder() -> Path:
    """$TINYVLM_KERNEL_CACHE, or tinyvlm/kernels in the user's cache folder."""
    chosen = os.environ.get(CACHE_VARIABLE)
    if chosen:
        return Path(chosen)
    home = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    return Path(home) / "tinyvlm" / "kernels"


@dataclass(frozen=True)
class Compiler:
    """A C++ compiler of this machine."""

    path: str
    version: str  # the first line of what it says of itself

    @property
    def is_gnu(self) -> bool:
        """On macOS, g++ is a name of clang++."""
        return "clang" not in self.version

    @property
    def checks(self) -> bool:
        """Whether check mode and profiles work with it, here."""
        return self.is_gnu and (platform.system(), platform.machine()) == ("Linux", "x86_64")


@functools.cache
def find_compiler() -> Compiler:
    """g++, or else clang++. Raises InputError, with how to get one, when there is none."""
    for name in ("g++", "clang++"):
        path = shutil.which(name)
        if path:
            said = subprocess.run([path, "--version"], capture_output=True, text=True).stdout
            return Compiler(path, said.partition("\n")[0])
    raise InputError(
        "the CUDA emulator compiles kernels with g++, which is not installed here; on Debian "
        "or Ubuntu: sudo apt install g++"
    )


@functools.cache
def machine() -> str:
    """What a library has to fit: the compiler's version and the processor's features."""
    processor = Path("/proc/cpuinfo")
    text = processor.read_text() if processor.is_file() else ""
    features = re.findall(r"^(?:flags|Features|model name)\s*:.*$", text, re.MULTILINE)
    return "\n".join([find_compiler().version, *sorted(set(features))])


@functools.cache
def runtime_text() -> str:
    return "\n".join(path.read_text() for path in sorted(RUNTIME.glob("*.*")))


def content_key(*parts: str) -> str:
    return hashlib.sha256("\0".join((machine(), runtime_text(), *parts)).encode()).hexdigest()[:20]


def run_compiler(command: list[str], text: str, source: Source | None) -> None:
    """Compile text, given on standard input. Raises CompileError with the first complaint."""
    full = [find_compiler().path, *command]
    english = {**os.environ, "LC_ALL": "C"}  # and plain quotes
    done = subprocess.run(full, input=text, capture_output=True, text=True, env=english)
    if done.returncode:
        raise compile_error(done.stderr, source)


def compile_error(output: str, source: Source | None) -> CompileError:
    errors = [line for line in output.splitlines() if re.search(r"\berror: ", line)]
    ours = [line for line in errors if source and line.split(":")[0] in source.files]
    first = (ours or errors or output.splitlines() or ["the compiler failed and said nothing"])[0]
    return CompileError(first, output)


def build(target: Path, command: list[str], text: str, source: Source | None = None) -> Path:
    """Compile into target unless it is there already; it appears whole or not at all."""
    if target.exists():
        return target
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        handle, private = tempfile.mkstemp(prefix="building_", dir=target.parent)
    except OSError as error:
        raise InputError(
            f"can't keep compiled kernels in {target.parent} ({error.strerror}); "
            f"set {CACHE_VARIABLE} to a folder that can be written"
        ) from error
    os.close(handle)
    try:
        run_compiler([*command, "-o", private], text, source)
        os.replace(private, target)
    finally:
        Path(private).unlink(missing_ok=True)
    return target


def runtime_object() -> Path:
    """The runtime, compiled once for all kernels."""
    text = "\n".join(f'#include "{name}"' for name in RUNTIME_FILES)
    command = [*COMMON, "-O2", f"-I{RUNTIME}", "-x", "c++", "-", "-c"]
    return build(cache_folder() / f"runtime_{content_key(*command)}.o", command, text)


def kernel_library(source: Source, options: tuple[str, ...], check: bool) -> Path:
    """The shared library of a kernel file; of options, -D and -I mean something here."""
    compiler = find_compiler()
    if check and not compiler.checks:
        raise InputError(
            f"check mode and profiles need g++ on Linux x86-64; with {compiler.version} on "
            f"{platform.system()} {platform.machine()} there is fast mode, check=False"
        )
    definitions = [option[2:].partition("=") for option in options if option.startswith("-D")]
    includes = [option for option in options if option.startswith("-I")]
    text = '#include "cuda.h"\n'
    # After cuda.h: -DK=64 before it would reach into its templates.
    text += "".join(f"#define {name} {value or 1}\n" for name, _, value in definitions)
    text += f'{source.text}\n#line 1 "the kernels\' entries"\n'
    text += "".join(f"EMULATOR_ENTRY({kernel})\n" for kernel in source.kernels)
    flags = [
        *COMMON,
        *KERNEL_FLAGS,
        NATIVE,
        *(GNU_FLAGS if compiler.is_gnu else []),
        *(CHECK_FLAGS if check else ["-O2"]),
        f"-I{RUNTIME}",
        *includes,
    ]
    target = cache_folder() / f"kernel_{content_key(text, *flags)}.so"
    if target.exists():
        return target
    # Two steps: linking with -fsanitize=thread would bring libtsan along.
    compiled = target.with_suffix(".o")
    build(compiled, [*flags, "-x", "c++", "-", "-c"], text, source)
    link = ["-shared", "-Wl,-Bsymbolic", str(compiled), str(runtime_object())]
    return build(target, link, "")
