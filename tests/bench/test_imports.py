"""`bench import` measures, prints and writes what it says."""

import json

from tinyvlm.bench import imports


def test_times_are_printed_and_written(tmp_path, capsys, monkeypatch):
    seconds = iter([0.100, 0.110, 0.100, 0.130, 0.200, 0.220])
    monkeypatch.setattr(imports, "seconds_of", lambda code: next(seconds))
    times = imports.run(tmp_path / "import.json", pairs=3)
    assert (times.numpy_ms, times.tinyvlm_ms, times.over_ms) == (100.0, 130.0, 20.0)
    assert "20.0 ms more" in capsys.readouterr().out
    (row,) = json.loads((tmp_path / "import.json").read_text())
    assert row["name"] == "import" and row["over_ms"] == 20.0


def test_a_real_process_is_started():
    assert imports.seconds_of("import sys") > 0
