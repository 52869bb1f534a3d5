"""Store what PyTorch computes for the tiny Gemmas of gemma_cases.py, in gemma_values.npz.

Run it with a Python that has NumPy and PyTorch, whenever gemma_cases.py changes:
    python tests/oracle/make_gemma_values.py
RMSNorm, attention, GELU and cross-entropy are PyTorch's own; RoPE is a product of complex numbers,
the mask and the positions are written cell by cell. Everything is computed in float64 from float32
weights. For each case: image tokens, logits, the loss of every example, and every parameter with
its gradient of the mean loss (rounded to float32), in our layout.
"""

from pathlib import Path

import numpy as np
import torch
from gemma_cases import CASES, FIRST_OF_SUFFIX, IDS, IMAGE_TOKENS
from torch import nn
from torch.nn import functional as F

GEMMA_VALUES = Path(__file__).with_name("gemma_values.npz")


class RMSNorm(nn.Module):
    def __init__(self, config: dict) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.empty(config["width"]))
        self.eps = config.get("eps", 1e-6)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return F.rms_norm(x, x.shape[-1:], 1 + self.weight, self.eps)


def turn(x: torch.Tensor, positions: torch.Tensor, theta: float) -> torch.Tensor:
    """RoPE on x (B, H, S, K): feature i and feature i + K/2 are one complex number."""
    K = x.shape[-1]
    pairs = torch.complex(x[..., : K // 2], x[..., K // 2 :])
    angles = positions[:, None, :, None] * theta ** (-2 * torch.arange(K // 2).double() / K)
    turned = pairs * torch.polar(torch.ones_like(angles), angles)
    return torch.cat([turned.real, turned.imag], dim=-1)


class Attention(nn.Module):
    def __init__(self, config: dict) -> None:
        super().__init__()
        self.config = config
        D, K = config["width"], config["head_width"]
        self.q = nn.Linear(D, config["heads"] * K, bias=False)
        self.k = nn.Linear(D, config["kv_heads"] * K, bias=False)
        self.v = nn.Linear(D, config["kv_heads"] * K, bias=False)
        self.out = nn.Linear(config["heads"] * K, D, bias=False)

    def forward(
        self, x: torch.Tensor, visible: torch.Tensor, positions: torch.Tensor
    ) -> torch.Tensor:
        B, S, _ = x.shape
        theta = self.config.get("theta", 10000.0)
        q, k, v = (
            part(x).view(B, S, -1, self.config["head_width"]).transpose(1, 2)
            for part in (self.q, self.k, self.v)
        )
        q, k = turn(q, positions, theta), turn(k, positions, theta)
        y = F.scaled_dot_product_attention(q, k, v, visible[:, None], enable_gqa=True)
        return self.out(y.transpose(1, 2).reshape(B, S, -1))


class MLP(nn.Module):
    def __init__(self, config: dict) -> None:
        super().__init__()
        D, hidden = config["width"], config["mlp_width"]
        self.gate, self.up = (nn.Linear(D, hidden, bias=False) for _ in range(2))
        self.down = nn.Linear(hidden, D, bias=False)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.down(F.gelu(self.gate(x), approximate="tanh") * self.up(x))


class Block(nn.Module):
    def __init__(self, config: dict) -> None:
        super().__init__()
        self.norm1, self.norm2 = RMSNorm(config), RMSNorm(config)
        self.attention, self.mlp = Attention(config), MLP(config)

    def forward(
        self, x: torch.Tensor, visible: torch.Tensor, positions: torch.Tensor
    ) -> torch.Tensor:
        x = x + self.attention(self.norm1(x), visible, positions)
        return x + self.mlp(self.norm2(x))


class Gemma(nn.Module):
    def __init__(self, config: dict) -> None:
        super().__init__()
        self.token_embedding = nn.Embedding(config["vocab_size"], config["width"])
        self.blocks = nn.ModuleList(Block(config) for _ in range(config["depth"]))
        self.norm = RMSNorm(config)

    def forward(self, image_tokens: torch.Tensor, ids: torch.Tensor) -> torch.Tensor:
        """(B, N, D), (B, T) -> logits (B, T, V)."""
        N = image_tokens.shape[1]
        words = self.token_embedding(ids) * image_tokens.shape[2] ** 0.5
        x = torch.cat([image_tokens, words], dim=1)
        visible, positions = who_sees_whom(N)
        for block in self.blocks:
            x = block(x, visible, positions)
        return self.norm(x)[:, N:] @ self.token_embedding.weight.T


def who_sees_whom(N: int) -> tuple[torch.Tensor, torch.Tensor]:
    """visible (B, S, S) and positions (B, S) of the image tokens and IDS, one cell at a time."""
    B, S = len(IDS), N + IDS.shape[1]
    visible, positions = torch.zeros(B, S, S, dtype=torch.bool), torch.zeros(B, S).double()
    for b in range(B):
        present = [True] * N + [bool(i != 0) for i in IDS[b]]
        suffix_starts = N + FIRST_OF_SUFFIX[b]
        for query in range(S):
            positions[b, query] = sum(present[:query])
            visible[b, query, query] = True  # padding too: else its row would be NaN
            for key in range(S):
                if present[query] and present[key]:
                    visible[b, query, key] = key < suffix_starts or key <= query
    return visible, positions


def losses_of(logits: torch.Tensor, ids: torch.Tensor) -> torch.Tensor:
    """Each example's mean cross-entropy over its answer and end-of-text, (B,)."""
    losses = []
    for row, words, start in zip(logits, ids, FIRST_OF_SUFFIX, strict=True):
        end = int(words.nonzero().max()) + 1
        losses.append(F.cross_entropy(row[start - 1 : end - 1], words[start:end]))
    return torch.stack(losses)


def in_our_layout(model: nn.Module, value) -> dict[str, np.ndarray]:
    """value(parameter) by our names; the weight of a linear layer is (in, out) here."""
    ours = {name: value(p).float().numpy() for name, p in model.named_parameters()}
    linear = {f"{n}.weight" for n, m in model.named_modules() if isinstance(m, nn.Linear)}
    return {name: v.T if name in linear else v for name, v in ours.items()}


def gemma_values(config: dict, seed: int) -> dict[str, np.ndarray]:
    rng = np.random.default_rng(seed)
    model = Gemma(config).double()
    for parameter in model.parameters():  # no w of a norm is 0, so that 1 + w matters
        values = rng.normal(0.0, 0.4, parameter.shape).astype(np.float32)
        parameter.data = torch.tensor(values).double()
    shape = (len(IDS), IMAGE_TOKENS, config["width"])
    image_tokens = rng.normal(size=shape).astype(np.float32)
    given = torch.tensor(image_tokens).double().requires_grad_()
    ids = torch.tensor(IDS)
    logits = model(given, ids)
    losses = losses_of(logits, ids)
    losses.mean().backward()
    values = {"image_tokens": image_tokens, "image_gradient": given.grad.float().numpy()}
    values |= {"logits": logits.detach().numpy(), "losses": losses.detach().numpy()}
    weights = in_our_layout(model, lambda p: p.detach())
    gradients = in_our_layout(model, lambda p: p.grad)
    values |= {f"weight:{name}": v for name, v in weights.items()}
    return values | {f"gradient:{name}": v for name, v in gradients.items()}


if __name__ == "__main__":
    stored = {
        f"{name}:{key}": np.array(v, order="C")
        for seed, (name, config) in enumerate(CASES.items())
        for key, v in gemma_values(config, seed).items()
    }
    np.savez_compressed(GEMMA_VALUES, **stored)
    size = GEMMA_VALUES.stat().st_size
    print(f"{len(CASES)} cases of PyTorch {torch.__version__} in {GEMMA_VALUES.name}, {size} bytes")
