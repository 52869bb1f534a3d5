"""One training step of a small CLIP: forward, contrastive loss, backward, AdamW (layer 8).

The image tower is 4 blocks of width 128 with 4 heads on the 64 patches of a 64 x 64 picture, the
text tower the same on 16 causal tokens. Gradients are not clipped and the rate does not change.
"""

from __future__ import annotations

import numpy as np

from tinyvlm import checkpoint, optim
from tinyvlm.bench.case import Arrays, Case, Step
from tinyvlm.blocks.text import TextConfig
from tinyvlm.blocks.vit import ViTConfig
from tinyvlm.models.clip import CLIP, CLIPConfig, clip_loss
from tinyvlm.parallel import in_shards
from tinyvlm.tensor import Tensor

CONFIG = CLIPConfig(
    vision=ViTConfig(
        image_size=64,
        patch_size=8,
        width=128,
        depth=4,
        heads=4,
        mlp_width=512,
        stem="patch",
        pool="max",
    ),
    text=TextConfig(
        vocab_size=512,
        eos_id=511,
        length=16,
        width=128,
        depth=4,
        heads=4,
        mlp_width=512,
    ),
    embed_width=128,
)
LR = 1e-3
WEIGHT_DECAY = 0.01
BETAS = (0.9, 0.98)
EPS = 1e-8


class ClipStep(Case):
    """The step on a batch of B pictures and B texts."""

    def __init__(self, B: int) -> None:
        self.B = B
        self.name = f"clip-step-{B}"

    def arrays(self) -> dict[str, np.ndarray]:
        rng = np.random.default_rng(0)
        model = CLIP(CONFIG, rng)
        arrays = {f"model.{name}": array for name, array in model.state_dict().items()}
        size, T = CONFIG.vision.image_size, CONFIG.text.length
        arrays["images"] = rng.standard_normal((self.B, 3, size, size), dtype=np.float32)
        arrays["ids"] = rng.integers(0, CONFIG.text.eos_id, (self.B, T))
        arrays["ids"][:, -1] = CONFIG.text.eos_id  # every text fills all T tokens
        return arrays

    def ours(self, arrays: Arrays, threads: int) -> Step:
        model = CLIP(CONFIG, np.random.default_rng(0))
        model.load_state_dict(checkpoint.select(arrays, "model"))
        groups = optim.decay_groups(model, WEIGHT_DECAY)
        optimizer = optim.AdamW(groups, LR, BETAS, EPS)

        def step() -> float:
            optimizer.zero_grad()
            x = in_shards(
                lambda images: model.encode_image(Tensor(images)), arrays["images"], threads
            )
            y = in_shards(model.encode_text, arrays["ids"], threads)
            loss = clip_loss(model.logits(x, y))
            loss.backward()
            optimizer.step()
            return loss.item()

        return step

    def torch(self, arrays: Arrays) -> Step:
        import torch

        from tinyvlm.bench import torch_twin

        model = torch_twin.CLIP(CONFIG)
        model.load_state_dict(torch_twin.weights(checkpoint.select(arrays, "model")))
        groups = torch_twin.decay_groups(model, WEIGHT_DECAY)
        optimizer = torch.optim.AdamW(groups, LR, BETAS, EPS, fused=True)
        images, ids = torch.tensor(arrays["images"]), torch.tensor(arrays["ids"])

        def step() -> float:
            optimizer.zero_grad()
            loss = model(images, ids)
            loss.backward()
            optimizer.step()
            return loss.item()

        return step
