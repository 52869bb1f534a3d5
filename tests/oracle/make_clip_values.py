"""Store what PyTorch computes for the tiny CLIPs of clip_cases.py, in clip_values.npz.

Run it with a Python that has NumPy and PyTorch, whenever clip_cases.py changes:
    python tests/oracle/make_clip_values.py
Attention, blocks, norms, convolutions and losses are PyTorch's own. Everything is computed in
float64 from float32 weights. For each case: images, logits, the loss with one positive a row and
with several, and every parameter with its gradient of the sum of both (rounded to float32), under
our names.
"""

from pathlib import Path

import numpy as np
import torch
from clip_cases import CASES, EMBED_WIDTH, IDS, POSITIVES
from torch import nn
from torch.nn import functional as F

CLIP_VALUES = Path(__file__).with_name("clip_values.npz")
ACTIVATIONS = {
    "gelu_tanh": lambda x: F.gelu(x, approximate="tanh"),
    "gelu_erf": F.gelu,
    "quick_gelu": lambda x: x * torch.sigmoid(1.702 * x),
}
# PyTorch's names of a block's parts, and ours.
RENAMED = {
    "blocks.": "transformer.blocks.",
    "self_attn": "attention",
    "out_proj": "out",
    "linear1": "mlp.up",
    "linear2": "mlp.down",
}


def make_blocks(config: dict) -> nn.ModuleList:
    return nn.ModuleList(
        nn.TransformerEncoderLayer(
            config["width"],
            config["heads"],
            config["mlp_width"],
            dropout=0.0,
            activation=ACTIVATIONS[config["activation"]],
            layer_norm_eps=config.get("eps", 1e-5),
            batch_first=True,
            norm_first=True,
        )
        for _ in range(config["depth"])
    )


class PatchEmbed(nn.Module):
    """One convolution of kernel and stride P."""

    def __init__(self, P: int, D: int, bias: bool) -> None:
        super().__init__()
        self.projection = nn.Conv2d(3, D, P, P, bias=bias)

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        return self.projection(images).flatten(2).transpose(1, 2)  # (B, N, D)


class ConvStem(nn.Module):
    """Patches of 4 by two halvings, then a convolution of kernel 1."""

    def __init__(self, D: int) -> None:
        super().__init__()
        self.convs = nn.ModuleList(nn.Conv2d(C, 16, 3, 2, 1) for C in (3, 16))
        self.norms = nn.ModuleList(nn.GroupNorm(4, 16) for _ in range(2))
        self.projection = nn.Conv2d(16, D, 1)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        for conv, norm in zip(self.convs, self.norms, strict=True):
            x = norm(conv(x)).relu()
        return self.projection(x).flatten(2).transpose(1, 2)  # (B, N, D)


class MAPHead(nn.Module):
    """h = attention(probe, tokens); h + mlp(norm(h)), as in SigLIP."""

    def __init__(self, config: dict) -> None:
        super().__init__()
        D, hidden = config["width"], config["mlp_width"]
        self.probe = nn.Parameter(torch.empty(1, 1, D))
        self.attention = nn.MultiheadAttention(D, config["heads"], batch_first=True)
        self.norm = nn.LayerNorm(D, config.get("eps", 1e-5))
        self.linear1, self.linear2 = nn.Linear(D, hidden), nn.Linear(hidden, D)
        self.activation = ACTIVATIONS[config["activation"]]

    def forward(self, tokens: torch.Tensor) -> torch.Tensor:
        h, _ = self.attention(self.probe.expand(len(tokens), -1, -1), tokens, tokens)
        h = h + self.linear2(self.activation(self.linear1(self.norm(h))))
        return h[:, 0]  # (B, D)


