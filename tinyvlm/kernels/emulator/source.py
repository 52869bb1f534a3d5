"""Makes a .cu file ready for g++: only __shared__ declarations are rewritten (layer 1).

`__shared__ float a[32], b[32];` becomes a reference into the block's shared memory, which the
runtime hands out, so that every array has a name, exact bounds and a NaN in what nobody wrote. The
rest of the file stays as it is, on its own lines; keywords and built-ins are macros of cuda.h.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from pathlib import Path

COMMENT_OR_STRING = re.compile(r'"(?:\\.|[^"\\\n])*"|//[^\n]*|/\*.*?\*/', re.DOTALL)
ALIGNMENT = r"(?:(?:__align__|alignas)\s*\([^)]*\)\s*)?"
SHARED = re.compile(rf"{ALIGNMENT}(extern\s+)?__shared__\s+{ALIGNMENT}([^;=]+);")
DECLARATOR = re.compile(
    r"^(?P<type>.*?)\b(?P<name>\w+)\s*(?P<sizes>(?:\[[^\]]*\]\s*)*)$", re.DOTALL
)
INCLUDE = re.compile(r'^[ \t]*#[ \t]*include[ \t]+"([^"\n]+)"[^\n]*$', re.MULTILINE)
BOUNDS = r"(?:__launch_bounds__\s*\([^)]*\)\s*)?"
KERNEL = re.compile(rf"__global__\s+{BOUNDS}void\s+{BOUNDS}(\w+)\s*\(")
TEMPLATE_BEFORE = re.compile(r"template\s*<[^;{}]*$")


KERNELS = Path(__file__).parents[1]  # ptx.cuh, and the ladders' own headers


@dataclass
class Source:
    """A kernel file, rewritten: its text, its kernels with their lines, the files it is made of."""

    text: str
    kernels: dict[str, int] = field(default_factory=dict)  # name -> line
    parameters: dict[str, list[str]] = field(default_factory=dict)  # name -> its parameters' names
    files: list[str] = field(default_factory=list)


def without_comments(code: str) -> str:
    """Comments become spaces; every character stays on its line."""

    def blank(match: re.Match[str]) -> str:
        text = match.group()
        return text if text[0] == '"' else re.sub(r"[^\n]", " ", text)

    return COMMENT_OR_STRING.sub(blank, code)


def split_declarators(text: str) -> list[str]:
    """Split at commas outside of any bracket: "Pair<int, 2> a[2], b" -> two parts."""
    parts, depth = [""], 0
    for character in text:
        depth += (character in "<[(") - (character in ">])")
        if character == "," and depth == 0:
            parts.append("")
        else:
            parts[-1] += character
    return parts


class SharedArrays:
    """Numbers the __shared__ arrays of a file and writes what stands in their place."""

    def __init__(self) -> None:
        self.count = 0

    def __call__(self, match: re.Match[str]) -> str:
        parts = split_declarators(match.group(2))
        first = DECLARATOR.match(parts[0].strip())
        if first is None:
            return match.group()  # g++ says what is wrong with it
        kind = first["type"].strip()
        names = [first, *(DECLARATOR.match(part.strip()) for part in parts[1:])]
        if match.group(1):
            text = f"{kind} *{first['name']} = emulated::dynamic_shared<{kind}>();"
        else:
            text = " ".join(self.reference(kind, name) for name in names if name)
        return text + "\n" * match.group().count("\n")

    def reference(self, kind: str, declarator: re.Match[str]) -> str:
        self.count += 1
        name, sizes = declarator["name"], " ".join(declarator["sizes"].split())
        alias = f"emulated_type_of_{name}"
        reference = f'{alias} &{name} = emulated::shared<{alias}>({self.count}, "{name}");'
        return f"typedef {kind} {alias}{sizes}; {reference}"


def find_include(name: str, folder: Path | None) -> Path | None:
    """Beside the kernel's file; or in this package, so that the copy of a rung still works."""
    places = [*([folder] if folder else []), KERNELS, *sorted(KERNELS.glob("*/"))]
    return next((place / name for place in places if (place / name).is_file()), None)


def expand(code: str, name: str, folder: Path | None, files: list[str]) -> str:
    """Put files named in #include "..." in their place, each once; see find_include."""
    files.append(name)

    def insert(match: re.Match[str]) -> str:
        line = code.count("\n", 0, match.start()) + 1
        path = find_include(match.group(1), folder)
        if path is None:
            return match.group()
        inner = ""
        if path.name not in files:
            inner = expand(path.read_text(encoding="utf-8"), path.name, path.parent, files)
        return f'{inner}\n#line {line + 1} "{name}"'

    body = INCLUDE.sub(insert, without_comments(code))
    return f'#line 1 "{name}"\n{body}'


def prepare(code: str, name: str, folder: Path | None = None) -> Source:
    """code is a .cu file's text; name is what its lines are reported under."""
    files: list[str] = []
    text = SHARED.sub(SharedArrays(), expand(code, name, folder, files))
    plain = without_comments(code)
    source = Source(text, files=files)
    for match in KERNEL.finditer(plain):
        if not TEMPLATE_BEFORE.search(plain, 0, match.start()):
            name = match.group(1)
            source.kernels[name] = plain.count("\n", 0, match.start()) + 1
            source.parameters[name] = parameter_names(plain, match.end())
    return source


def parameter_names(plain: str, start: int) -> list[str]:
    """The names in a parameter list that begins at start, behind its bracket."""
    depth, end = 1, start
    while depth and end < len(plain):
        depth += (plain[end] == "(") - (plain[end] == ")")
        end += 1
    parts = split_declarators(plain[start : end - 1])
    return [found[-1] for part in parts if (found := re.findall(r"[A-Za-z_]\w*", part))]
