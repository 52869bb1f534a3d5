"""Every operation of nn.functional and Tensor gives the values and gradients PyTorch gave."""

import inspect
from pathlib import Path

import numpy as np
import pytest
from torch_cases import CASES

from tinyvlm.nn import functional as F
from tinyvlm.tensor import Tensor

# Differences allowed, as a share of the largest value of an array (or of 1, if that is larger).
FLOAT64 = 1e-12  # measured 4e-16; l2_normalize 1e-13, whose eps PyTorch puts outside the root
FLOAT32 = 1e-6  # measured 2.4e-7

with np.load(Path(__file__).with_name("torch_values.npz"), allow_pickle=False) as file:
    STORED = {name: file[name] for name in file.files}


def stored(case, key):
    """key is x, dx, y or dy; x and dx come as a list with one array an input."""
    if key in ("y", "dy"):
        return STORED[f"{case.name}:{key}"]
    return [STORED[f"{case.name}:{key}{i}"] for i in range(len(case.shapes))]


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
@pytest.mark.parametrize(("dtype", "tolerance"), [("float64", FLOAT64), ("float32", FLOAT32)])
def test_values_and_gradients_are_those_of_pytorch(case, dtype, tolerance):
    """Catches a formula that is consistent with itself but not the field's (an eps outside the
    root, n - 1 for n, the other RoPE), and precision lost in float32."""
    tensors = [Tensor(x.astype(dtype), requires_grad=True) for x in stored(case, "x")]
    y = case.ours(F, *tensors)
    y.backward(stored(case, "dy"))
    got = [y.data, *(tensor.grad for tensor in tensors)]
    for array, theirs in zip(got, [stored(case, "y"), *stored(case, "dx")], strict=True):
        assert array.dtype == dtype
        assert array.shape == theirs.shape
        assert np.abs(array - theirs).max() <= tolerance * max(1.0, np.abs(theirs).max())


def operations():
    """Public functions of F, and the methods of Tensor that apply an operation themselves."""
    for name, function in inspect.getmembers(F, inspect.isfunction):
        if function.__module__ == F.__name__ and not name.startswith("_"):
            yield name
    for name, method in inspect.getmembers(Tensor, inspect.isfunction):
        if "apply" in method.__code__.co_names:
            yield f"Tensor.{name}"


def test_no_operation_is_without_a_case():
    """Catches an operation that was added to the library and never compared."""
    missing = set(operations()) - {case.name.partition("/")[0] for case in CASES}
    assert not missing, f"add these to tests/oracle/torch_cases.py: {sorted(missing)}"


def test_the_stored_values_belong_to_the_cases():
    """Catches cases that were renamed, reshaped, added or removed without storing new values."""
    assert {key.rpartition(":")[0] for key in STORED} == {case.name for case in CASES}
    for case in CASES:
        assert [x.shape for x in stored(case, "x")] == case.shapes, case.name
