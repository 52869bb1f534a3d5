"""Store where PyTorch's optimizers lead, step by step, in torch_optimizer_values.npz.

Run it with a Python that has NumPy and PyTorch, whenever CASES changes:
    python tests/oracle/make_torch_optimizer_values.py
Everything is float64. A case has three parameters: two that decay, and one in a group that does
not and whose learning rate is half. Stored are their start `p0`.., the gradients `g0`.. of every
step (steps, ...), the values after every step `y0`.. (steps, ...), and the settings as JSON.
"""

import json
from pathlib import Path

import numpy as np
import torch

VALUES = Path(__file__).with_name("torch_optimizer_values.npz")
STEPS = 12
SHAPES = [(3, 4), (5,), ()]
MATRICES = [(3, 4), (6, 2), (3, 3)]
CASES = {
    "adamw": {"lr": 0.02, "betas": [0.9, 0.98], "eps": 1e-8, "weight_decay": 0.1},
    "adamw/large_eps": {"lr": 0.1, "betas": [0.8, 0.95], "eps": 0.05, "weight_decay": 0.3},
    "adamw/no_decay": {"lr": 0.02, "betas": [0.9, 0.999], "eps": 1e-8, "weight_decay": 0.0},
    "sgd": {"lr": 0.1, "weight_decay": 0.0},
    "sgd/momentum": {"lr": 0.1, "momentum": 0.9, "weight_decay": 0.0},
    "sgd/momentum_decay": {"lr": 0.1, "momentum": 0.7, "weight_decay": 0.2},
}


def torch_values(name: str, settings: dict) -> dict[str, np.ndarray]:
    rng = np.random.default_rng(len(name))
    parameters = [torch.tensor(rng.normal(size=shape), requires_grad=True) for shape in SHAPES]
    gradients = [rng.normal(size=(STEPS, *shape)) for shape in SHAPES]
    lr, weight_decay = settings["lr"], settings["weight_decay"]
    groups = [
        {"params": parameters[:2], "lr": lr, "weight_decay": weight_decay},
        {"params": parameters[2:], "lr": lr / 2, "weight_decay": 0.0},
    ]
    if name.startswith("adamw"):
        optimizer = torch.optim.AdamW(groups, betas=settings["betas"], eps=settings["eps"])
    else:
        optimizer = torch.optim.SGD(groups, momentum=settings.get("momentum", 0.0))
    values = {f"p{i}": p.detach().numpy().copy() for i, p in enumerate(parameters)}
    after: list[list[np.ndarray]] = [[] for _ in parameters]
    for step in range(STEPS):
        for i, p in enumerate(parameters):
            p.grad = torch.tensor(gradients[i][step])
        optimizer.step()
        for i, p in enumerate(parameters):
            after[i].append(p.detach().numpy().copy())
    for i in range(len(parameters)):
        values |= {f"g{i}": gradients[i], f"y{i}": np.stack(after[i])}
    return values | {"settings": np.array(json.dumps(settings))}


def muon() -> dict[str, np.ndarray]:
    """torch.optim.Muon with the scale of AdamW, on a wide, a tall and a square matrix.

    It orthogonalises in bfloat16; here in float64, so that the values are exact.
    """
    torch.Tensor.bfloat16 = torch.Tensor.double
    rng = np.random.default_rng(7)
    parameters = [torch.tensor(rng.normal(size=s), requires_grad=True) for s in MATRICES]
    gradients = [rng.normal(size=(STEPS, *shape)) for shape in MATRICES]
    values = {f"p{i}": p.detach().numpy().copy() for i, p in enumerate(parameters)}
    optimizer = torch.optim.Muon(
        parameters, lr=0.02, weight_decay=0.1, adjust_lr_fn="match_rms_adamw"
    )
    after: list[list[np.ndarray]] = [[] for _ in parameters]
    for step in range(STEPS):
        for i, p in enumerate(parameters):
            p.grad = torch.tensor(gradients[i][step])
        optimizer.step()
        for i, p in enumerate(parameters):
            after[i].append(p.detach().numpy().copy())
    for i in range(len(parameters)):
        values |= {f"g{i}": gradients[i], f"y{i}": np.stack(after[i])}
    return values


def clipped() -> dict[str, np.ndarray]:
    """Gradients before and after torch.nn.utils.clip_grad_norm_ to 0.7, and their joint length."""
    rng = np.random.default_rng(5)
    parameters = [torch.zeros(shape, dtype=torch.float64, requires_grad=True) for shape in SHAPES]
    values = {}
    for i, p in enumerate(parameters):
        p.grad = torch.tensor(rng.normal(size=SHAPES[i]))
        values[f"g{i}"] = p.grad.numpy().copy()
    values["norm"] = torch.nn.utils.clip_grad_norm_(parameters, 0.7).numpy()
    return values | {f"y{i}": p.grad.numpy() for i, p in enumerate(parameters)}


if __name__ == "__main__":
    stored = {
        f"{name}:{key}": value
        for name, settings in CASES.items()
        for key, value in torch_values(name, settings).items()
    }
    stored |= {f"clip:{key}": value for key, value in clipped().items()}
    stored |= {f"muon:{key}": value for key, value in muon().items()}
    np.savez_compressed(VALUES, **stored)
    size = VALUES.stat().st_size
    print(f"{len(CASES)} cases of PyTorch {torch.__version__} in {VALUES.name}, {size} bytes")
