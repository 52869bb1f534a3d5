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
from tinyvlm.proofs import clip, clip_folder, record
from tinyvlm.recipes import clip_museum

HEADER = """\
# Measured results

Rendered by `make results` from the JSON files beside this one; each row there says its commit,
machine, seconds and evaluation set. Mean ± standard deviation over seeds; n is how many. What was
tried and did not help stands in [notes.md](notes.md).
"""


def render() -> str:
    """The whole page."""
    parts = [HEADER, clip_table(), folder_table(), bench_table(), import_table()]
    return "\n".join(part for part in parts if part)


def latest(name: str) -> list[record.Row]:
    """For each variant and seed the newest row."""
    newest = {(row["variant"], row["seed"]): row for row in record.rows_of(name)}
    return list(newest.values())


def by_variant(rows: list[record.Row], variant: str) -> list[record.Row]:
    return [row for row in rows if row["variant"] == variant]


def clip_table() -> str:
    """CLIP on museum-eval-v1: the model and its controls, held-out and seen pairs side by side."""
    rows = latest("clip")
    if not rows:
        return ""
    frozen = rows[0]["evaluation"]
    pictures = frozen["pictures"]
    lines = [
        f"## CLIP on {frozen['name']}: `python -m tinyvlm prove clip --seed 0`",
        "",
        f"48-way zero-shot, one object of radius {frozen['radius_px'][0]:g}-"
        f"{frozen['radius_px'][1]:g} px on 32 px; {pictures['held_out']} pictures of ten "
        f"colour-shape pairs that no training picture or sentence had, {pictures['seen']} of the "
        f"other 38. Search: each withheld pair's sentence among ten pictures of each of the 48 "
        f"pairs. Scenes: SHA-256 `{frozen['sha256'][:16]}`.",
        "",
        "| model | held-out colour | held-out shape | held-out joint | seen joint | "
        "held-out search R@1 | training |",
        "|---|---|---|---|---|---|---|",
    ]
    for variant in clip.VARIANTS:
        runs = by_variant(rows, variant)
        if not runs:
            lines.append(f"| {variant} | not measured | | | | | |")
            continue
        held = {
            key: record.mean_and_spread([run["result"]["held_out"][key] for run in runs])
            for key in clip.THRESHOLDS
        }
        seen = record.mean_and_spread([run["result"]["seen"]["joint"] for run in runs])
        found = record.mean_and_spread([run["result"]["search"]["R@1"] for run in runs])
        seconds = max(run["training_seconds"] for run in runs)
        lines.append(
            f"| {variant} | {held['colour']} | {held['shape']} | {held['joint']} | {seen} | "
            f"{found} | at most {seconds:.0f} s |"
        )
    lines.append("| sees colours only | 1.000 | 0.167 | 0.167 | 0.167 | 0.167 | computed |")
    lines.append("| chance | 0.125 | 0.167 | 0.021 | 0.021 | 0.021 | computed |")
    thresholds = ", ".join(f"{key} {least:.2f}" for key, least in clip.THRESHOLDS.items())
    controls = ", ".join(f"{key} {most:.2f}" for key, most in clip.CONTROLS_AT_MOST.items())
    verdict = "shown" if is_shown(rows) else "not shown"
    lines += [
        "",
        f"Thresholds: held-out {thresholds} at least, both controls {controls} at most, on each of "
        f"three seeds: **{verdict}**.",
    ]
    return "\n".join(lines) + "\n"


def is_shown(rows: list[record.Row]) -> bool:
    """Three seeds or more, each with its controls, and every one on its side of its thresholds."""
    seeds = {run["seed"] for run in by_variant(rows, "main")}
    complete = all({run["seed"] for run in by_variant(rows, v)} == seeds for v in clip.VARIANTS)

    def passes(run: record.Row) -> bool:
        held_out = run["result"]["held_out"]
        if run["variant"] == "main":
            return all(held_out[key] >= least for key, least in clip.THRESHOLDS.items())
        return all(held_out[key] <= most for key, most in clip.CONTROLS_AT_MOST.items())

    return len(seeds) >= 3 and complete and all(passes(run) for run in rows)


def folder_table() -> str:
    """CLIP on a folder of photographs."""
    rows = latest("clip-folder")
    if not rows:
        return ""
    lines = [
        "## CLIP on photographs: `python -m tinyvlm prove clip-folder --data cifar10`",
        "",
        "Class folders of 32 x 32 px; here 15,000 training and 2,000 test photographs of CIFAR-10 "
        "(Krizhevsky 2009). main: trained on every class. withheld: without the two classes that "
        "are then told apart; their names are unknown words, so it is a coin flip by construction. "
        'described: the same, but every class also says its kind ("a truck, a vehicle"), a word '
        "that other classes taught.",
        "",
        "| variant | pictures in training | measured between | accuracy | chance | training |",
        "|---|---|---|---|---|---|",
    ]
    for variant in clip_folder.VARIANTS:
        runs = by_variant(rows, variant)
        if runs:
            among = runs[0]["result"]["among"]
            names = f"{len(among)} classes" if len(among) > 2 else " / ".join(among)
            pictures = runs[0]["data"]["pictures"]
            accuracy = record.mean_and_spread([run["result"]["accuracy"] for run in runs])
            seconds = max(run["training_seconds"] for run in runs)
            lines.append(
                f"| {variant} | {pictures:,} | {names} | {accuracy} | {1 / len(among):.3f} | "
                f"at most {seconds:.0f} s |"
            )
    return "\n".join(lines) + "\n"


def bench_table() -> str:
    """A training step against PyTorch's."""
    rows = [row for row in record.rows_of("bench-cpu") if row.get("ratio_median") is not None]
    if not rows:
        return ""
    lines = [
        "## Training step against PyTorch: `python -m tinyvlm bench cpu`",
        "",
        "Our time over that of PyTorch's eager step, two threads each, interleaved: median of the "
        "rounds' ratios, 10th and 90th percentile. The memory rows are peak memory of the process.",
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
    held_out = [run["result"]["held_out"]["joint"] for run in by_variant(latest("clip"), "main")]
    photos = [run["result"]["accuracy"] for run in by_variant(latest("clip-folder"), "main")]
    measured = ["not measured yet"]
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
            "[generate.py](tinyvlm/generate.py) | to come | not proven yet; its Gemma equals "
            "PyTorch's ([tests](tests/oracle)) |",
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
