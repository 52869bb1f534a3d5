"""What `import tinyvlm` loads: NumPy, and none of the heavy libraries."""

import subprocess
import sys

import pytest

HEAVY = {"cupy", "torch", "PIL", "matplotlib"}


@pytest.mark.parametrize("module", ["tinyvlm", "tinyvlm.nn.functional", "tinyvlm.optim"])
def test_an_import_loads_no_heavy_library(module):
    """Catches an import at the top of a file that belongs inside a function. A process of its own:
    this one has loaded many libraries already."""
    program = f"import {module}, sys; print(*sys.modules)"
    output = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True
    )
    assert not HEAVY & set(output.stdout.split())
