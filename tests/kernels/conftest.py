"""Set-up of the tests that compile kernels: they skip without g++ and share one cache."""

import shutil

import pytest

from tinyvlm.kernels.emulator import compiler


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
