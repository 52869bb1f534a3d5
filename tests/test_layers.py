"""The rooms of the house stand on each other: no import points up, and none runs in a circle.

python tests/test_layers.py prints the reading order: every file after those it imports.
"""

import ast
from graphlib import CycleError, TopologicalSorter
from pathlib import Path

import pytest

PACKAGE = Path(__file__).parents[1] / "tinyvlm"

# From the ground up. A room imports rooms of the lines above its own, and files of its own.
LAYERS = [
    (0, "errors backend"),
    (0, "files"),
    (1, "kernels"),
    (2, "ops"),
    (2, "graph"),
    (3, "tensor"),
    (4, "nn images text"),
    (4, "optim parallel allocator datasets"),
    (4, "metrics"),
    (5, "blocks"),
    (6, "models"),
    (7, "checkpoint generate show zero_shot"),
    (7, "model_files respond train page search pipeline"),
    (7, "recipes hub"),
    (7, "tinyvlm"),  # tinyvlm/__init__.py, which hands names on
    (8, "course bench proofs tour"),
    (9, "cli"),
    (9, "__main__"),
]
HEIGHT = {room: i for i, (_, rooms) in enumerate(LAYERS) for room in rooms.split()}

Arrows = dict[str, set[str]]  # a module -> the modules of tinyvlm that it imports


def modules() -> dict[str, Path]:
    """tinyvlm/ops/shape.py is tinyvlm.ops.shape, tinyvlm/ops/__init__.py is tinyvlm.ops."""
    paths = {
        path.relative_to(PACKAGE.parent).with_suffix(""): path for path in PACKAGE.rglob("*.py")
    }
    return {".".join(key.parts).removesuffix(".__init__"): path for key, path in paths.items()}


def room(module: str) -> str:
    """tinyvlm.ops.shape stands in ops; tinyvlm itself is a room of its own."""
    return f"{module}.tinyvlm".split(".")[1]


def height(module: str) -> int:
    """The line of LAYERS a module stands on; above all others while its room has none."""
    return HEIGHT.get(room(module), len(LAYERS))


def imported_names(path: Path) -> set[str]:
    """Every dotted name that a file imports, at its top or inside a function."""
    names = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            names |= {f"{node.module}.{alias.name}" for alias in node.names}
    return names - {"tinyvlm.__version__"}


def read_arrows() -> Arrows:
    """Of a name like tinyvlm.ops.shape.Pad, the longest beginning that is a module counts."""
    files, arrows = modules(), {}
    for module, path in files.items():
        arrows[module] = set()
        for target in imported_names(path):
            while target and target not in files:
                target = target.rpartition(".")[0]
            arrows[module] |= {target} - {""}
    return arrows


def pointing_up(arrows: Arrows) -> list[str]:
    """The imports of a room that is not on a lower line of LAYERS."""
    return [
        f"{module} imports {target}"
        for module, targets in arrows.items()
        for target in targets
        if room(target) != room(module) and height(target) >= height(module)
    ]


def reading_order(arrows: Arrows) -> list[str]:
    """Layer by layer, each module after those it imports. Raises CycleError for a circle."""
    depth: dict[str, int] = {}
    for module in TopologicalSorter(arrows).static_order():
        depth[module] = 1 + max((depth[target] for target in arrows[module]), default=0)
    return sorted(arrows, key=lambda m: (height(m), room(m), depth[m], m))


def test_every_room_has_a_layer():
    assert {room(module) for module in modules()} <= set(HEIGHT), "add the new room to LAYERS"


def test_no_import_points_up():
    assert pointing_up(read_arrows()) == []


def test_every_file_comes_after_those_it_imports():
    arrows = read_arrows()
    order = reading_order(arrows)
    for module, targets in arrows.items():
        assert all(order.index(target) < order.index(module) for target in targets), module


def test_the_arrows_are_really_read():
    """Catches a reader of imports that finds nothing and so never complains."""
    arrows = read_arrows()
    assert "tinyvlm.ops.function" in arrows["tinyvlm.ops.shape"]
    assert "tinyvlm.kernels.dispatch" in arrows["tinyvlm.ops.matmul"]
    assert "tinyvlm.backend" in arrows["tinyvlm.tensor"]
    assert pointing_up({"tinyvlm.ops.shape": {"tinyvlm.tensor"}})
    assert pointing_up({"tinyvlm.images": {"tinyvlm.text.words"}})
    with pytest.raises(CycleError):
        reading_order({"tinyvlm.ops.a": {"tinyvlm.ops.b"}, "tinyvlm.ops.b": {"tinyvlm.ops.a"}})


def test_only_backend_and_kernels_import_cupy():
    """Above kernels/ nobody asks which device an array is on."""
    users = {room(m) for m, path in modules().items() if "cupy" in imported_names(path)}
    assert users <= {"backend", "kernels"}


def test_models_do_not_import_one_another():
    """One paper, one file: what two of them share is a block."""
    for module, targets in read_arrows().items():
        if room(module) == "models":
            assert not [t for t in targets if room(t) == "models"], module


def reading_table() -> str:
    """The reading order as lines of text, one a room."""
    order = reading_order(read_arrows())
    lines = []
    for this in dict.fromkeys(room(module) for module in order):
        files = [m.removeprefix(f"tinyvlm.{this}").strip(".") for m in order if room(m) == this]
        names = " ".join(name.replace(".", "/") for name in files if name)
        lines.append(f"{LAYERS[HEIGHT[this]][0]}  {this:12}{names}".rstrip())
    return "\n".join(lines)


def test_the_readme_shows_the_reading_order():
    readme = (PACKAGE.parent / "README.md").read_text(encoding="utf-8")
    assert reading_table() in readme, "run: make results"


if __name__ == "__main__":
    print(reading_table())
