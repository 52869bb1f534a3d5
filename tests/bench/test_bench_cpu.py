"""The benchmark's protocol with made-up engines, its files and its table, and one real process."""

import dataclasses
import importlib.util
import json

import pytest
import safetensors.numpy

from tinyvlm.bench import cases, clip_step, cpu, process, table
from tinyvlm.bench.clip_step import ClipStep
from tinyvlm.bench.cpu import OURS, OURS_ALONE, TORCH, TORCH_ALONE, Row
from tinyvlm.bench.process import Engine, EngineError, Process, Sample
from tinyvlm.errors import InputError
from tinyvlm.parallel import blas_threads

needs_torch = pytest.mark.skipif(
    importlib.util.find_spec("torch") is None, reason="PyTorch is not installed"
)


class FakeRunner:
    """An engine whose steps take the given seconds, in turn."""

    def __init__(self, engine, walls, results=(6.0, 5.0, 4.0), peak=100.0):
        self.engine = engine
        self.walls = list(walls)
        self.results = list(results)
        self.peak = peak

    def step(self):
        wall = self.walls.pop(0)
        return Sample(wall, 2 * wall)

    def peak_memory(self):
        return self.peak


class Bar:
    """A progress bar that counts."""

    turns = 0

    def update(self):
        self.turns += 1


@pytest.fixture(autouse=True)
def no_pause(monkeypatch):
    monkeypatch.setattr(cpu, "PAUSE", 0)


def four_runners(ours=(3.0, 3.0, 4.0), torch=(2.0, 3.0, 2.0), torch_alone=(3.0, 4.5, 3.0)):
    return [
        FakeRunner(OURS, ours, peak=200.0),
        FakeRunner(OURS_ALONE, [5.0] * len(ours)),
        FakeRunner(TORCH, torch, peak=400.0),
        FakeRunner(TORCH_ALONE, torch_alone),
    ]


def test_ratios_are_taken_within_a_round():
    row = cpu.measure("case", four_runners(), 3, Bar())  # the ratios are 1.5, 1, 2
    assert row.ratio_median == 1.5
    assert row.ratio_low == pytest.approx(1.1)  # the 10th percentile of 1, 1.5, 2
    assert row.ratio_high == pytest.approx(1.9)
    assert row.ratio_min == 1.5
    assert row.ratio_cpu == 1.5
    assert row.ratio_one_thread == pytest.approx(5 / 3)
    assert row.noisy is False
    assert row.rounds == 3
    assert row.engines["tinyvlm-2"] == cpu.Times(3000.0, 3000.0, 6000.0, 200.0)


def test_one_slow_round_does_not_move_the_median():
    row = cpu.measure("case", four_runners(ours=(3.0, 3.0, 400.0), torch=(2.0, 2.0, 2.0)), 3, Bar())
    assert row.ratio_median == 1.5
    assert row.ratio_high > 100


def test_every_engine_steps_once_a_round_and_the_first_one_changes():
    order = []
    runners = four_runners()
    for runner in runners:
        original = runner.step
        runner.step = lambda original=original, e=runner.engine: order.append(e) or original()
    bar = Bar()
    cpu.measure("case", runners, 3, bar)
    engines = [runner.engine for runner in runners]
    assert bar.turns == 3
    assert order == engines + engines[1:] + engines[:1] + engines[2:] + engines[:2]


def test_a_run_is_noisy_when_pytorch_gains_too_little_from_its_second_thread():
    busy = cpu.measure("case", four_runners(torch_alone=(2.7, 4.0, 2.7)), 3, Bar())
    assert busy.noisy is True
    assert "noisy" in table.table([busy])
    quiet = cpu.measure("case", four_runners(torch_alone=(2.9, 4.3, 2.9)), 3, Bar())
    assert quiet.noisy is False
    assert "noisy" not in table.table([quiet])


