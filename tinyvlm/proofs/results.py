"""`make results`: data/results/README.md, its picture, and what the README quotes (layer 8).

Every measured number comes from the JSON rows.
"""

from __future__ import annotations

import re
import subprocess
import sys

import numpy as np

from tinyvlm import model_files, show
from tinyvlm.datasets import museum
from tinyvlm.files import write_atomically
from tinyvlm.models.clip import CLIP
from tinyvlm.proofs import clip, clip_folder, paligemma, record
from tinyvlm.recipes import clip_museum

HEADER = """\
# Measured results

Rendered by `make results` from the JSON files beside this one; each row there says its commit,
machine, seconds and evaluation set. Mean ± standard deviation over seeds; n is how many. What was
tried and did not help stands in [notes.md](notes.md).
"""


def render() -> str:
    """The whole page."""
    tables = (clip.table, clip_folder.table, paligemma.table, bench_table, import_table)
    parts = [HEADER, *(table() for table in tables)]
    return "\n".join(part for part in parts if part)


def bench_table() -> str:
    """Training steps and decoding against PyTorch's."""
    rows = [row for row in record.rows_of("bench-cpu") if row.get("ratio_median") is not None]
    if not rows:
        return ""
    lines = [
        "## Training steps and decoding against PyTorch: `python -m tinyvlm bench cpu`",
        "",
        "Our time over that of PyTorch's eager step, two threads each, interleaved: median of the "
        "rounds' ratios, 10th and 90th percentile. clip-step-B: a training step on B pictures and "
        "texts; generate-B: 32 tokens written after a prefix of 65, B rows at once. The memory "
        "rows are peak memory of the process.",
        "",
        "| row | median ratio | low | high | one thread each | |",
        "|---|---|---|---|---|---|",
    ]
    for row in rows:
        one = row.get("ratio_one_thread")
        lines.append(
            f"| {row['name']} | {row['ratio_median']:.2f} | {row['ratio_low']:.2f} | "
            f"{row['ratio_high']:.2f} | {'' if one is None else f'{one:.2f}'} | "
            f"{'noisy: no evidence' if row.get('noisy') else ''} |"
        )
    installed = ", ".join(f"{name} {version}" for name, version in rows[0]["versions"].items())
    lines += ["", f"{rows[0]['machine']}; {installed}."]
    return "\n".join(lines) + "\n"


def import_table() -> str:
    """What importing costs."""
    rows = record.rows_of("bench-import")
    if not rows:
        return ""
    row = rows[-1]
    return (
        "## Importing: `python -m tinyvlm bench import`\n\n"
        f"`import tinyvlm` takes {row['over_ms']} ms more than `import numpy` ({row['numpy_ms']} "
        f"ms); median of {row['pairs']} interleaved pairs, 10th to 90th percentile "
        f"{row['over_low_ms']} to {row['over_high_ms']} ms.\n"
    )


def systems_table() -> str:
    """The README's table: system, file, lesson, measured result."""
    held_out = [
        run["result"]["held_out"]["joint"]
        for run in record.by_variant(record.latest("clip"), "main")
    ]
    photos = [
        run["result"]["accuracy"] for run in record.by_variant(record.latest("clip-folder"), "main")
    ]
    guides = record.by_variant(record.latest("paligemma"), "main")
    measured = ["not measured yet"]
    answered = "not measured yet"
    if guides:
        right = [run["result"]["seen"]["answers"]["all"] for run in guides]
        blind = guides[0]["evaluation"]["majority"]["seen"]["all"]
        answered = (
            f"answers on held-out pictures, mean of twelve forms: {record.mean_and_spread(right)}; "
            f"most frequent answers {blind:.3f}"
        )
    if held_out:
        joint = record.mean_and_spread(held_out)
        measured = [f"names held-out compositions: {joint}; colours only .167, chance .021"]
    if photos:
        accuracy = record.mean_and_spread(photos)
        measured.append(f"ten classes of photographs: {accuracy}, chance .100")
    return "\n".join(
        [
            "| system | file | lesson | measured |",
            "|---|---|---|---|",
            "| autograd | [graph.py](tinyvlm/graph.py), [tensor.py](tinyvlm/tensor.py), "
            "[ops/](tinyvlm/ops) | "
            "[02](lessons/02_autograd/lesson.py) | every gradient within 1e-6 of finite "
            "differences ([tests](tests/ops)) |",
            "| vision transformer | [blocks/vit.py](tinyvlm/blocks/vit.py) | "
            "[07](lessons/07_patches_and_vit/lesson.py) | in the lesson |",
            "| CLIP | [models/clip.py](tinyvlm/models/clip.py) | [09](lessons/09_clip/lesson.py) "
            f"| {'; '.join(measured)} |",
            "| PaliGemma | [models/paligemma.py](tinyvlm/models/paligemma.py), "
            "[generate.py](tinyvlm/generate.py) | [15](lessons/15_paligemma/lesson.py) "
            f"| {answered} |",
            "| CUDA kernels without a GPU | [kernels/emulator](tinyvlm/kernels/emulator), "
            "[kernels/matmul](tinyvlm/kernels/matmul) | to come | planted mistakes are named by "
            "kind and line ([tests](tests/kernels/emulator)) |",
        ]
    )


def reading_order() -> str:
    """What the layer test prints."""
    layers = record.ROOT / "tests" / "test_layers.py"
    done = subprocess.run([sys.executable, str(layers)], capture_output=True, text=True, check=True)
    rows = "\n".join(line.rstrip() for line in done.stdout.splitlines())
    return f"```\n{rows}\n```"


def fill(text: str, name: str, content: str) -> str:
    """Replace what stands between <!-- NAME: ... --> and <!-- /NAME -->."""
    pattern = rf"(<!-- {name}: [^>]*-->\n).*?(<!-- /{name} -->)"
    filled, count = re.subn(
        pattern, lambda m: f"{m[1]}{content}\n{m[2]}", text, count=1, flags=re.DOTALL
    )
    if count != 1:
        raise ValueError(f"README.md lacks the marks of {name!r}")
    return filled


def museum_picture() -> bytes:
    """The first twelve held-out pictures and what the shipped model says of them, as PNG."""
    model, _, _ = model_files.load_model(model_files.shipped("clip-museum"), CLIP)
    scenes = museum.museum_eval_v1().withheld[:12]
    pictures = museum.draw_all(scenes)
    sureness = clip_museum.name_pictures(model, pictures)
    said = [
        f"{museum.with_article(clip_museum.LABELS[int(row.argmax())])}, {row.max():.0%}"
        for row in np.asarray(sureness)
    ]
    return show.to_png_bytes(show.grid(list(pictures), said, columns=6))


def write() -> None:
    """Write all three, once all three are made."""
    readme = record.ROOT / "README.md"
    text = fill(readme.read_text(), "systems", systems_table())
    text = fill(text, "reading order", reading_order())
    page, picture = render(), museum_picture()
    write_atomically(record.RESULTS / "README.md", page.encode())
    write_atomically(record.RESULTS / "museum.png", picture)
    write_atomically(readme, text.encode())


if __name__ == "__main__":
    write()
    print(f"wrote README.md and {record.RESULTS}/README.md, museum.png")
