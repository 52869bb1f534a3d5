"""data/results/README.md, rendered from the JSON rows: `make results` (layer 8)."""

from __future__ import annotations

from tinyvlm.checkpoint import write_atomically
from tinyvlm.proofs import clip, record

HEADER = """\
# Measured results

Rendered by `make results` from the JSON files beside this one; each row there says its commit,
machine, seconds and evaluation set. Mean ± standard deviation over seeds; n is how many. What was
tried and did not help stands in [notes.md](notes.md).
"""


def render() -> str:
    """The whole page."""
    parts = [HEADER, clip_table(), folder_table(), bench_table()]
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
        f"other 38. Scenes: SHA-256 `{frozen['sha256'][:16]}`.",
        "",
        "| model | held-out colour | held-out shape | held-out joint | seen joint | training |",
        "|---|---|---|---|---|---|",
    ]
    for variant in clip.VARIANTS:
        runs = by_variant(rows, variant)
        if not runs:
            lines.append(f"| {variant} | not measured | | | | |")
            continue
        held = {
            key: record.mean_and_spread([run["result"]["held_out"][key] for run in runs])
            for key in clip.THRESHOLDS
        }
        seen = record.mean_and_spread([run["result"]["seen"]["joint"] for run in runs])
        seconds = max(run["training_seconds"] for run in runs)
        lines.append(
            f"| {variant} | {held['colour']} | {held['shape']} | {held['joint']} | {seen} | "
            f"at most {seconds:.0f} s |"
        )
    lines.append("| sees colours only | 1.000 | 0.167 | 0.167 | 0.167 | computed |")
    lines.append("| chance | 0.125 | 0.167 | 0.021 | 0.021 | computed |")
    thresholds = ", ".join(f"{key} {least:.2f}" for key, least in clip.THRESHOLDS.items())
    mains = by_variant(rows, "main")
    shown = all(
        run["result"]["held_out"][key] >= least
        for run in mains
        for key, least in clip.THRESHOLDS.items()
    )
    verdict = "shown" if shown and len(mains) >= 3 else "not shown"
    lines += ["", f"Thresholds, frozen before: held-out {thresholds}, on each seed: **{verdict}**."]
    return "\n".join(lines) + "\n"


def folder_table() -> str:
    """CLIP on a folder of photographs."""
    rows = latest("clip-folder")
    if not rows:
        return ""
    lines = [
        "## CLIP on photographs: `python -m tinyvlm prove clip-folder --data cifar10`",
        "",
        "15,000 training and 2,000 test photographs of CIFAR-10 (Krizhevsky 2009), 32 x 32 px.",
        "",
        "| variant | measured between | accuracy | chance | training |",
        "|---|---|---|---|---|",
    ]
    for variant in ("main", "withheld"):
        runs = by_variant(rows, variant)
        if runs:
            among = runs[0]["result"]["among"]
            names = f"{len(among)} classes" if len(among) > 2 else " and ".join(among)
            accuracy = record.mean_and_spread([run["result"]["accuracy"] for run in runs])
            seconds = max(run["training_seconds"] for run in runs)
            lines.append(
                f"| {variant} | {names} | {accuracy} | {1 / len(among):.3f} | "
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
        "Time over PyTorch's eager step, interleaved on one machine; below 1 is faster.",
        "",
        "| row | median ratio | low | high |",
        "|---|---|---|---|",
    ]
    for row in rows:
        lines.append(
            f"| {row['name']} | {row['ratio_median']:.2f} | {row['ratio_low']:.2f} | "
            f"{row['ratio_high']:.2f} |"
        )
    return "\n".join(lines) + "\n"


if __name__ == "__main__":
    write_atomically(record.RESULTS / "README.md", render().encode())
    print(f"wrote {record.RESULTS / 'README.md'}")