@pytest.mark.parametrize(("waiting", "noisy"), [(1.1, False), (1.3, True)])
def test_a_run_of_small_steps_is_noisy_when_they_wait_for_the_processor(waiting, noisy):
    """There PyTorch need not gain from a second thread, and here it does not."""
    runners = four_runners(torch_alone=(2.0, 2.0, 2.0))
    for runner in runners:
        runner.step = lambda: Sample(waiting, 1.0)
    row = cpu.measure("case", runners, 3, Bar(), gains_from_threads=False)
    assert row.noisy is noisy


def test_unequal_results_are_refused_before_anything_is_timed():
    runners = four_runners()
    runners[2].results = [6.0, 5.0, 4.001]
    row = cpu.measure("case", runners, 3, Bar())
    assert row.problem is not None
    assert "refused" in row.problem
    assert "4.001" in row.problem
    assert row.ratio_median is None
    assert row.engines == {}
    assert len(runners[0].walls) == 3  # no step was taken
    assert "refused" in table.table([row])


@pytest.mark.parametrize("wrong", [float("nan"), 4.0 * (1 + 2e-4), 4.0 * (1 - 2e-4)])
def test_what_counts_as_unequal(wrong):
    runners = four_runners()
    runners[3].results = [6.0, 5.0, wrong]
    assert "torch-1" in cpu.disagreement(runners)
    runners[3].results = [6.0, 5.0, 4.0 * (1 + 5e-5)]
    assert cpu.disagreement(runners) is None


def test_without_torch_our_times_stand_alone():
    row = cpu.measure("case", four_runners()[:2], 3, Bar())
    assert row.ratio_median is None
    assert row.noisy is None
    assert row.engines["tinyvlm-2"].ms_median == 3000.0
    assert cpu.memory_row(row).ratio_median is None
    assert "3000.0" in table.table([row])


def test_the_memory_row():
    row = cpu.memory_row(cpu.measure("case", four_runners(), 3, Bar()))
    assert row.name == "case-memory"
    assert (row.ratio_median, row.ratio_low, row.ratio_high) == (0.5, 0.5, 0.5)
    unknown = four_runners()
    unknown[0].peak = None  # a system that does not say
    assert cpu.memory_row(cpu.measure("case", unknown, 3, Bar())).ratio_median is None


def test_the_table_is_narrow_and_aligned():
    rows = [
        dataclasses.replace(cpu.measure("clip-step-128", four_runners(), 3, Bar()), load=0.5),
        Row("clip-step-64", load=None),
    ]
    text = table.table(rows)
    lines = text.splitlines()
    assert all(len(line) <= 100 for line in lines)
    assert len(lines[2]) == len(lines[3]) == len(lines[1])
    assert "load before each row 0.5, -" in text


def test_json_is_a_list_of_rows_and_written_whole(tmp_path):
    row = cpu.measure("case", four_runners(), 3, Bar())
    path = tmp_path / "bench.json"
    cpu.write_json(path, [row, cpu.memory_row(row)])
    stored = json.loads(path.read_text())
    assert [entry["name"] for entry in stored] == ["case", "case-memory"]
    for entry in stored:
        assert entry["ratio_low"] <= entry["ratio_median"] <= entry["ratio_high"]
        assert {"machine", "versions", "load", "noisy", "problem", "rounds"} <= set(entry)
        assert entry["engines"]["torch-2"]["peak_mb"] == 400.0
    assert list(tmp_path.iterdir()) == [path]


def test_bad_arguments(tmp_path):
    with pytest.raises(InputError, match=r"no benchmark is called 'clip'.*clip-step-64"):
        cpu.run(None, ["clip"], 1)
    with pytest.raises(InputError, match="rounds"):
        cpu.run(None, ["clip-step-16"], 0)
    with pytest.raises(InputError, match="no folder"):
        cpu.run(tmp_path / "missing" / "bench.json", ["clip-step-16"], 1)


