"""The command line as a whole: help, exit codes, one line for wrong input, any script printed."""

import argparse
import io
import subprocess
import sys

import numpy as np
import pytest

from tinyvlm import cli
from tinyvlm.cli import (
    arguments,
    ask,
    bench,
    caption,
    demo,
    detect,
    doctor,
    draw,
    kernels,
    main,
    prove,
    score,
    train,
    zero_shot,
)
from tinyvlm.errors import InputError

COMMANDS = {
    "demo": demo,
    "draw": draw,
    "ask": ask,
    "caption": caption,
    "detect": detect,
    "zero-shot": zero_shot,
    "train": train,
    "prove": prove,
    "score": score,
    "bench": bench,
    "kernels": kernels,
    "doctor": doctor,
}


def parser_of(command):
    parser = argparse.ArgumentParser()
    COMMANDS[command].add(parser.add_subparsers())
    return parser


@pytest.mark.parametrize("command", [*COMMANDS])
def test_help_has_examples_that_parse(command, capsys):
    """Catches an example with an option that was renamed."""
    with pytest.raises(SystemExit) as stopped:
        main([command, "--help"])
    assert stopped.value.code == 0
    shown = capsys.readouterr().out
    examples = shown.partition("examples:\n")[2].splitlines()
    assert shown.startswith(f"usage: python -m tinyvlm {command} ")
    assert examples
    own = [line.strip() for line in examples if f"python -m tinyvlm {command}" in line]
    assert own
    for line in own:
        words = line.partition("   ")[0].removeprefix("python -m tinyvlm ")
        parsed = parser_of(command).parse_args(cli_words(words))
        assert parsed.run is COMMANDS[command].run


def cli_words(line):
    """The words of a shell line; only double quotes are used in the examples."""
    parts = line.split('"')
    words = []
    for i, part in enumerate(parts):
        words += [part] if i % 2 else part.split()
    return words


def test_the_overview_names_every_command(capsys):
    with pytest.raises(SystemExit) as stopped:
        main(["--help"])
    assert stopped.value.code == 0
    shown = capsys.readouterr().out
    listed = [line.split()[0] for line in shown.splitlines() if line.startswith("    ")]
    assert [word for word in listed if word in COMMANDS] == [*COMMANDS]


@pytest.mark.parametrize(
    "words",
    [
        [],
        ["paint"],
        ["zero-shot"],
        ["zero-shot", "a.png"],
        ["ask", "a.png"],
        ["caption"],
        ["caption", "a.png", "--top-k", "0"],
        ["detect", "a.png", "--temperature", "1"],
        ["train"],
        ["train", "flamingo"],
        ["train", "clip", "--steps", "0"],
        ["train", "clip", "--steps", "many"],
        ["train", "clip", "--seed", "-1"],
        ["train", "clip", "--threads", "1.5"],
        ["prove", "everything"],
        ["bench", "gpu"],
        ["demo", "--steps", ""],
        ["doctor", "--fast"],
    ],
)
def test_words_it_does_not_know(words, capsys):
    with pytest.raises(SystemExit) as stopped:
        main(words)
    assert stopped.value.code == 2
    assert "python -m tinyvlm" in capsys.readouterr().err


def test_numbers():
    assert arguments.positive("12") == 12
    assert arguments.not_negative("0") == 0
    assert arguments.not_negative("7") == 7
    for text in ("0", "-3", "2.5", "", "x"):
        with pytest.raises(argparse.ArgumentTypeError, match="at least 1, got"):
            arguments.positive(text)


def doctor_that(monkeypatch, run):
    monkeypatch.setattr(doctor, "run", run)


def test_wrong_input_is_one_line_and_exit_code_2(monkeypatch, capsys):
    def run(_):
        raise InputError("cat.png is empty; copy it again")

    doctor_that(monkeypatch, run)
    assert main(["doctor"]) == 2
    shown = capsys.readouterr()
    assert (shown.out, shown.err) == ("", "tinyvlm: cat.png is empty; copy it again\n")


def test_a_mistake_of_ours_is_not_called_wrong_input(monkeypatch):
    """Catches a net so wide that a bug would look like the user's fault."""

    def run(_):
        raise ValueError("a bug")

    doctor_that(monkeypatch, run)
    with pytest.raises(ValueError, match="a bug"):
        main(["doctor"])


def test_ctrl_c(monkeypatch, capsys):
    def run(_):
        raise KeyboardInterrupt

    doctor_that(monkeypatch, run)
    assert main(["doctor"]) == 130
    assert "continues with --resume" in capsys.readouterr().err


def test_any_script_is_printed_on_any_terminal(monkeypatch):
    """A label in Chinese on a terminal that knows ASCII only, and a file name that is no text."""
    terminal = io.TextIOWrapper(io.BytesIO(), encoding="ascii")
    monkeypatch.setattr(sys, "stdout", terminal)
    doctor_that(monkeypatch, lambda _: print("星 \udcff"))
    assert main(["doctor"]) == 0
    terminal.flush()
    assert terminal.buffer.getvalue() == b"\\u661f \\udcff\n"


def test_doctor(capsys):
    assert main(["doctor"]) == 0
    shown = capsys.readouterr().out
    lines = shown.splitlines()
    assert lines[0].split() == ["Python", sys.version.split()[0], "at", sys.executable]
    first_words = [line.split()[0] for line in lines]
    for name in ("machine", "BLAS", "GPU", *doctor.PACKAGES):
        assert name in first_words
    numpy = lines[first_words.index("numpy")]
    assert numpy.split()[1] == np.__version__
    missing = [line.split()[0] for line in lines if line.split()[1:3] == ["not", "installed"]]
    installs = [line for line in lines if line.startswith("to get ")]
    assert [line.split()[2].rstrip(":") for line in installs] == missing
    assert all(f"{sys.executable} -m pip install " in line for line in installs)


def test_doctor_says_how_to_get_what_is_missing(monkeypatch, capsys):
    installed = doctor.installed_version
    monkeypatch.setattr(
        doctor, "installed_version", lambda name: None if name == "jupytext" else installed(name)
    )
    main(["doctor"])
    wanted = f'to get jupytext: {sys.executable} -m pip install -e ".[lessons]"'
    assert wanted in capsys.readouterr().out.splitlines()


def test_the_module_runs():
    command = [sys.executable, "-m", "tinyvlm", "zero-shot", "no such file.png", "star"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60)
    assert done.returncode == 2
    assert done.stdout == ""
    assert done.stderr == "tinyvlm: 'no such file.png' does not exist; check the path\n"


def test_help_loads_no_pictures_and_no_models():
    """--help answers at once: what a command needs is imported when it runs."""
    program = """
import sys
from tinyvlm.cli import main
try:
    main(["train", "--help"])
finally:
    print(*sys.modules)
"""
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True)
    loaded = set(done.stdout.splitlines()[-1].split())
    assert "tinyvlm.cli.train" in loaded
    assert not {"PIL", "safetensors", "tinyvlm.models.clip"} & loaded


def test_demo_hands_its_options_on(monkeypatch, tmp_path):
    from tinyvlm import tour

    given = []
    monkeypatch.setattr(tour, "run", lambda *values: given.append(values))
    out = tmp_path / "page.html"
    assert main(["demo", "--steps", "7", "--seed", "3", "--threads", "2", "--out", str(out)]) == 0
    assert main(["demo"]) == 0
    assert given[0] == (7, 3, 2, out)
    assert given[1][:3] == (demo.STEPS, 0, None)
    assert cli.main is main
