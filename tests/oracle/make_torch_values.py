"""Store what PyTorch computes for every case of torch_cases.py, in torch_values.npz.

Run it with a Python that has NumPy and PyTorch, whenever torch_cases.py changes:
    python tests/oracle/make_torch_values.py
Everything is float64. For each case: inputs x0, x1, ..., result y, a random gradient dy of y, and
the gradient dx0, dx1, ... of each input.
"""

from pathlib import Path

import numpy as np
import torch
from torch_cases import CASES, Case

TORCH_VALUES = Path(__file__).with_name("torch_values.npz")


def torch_values(case: Case) -> dict[str, np.ndarray]:
    rng = case.rng()
    inputs = [rng.normal(size=shape) for shape in case.shapes]
    if case.positive:
        inputs = [np.abs(x) + 0.3 for x in inputs]
    tensors = [torch.tensor(x, requires_grad=True) for x in inputs]
    y = case.theirs(torch, *tensors)
    dy = rng.normal(size=tuple(y.shape))
    y.backward(torch.tensor(dy))
    values = {"y": y.detach().numpy(), "dy": dy}
    for i, (x, tensor) in enumerate(zip(inputs, tensors, strict=True)):
        values |= {f"x{i}": x, f"dx{i}": tensor.grad.numpy()}
    return values


if __name__ == "__main__":
    stored = {f"{c.name}:{key}": v for c in CASES for key, v in torch_values(c).items()}
    np.savez_compressed(TORCH_VALUES, **stored)
    size = TORCH_VALUES.stat().st_size
    print(f"{len(CASES)} cases of PyTorch {torch.__version__} in {TORCH_VALUES.name}, {size} bytes")
