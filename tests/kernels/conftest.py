"""Set-up of the tests that compile kernels: they skip without g++ and share one cache."""

import shutil
from functools import partial

import pytest

from tinyvlm.kernels.emulator import EmulatedModule, compiler
from tinyvlm.kernels.launch import FOLDER

FAST = {"fast": {}, "last thread first": {"thread_order": 1}, "shuffled": {"thread_order": 7}}
MODES = {**FAST, "check": {"check": True}}


@pytest.fixture(scope="session")
def kernel_cache(tmp_path_factory):
    """Every kernel is compiled once per session, and nothing of the user's cache is read."""
    if shutil.which("g++") is None:
        pytest.skip("no g++")
    patch = pytest.MonkeyPatch()
    folder = tmp_path_factory.mktemp("kernels")
    patch.setenv(compiler.CACHE_VARIABLE, str(folder))
    yield folder
    patch.undo()


@pytest.fixture(params=MODES)
def any_mode(request):
    """Loads a kernel file for launch.run, in each mode after the other."""
    return partial(EmulatedModule, **MODES[request.param])


@pytest.fixture
def check_mode():
    return partial(EmulatedModule, check=True)


@pytest.fixture
def broken(tmp_path):
    """broken(file, before, after): check mode on a copy of the file's folder with one edit."""

    def break_file(file, before, after):
        folder = tmp_path / file.partition("/")[0]
        shutil.copytree((FOLDER / file).parent, folder)
        text = (tmp_path / file).read_text(encoding="utf-8")
        assert text.count(before) == 1, f"{before!r} stands {text.count(before)} times in {file}"
        (tmp_path / file).write_text(text.replace(before, after), encoding="utf-8")
        return lambda path, options: EmulatedModule(folder / path.name, options, check=True)

    return break_file
