"""Greedy decoding by a small Gemma: a prefix is read, then 32 tokens are written (layer 8).

The decoder is 4 blocks of width 128 with 4 query heads on one key head and 512 hidden units; it
reads 65 vectors a row, as of a 64 x 64 picture in patches of 8 and one token. Ours is
generate.generate, as the command line calls it, the probability of every token included.
"""

from __future__ import annotations

import zlib

import numpy as np
import threadpoolctl

from tinyvlm import checkpoint
from tinyvlm.bench.case import Arrays, Case, Step
from tinyvlm.blocks.gemma import Gemma, GemmaConfig
from tinyvlm.generate import generate
from tinyvlm.tensor import Tensor

CONFIG = GemmaConfig(
    vocab_size=512,
    width=128,
    depth=4,
    heads=4,
    kv_heads=1,
    head_width=32,
    mlp_width=512,
)
PREFIX = 65  # vectors that are read
TOKENS = 32  # that are written
NEVER = -1  # an end of text that no token is: every row writes all of them


class Generate(Case):
    """B rows at once."""

    gains_from_threads = False  # a token is too little work to share

    def __init__(self, B: int) -> None:
        self.B = B
        self.name = f"generate-{B}"

    def arrays(self) -> dict[str, np.ndarray]:
        rng = np.random.default_rng(0)
        model = Gemma(CONFIG, rng)
        # An untrained decoder repeats its last token, for the table it enters by is the one it is
        # compared with. Larger blocks and a random gain before the table end that.
        for block in model.blocks:
            for parameter in block.parameters():
                parameter.data *= 3
        model.norm.weight.data[...] = 3 * rng.standard_normal(CONFIG.width) - 1
        arrays = {f"model.{name}": array for name, array in model.state_dict().items()}
        shape = (self.B, PREFIX, CONFIG.width)
        arrays["prefix"] = rng.standard_normal(shape, dtype=np.float32)
        return arrays

    def ours(self, arrays: Arrays, threads: int) -> Step:
        """Here BLAS's threads share each product, of several rows: for one they are too small."""
        threadpoolctl.threadpool_limits(min(threads, self.B), user_api="blas")
        model = Gemma(CONFIG, np.random.default_rng(0))
        model.load_state_dict(checkpoint.select(arrays, "model"))
        prefix = Tensor(arrays["prefix"])
        present = np.ones((self.B, PREFIX), bool)

        def step() -> float:
            said = generate(model, prefix, present, eos_id=NEVER, max_tokens=TOKENS)
            return summary(said.ids, said.scores)

        return step

    def torch(self, arrays: Arrays) -> Step:
        import torch

        from tinyvlm.bench import torch_gemma

        model = torch_gemma.Gemma(CONFIG, PREFIX + TOKENS)
        model.load_state_dict(torch_gemma.weights(checkpoint.select(arrays, "model"), CONFIG))
        prefix = torch.tensor(arrays["prefix"])

        def step() -> float:
            ids, scores = model.generate(prefix, TOKENS)
            return summary(ids.numpy(), scores.numpy())

        return step


def summary(ids: np.ndarray, scores: np.ndarray) -> float:
    """ids and scores (B, T) -> one number, far off when a single token differs.

    The mean score, times a number in 1..2 made of the tokens' checksum.
    """
    checksum = zlib.crc32(ids.astype("<i4").tobytes())
    return (1 + checksum / 2**32) * float(scores.mean())