class Vision(nn.Module):
    def __init__(self, config: dict) -> None:
        super().__init__()
        D, P, eps = config["width"], config["patch_size"], config.get("eps", 1e-5)
        conv = config["stem"] == "conv"
        self.patch_embed = ConvStem(D) if conv else PatchEmbed(P, D, config.get("patch_bias", True))
        has_class = config["pool"] == "class"
        self.class_token = nn.Parameter(torch.empty(D)) if has_class else None
        N = (config["image_size"] // P) ** 2
        self.position = nn.Parameter(torch.empty(N + has_class, D))
        self.norm_before = nn.LayerNorm(D, eps) if config.get("norm_before") else nn.Identity()
        self.blocks = make_blocks(config)
        self.norm = nn.LayerNorm(D, eps)
        self.map_head = MAPHead(config) if config["pool"] == "map" else None

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        x = self.patch_embed(images)
        if self.class_token is not None:
            x = torch.cat([self.class_token.expand(len(x), 1, -1), x], 1)
        x = self.norm_before(x + self.position)
        for block in self.blocks:
            x = block(x)
        if self.class_token is not None:
            return self.norm(x[:, 0])  # (B, D): OpenAI norms the class token alone
        x = self.norm(x)
        return x.amax(1) if self.map_head is None else self.map_head(x)  # (B, D)


class Text(nn.Module):
    def __init__(self, config: dict) -> None:
        super().__init__()
        self.eos_id = config["eos_id"]
        self.token_embedding = nn.Embedding(config["vocab_size"], config["width"])
        self.position = nn.Parameter(torch.empty(config["length"], config["width"]))
        self.blocks = make_blocks(config)
        self.norm = nn.LayerNorm(config["width"], config.get("eps", 1e-5))

    def forward(self, ids: torch.Tensor) -> torch.Tensor:
        T = ids.shape[1]
        x = self.token_embedding(ids) + self.position[:T]
        causal = nn.Transformer.generate_square_subsequent_mask(T, dtype=x.dtype)
        for block in self.blocks:
            x = block(x, src_mask=causal, is_causal=True)
        end = (ids == self.eos_id).int().argmax(1)  # the first
        return self.norm(x[torch.arange(len(ids)), end])  # (B, D)


class CLIP(nn.Module):
    def __init__(self, config: dict) -> None:
        super().__init__()
        self.vision, self.text = Vision(config["vision"]), Text(config["text"])
        self.image_projection = nn.Linear(config["vision"]["width"], EMBED_WIDTH, bias=False)
        self.text_projection = nn.Linear(config["text"]["width"], EMBED_WIDTH, bias=False)
        self.logit_scale = nn.Parameter(torch.empty(()))

    def forward(self, images: torch.Tensor, ids: torch.Tensor) -> torch.Tensor:
        x = F.normalize(self.image_projection(self.vision(images)), dim=-1)
        y = F.normalize(self.text_projection(self.text(ids)), dim=-1)
        return self.logit_scale.exp() * x @ y.T


def clip_loss(logits: torch.Tensor, positives: torch.Tensor | None = None) -> torch.Tensor:
    if positives is None:
        pairs = torch.arange(len(logits))
        return (F.cross_entropy(logits, pairs) + F.cross_entropy(logits.T, pairs)) / 2
    rows = positives.double() / positives.sum(1, keepdim=True)
    columns = positives.T.double() / positives.T.sum(1, keepdim=True)
    return (F.cross_entropy(logits, rows) + F.cross_entropy(logits.T, columns)) / 2


def randomize(model: nn.Module, rng: np.random.Generator) -> None:
    """Float32 values for every parameter, none of them 0 or 1, so that all of them matter."""
    for name, parameter in model.named_parameters():
        is_gain = "norm" in name and name.endswith("weight")
        values = rng.normal(1.0 if is_gain else 0.0, 0.3, parameter.shape)
        parameter.data = torch.tensor(values.astype(np.float32)).double()
    model.logit_scale.data.fill_(np.float32(np.log(1 / 0.07)).item())


def in_our_layout(model: nn.Module, value) -> dict[str, torch.Tensor]:
    """value(parameter) for every parameter, under the names and in the layout of tinyvlm."""
    ours: dict[str, torch.Tensor] = {}
    for path, module in model.named_modules():
        start = f"{path}." if path else ""
        own = {name: value(p) for name, p in module.named_parameters(recurse=False)}
        if isinstance(module, nn.MultiheadAttention):
            weights, biases = own["in_proj_weight"].chunk(3), own["in_proj_bias"].chunk(3)
            own = {}
            for part, w, b in zip("qkv", weights, biases, strict=True):
                own |= {f"{part}.weight": w.T, f"{part}.bias": b}
        elif isinstance(module, nn.Linear):
            own["weight"] = own["weight"].T  # (in, out)
        elif path.endswith("projection"):  # a convolution that we hold as a matrix
            own["weight"] = own["weight"].flatten(1).T
        elif isinstance(module, nn.LayerNorm | nn.GroupNorm):
            own["gain"] = own.pop("weight")
        ours |= {start + name: v for name, v in own.items()}
    for theirs, mine in RENAMED.items():
        ours = {name.replace(theirs, mine): v for name, v in ours.items()}
    return ours


def clip_values(config: dict, seed: int) -> dict[str, np.ndarray]:
    rng = np.random.default_rng(seed)
    model = CLIP(config).double()
    randomize(model, rng)
    size = config["vision"]["image_size"]
    images = rng.normal(size=(len(IDS), 3, size, size)).astype(np.float32)
    logits = model(torch.tensor(images).double(), torch.tensor(IDS))
    losses = clip_loss(logits), clip_loss(logits, torch.tensor(POSITIVES))
    sum(losses).backward()
    values = {"images": images, "logits": logits.detach().numpy()}
    values["losses"] = np.array([loss.item() for loss in losses])
    weights = in_our_layout(model, lambda p: p.detach().float())
    gradients = in_our_layout(model, lambda p: p.grad.float())
    values |= {f"weight:{name}": v.numpy() for name, v in weights.items()}
    return values | {f"gradient:{name}": v.numpy() for name, v in gradients.items()}


if __name__ == "__main__":
    stored = {
        f"{name}:{key}": np.array(v, order="C")
        for seed, (name, config) in enumerate(CASES.items())
        for key, v in clip_values(config, seed).items()
    }
    np.savez_compressed(CLIP_VALUES, **stored)
    size = CLIP_VALUES.stat().st_size
    print(f"{len(CASES)} cases of PyTorch {torch.__version__} in {CLIP_VALUES.name}, {size} bytes")
