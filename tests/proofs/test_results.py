"""The tables of data/results: every number comes from a row, nothing is claimed too early."""

import json

import pytest

from tinyvlm.proofs import clip, record, results

EVALUATION = {
    "name": "museum-eval-v1",
    "sha256": "0123456789abcdef" * 4,
    "objects": [1, 1],
    "radius_px": [9.0, 13.0],
    "pictures": {"held_out": 400, "seen": 380},
}


@pytest.fixture
def stored(tmp_path, monkeypatch):
    """A function that stores rows as data/results/NAME.json."""
    monkeypatch.setattr(record, "RESULTS", tmp_path)

    def store(name, rows):
        (tmp_path / f"{name}.json").write_text(json.dumps(rows))

    return store


def clip_row(variant="main", seed=0, colour=0.99, shape=0.90, joint=0.85, seen=0.95, commit="a"):
    search = {"R@1": 0.7, "R@5": 0.9, "median_rank": 1.0}
    return {
        "variant": variant,
        "seed": seed,
        "commit": commit,
        "training_seconds": 60.0 + seed,
        "evaluation": EVALUATION,
        "result": {
            "held_out": {"colour": colour, "shape": shape, "joint": joint},
            "seen": {"colour": 0.99, "shape": 0.96, "joint": seen},
            "search": search,
        },
    }


def folder_row(variant, seed, accuracy):
    among = ["horse", "truck"] if variant == "withheld" else [f"class {i}" for i in range(10)]
    return {
        "variant": variant,
        "seed": seed,
        "training_seconds": 700.0,
        "data": {"pictures": 15000},
        "result": {"accuracy": accuracy, "among": among, "pictures": 2000},
    }


def cells(page, first):
    """The cells of the table row that starts with `first`."""
    (line,) = [line for line in page.splitlines() if line.startswith(f"| {first} |")]
    return [cell.strip() for cell in line.strip("|").split("|")]


def test_without_results_there_is_only_the_header(stored):
    assert results.render() == results.HEADER


def test_clip_is_the_mean_over_seeds_with_its_spread(stored):
    stored(
        "clip",
        [
            clip_row(seed=0, joint=0.80, seen=0.9),
            clip_row(seed=1, joint=0.90, seen=0.9),
            clip_row("black", joint=0.021, colour=0.125, shape=0.167, seen=0.02),
        ],
    )
    page = results.render()
    main = cells(page, "main")
    assert main[1:4] == ["0.990 ± 0.000 (n=2)", "0.900 ± 0.000 (n=2)", "0.850 ± 0.071 (n=2)"]
    assert "0.900 ± 0.000 (n=2)" in main[4:]
    assert "at most 61 s" in main
    assert "0.021 (n=1)" in cells(page, "black")
    assert cells(page, "shuffled")[1] == "not measured"
    assert "0.021" in cells(page, "chance")
    assert "0123456789abcdef" in page
    assert "400 pictures" in page


def test_of_several_rows_the_newest_counts(stored):
    stored("clip", [clip_row(joint=0.2, commit="old"), clip_row(joint=0.8, commit="new")])
    assert "0.800 (n=1)" in cells(results.render(), "main")


def three():
    return [clip_row(seed=s) for s in range(3)]


def controls(joint=0.02):
    return [clip_row(v, seed=s, joint=joint) for v in ("shuffled", "black") for s in range(3)]


@pytest.mark.parametrize(
    ("rows", "verdict"),
    [
        ([*three(), *controls()], "shown"),
        ([*three()], "not shown"),
        ([*three(), *controls(joint=0.07)], "not shown"),
        ([clip_row(seed=s) for s in range(2)], "not shown"),
        ([clip_row("black", seed=s) for s in range(3)], "not shown"),
        ([*three()[:2], clip_row(seed=2, joint=0.69), *controls()], "not shown"),
        ([*three()[:2], clip_row(seed=2, colour=0.94), *controls()], "not shown"),
    ],
)
def test_shown_needs_three_seeds_that_all_reach_every_threshold(stored, rows, verdict):
    """Catches a claim from one seed, from the mean over seeds, and from a control."""
    stored("clip", rows)
    assert f"**{verdict}**" in clip.table()


def test_photographs(stored):
    rows = [folder_row("main", s, 0.6 + 0.02 * s) for s in range(3)]
    stored("clip-folder", [*rows, folder_row("withheld", 0, 0.71)])
    page = results.render()
    assert cells(page, "main")[1:5] == ["15,000", "10 classes", "0.620 ± 0.020 (n=3)", "0.100"]
    assert cells(page, "withheld")[2:5] == ["horse / truck", "0.710 (n=1)", "0.500"]


def test_bench(stored):
    ratio = {"ratio_median": 0.914, "ratio_low": 0.88, "ratio_high": 0.96, "ratio_one_thread": 0.9}
    row = {"name": "clip-step-64", "machine": "a laptop", "versions": {"numpy": "2"}, **ratio}
    stored(
        "bench-cpu", [row, {"name": "clip-step-16"}, {**row, "name": "disturbed", "noisy": True}]
    )
    page = results.render()
    assert cells(page, "clip-step-64")[1:5] == ["0.91", "0.88", "0.96", "0.90"]
    assert "clip-step-16" not in page
    assert "no evidence" in cells(page, "disturbed")[5]
    assert "a laptop; numpy 2." in page


def test_import(stored):
    times = {"numpy_ms": 90.0, "over_ms": 12.5, "over_low_ms": 10.0, "over_high_ms": 15.0}
    stored("bench-import", [{"name": "import", "pairs": 20, **times}])
    assert "12.5 ms more than `import numpy` (90.0 ms)" in results.render()


def test_the_readmes_table_quotes_the_rows(stored):
    assert "not measured yet" in results.systems_table()
    stored("clip", [clip_row(seed=s, joint=0.8) for s in range(3)])
    stored("clip-folder", [folder_row("main", 0, 0.61)])
    table = results.systems_table()
    assert "0.800 ± 0.000 (n=3)" in table
    assert "0.610 (n=1)" in table
    assert table.count("not measured yet") == 1  # the guide
    answers = {"seen": {"answers": {"all": 0.9}}}
    guide = {"variant": "main", "seed": 0, "result": answers}
    stored("paligemma", [guide | {"evaluation": {"majority": {"seen": {"all": 0.41}}}}])
    table = results.systems_table()
    assert "0.900 (n=1); most frequent answers 0.410" in table
    assert "not measured yet" not in table


def test_fill_replaces_what_stands_between_the_marks():
    text = "a\n<!-- table: made -->\nold\nold\n<!-- /table -->\nb\n<!-- x: y -->\nc\n<!-- /x -->\n"
    filled = results.fill(text, "table", r"new \1")
    assert filled == text.replace("old\nold", r"new \1")
    assert results.fill(filled, "table", r"new \1") == filled
    with pytest.raises(ValueError, match=r"README\.md lacks the marks of 'other'"):
        results.fill(text, "other", "new")