def test_cases_are_chosen_by_name_in_the_lists_order():
    names = [case.name for case in cases.select(None)]
    assert names == ["clip-step-16", "clip-step-64", "clip-step-128", "generate-1", "generate-16"]
    assert [c.name for c in cases.select(["clip-step-64", "clip-step-16"])] == names[:2]


def test_run_with_real_processes_and_no_torch(tmp_path, monkeypatch, capsys):
    """Our engine against itself on one thread: two processes, equal losses, a JSON file."""
    monkeypatch.setattr(cpu.importlib.util, "find_spec", lambda name: None)
    path = tmp_path / "bench.json"
    rows = cpu.run(path, ["clip-step-16"], 1)
    assert "pip install torch" in capsys.readouterr().out
    assert [row.name for row in rows] == ["clip-step-16", "clip-step-16-memory"]
    assert rows[0].problem is None
    assert set(rows[0].engines) == {"tinyvlm-2", "tinyvlm-1"}
    for times in rows[0].engines.values():
        assert 0 < times.ms_min <= times.ms_median
        assert times.peak_mb is None or 20 < times.peak_mb < 2000
    assert rows[0].versions["numpy"]
    assert len(json.loads(path.read_text())) == 2
    table.print_table(rows)
    assert "clip-step-16" in capsys.readouterr().out


def test_a_process_that_fails_says_why(tmp_path):
    broken = tmp_path / "arrays.safetensors"
    broken.write_bytes(b"no")
    with (
        pytest.raises(EngineError, match=r"^tinyvlm-1: .*[Hh]eader"),
        Process(Engine("tinyvlm", 1), "clip-step-16", broken),
    ):
        pass


def test_a_failing_process_becomes_a_row_with_a_problem(monkeypatch):
    class Broken:
        def __init__(self, *_):
            raise EngineError("torch-2: ImportError: no such library")

    monkeypatch.setattr(cpu, "Process", Broken)
    row = cpu.measure_case(ClipStep(2), [OURS, TORCH], 1, Bar())
    assert row.problem == "torch-2: ImportError: no such library"
    assert row.machine


def test_the_process_finds_the_running_tinyvlm_first():
    first = process.environment()["PYTHONPATH"].split(process.os.pathsep)[0]
    assert (process.Path(first) / "tinyvlm" / "bench").is_dir()


@blas_threads(1)
def test_our_step_trains_and_does_not_depend_on_the_threads():
    case = ClipStep(4)
    arrays = case.arrays()
    step = case.ours(arrays, threads=1)
    alone = [step() for _ in range(3)]
    step = case.ours(arrays, threads=2)
    assert [step() for _ in range(3)] == pytest.approx(alone, rel=1e-5)
    assert alone[2] < alone[0]


def test_arrays_are_the_same_each_time():
    first, second = ClipStep(2).arrays(), ClipStep(2).arrays()
    assert safetensors.numpy.save(first) == safetensors.numpy.save(second)
    assert first["images"].shape == (2, 3, 64, 64)
    assert (first["ids"][:, -1] == clip_step.CONFIG.text.eos_id).all()
    assert (first["ids"][:, :-1] != clip_step.CONFIG.text.eos_id).all()


@needs_torch
@blas_threads(1)
def test_the_torch_twin_takes_the_same_steps():
    import torch

    case = ClipStep(4)
    arrays = case.arrays()
    for name, array in arrays.items():  # biases that are zero would hide a wrong mapping
        if name.startswith("model.") and array.ndim == 1:
            array += torch.randn(array.shape, generator=torch.manual_seed(0)).numpy() * 0.1
    ours, theirs = case.ours(arrays, threads=1), case.torch(arrays)
    assert [theirs() for _ in range(4)] == pytest.approx([ours() for _ in range(4)], rel=1e-4)


@needs_torch
def test_run_against_torch():
    rows = cpu.run(None, ["clip-step-16"], 2)
    assert rows[0].problem is None
    assert rows[0].ratio_low <= rows[0].ratio_median <= rows[0].ratio_high
    assert rows[0].noisy in (True, False)
