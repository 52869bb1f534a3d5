"""generate: a decoder writes on, token by token (layer 7).

Greedy decoding takes the most probable token. Sampling draws from the distribution, made sharper or
flatter by a temperature and cut to the k most probable tokens (top-k) or to the fewest that hold
the probability p (nucleus, Holtzman et al. 2019, arXiv 1904.09751). The prefix is read once, as a
whole; then each step reads one token a row and looks at the stored keys of all before it.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from tinyvlm.backend import Array, to_device
from tinyvlm.blocks.gemma import Gemma, count_positions
from tinyvlm.blocks.gemma_step import read_token
from tinyvlm.blocks.kv_cache import KVCache
from tinyvlm.errors import InputError
from tinyvlm.nn import functional as F
from tinyvlm.nn.masks import HIDDEN, Mask
from tinyvlm.ops.softmax import softmax
from tinyvlm.tensor import Tensor, no_grad


@dataclass(frozen=True)
class Sampling:
    """How a token is drawn. First the temperature, then top_k, then top_p."""

    temperature: float = 1.0  # below 1 sharper, above 1 flatter
    top_k: int | None = None  # only the k most probable tokens; None: all
    top_p: float = 1.0  # only the fewest tokens that hold this much probability

    def __post_init__(self) -> None:
        if not self.temperature > 0:
            raise InputError(f"temperature is {self.temperature}: give more than 0, or go greedy")
        if self.top_k is not None and self.top_k < 1:
            raise InputError(f"top_k is {self.top_k}: give 1 or more")
        if not 0 < self.top_p <= 1:
            raise InputError(f"top_p is {self.top_p}: give more than 0 and at most 1")


@dataclass(frozen=True)
class Generated:
    """The new tokens of each row, up to its end-of-text; after that padding with score 1."""

    ids: np.ndarray  # (B, T) int32, T at most max_tokens
    scores: np.ndarray  # (B, T) float32, the probability the model gave each token
    finished: np.ndarray  # (B,) bool, False where max_tokens came before the end of text

    @property
    def probability(self) -> np.ndarray:
        """Of each whole text, its end included: the product of the scores, (B,)."""
        return self.scores.prod(axis=1)


@no_grad()
def generate(
    model: Gemma,
    prefix: Tensor,
    present: Array,
    *,
    eos_id: int,
    pad_id: int = 0,
    max_tokens: int = 32,
    sampling: Sampling | None = None,
    rng: np.random.Generator | None = None,
    use_cache: bool = True,
    first: Array | None = None,
    causal: bool = False,
) -> Generated:
    """Write on after `prefix` (B, S, D) until every row has said eos_id, at most max_tokens.

    present (B, S) bool is False for padding, which may be on either side. sampling None is greedy:
    the same text every time; else rng draws one number a row and step. A score is the model's own
    probability of the token, before temperature, top_k and top_p. use_cache=False reads everything
    again at every step: the same tokens, slower, to compare with. first (B,): tokens to begin with,
    in place of chosen ones; each is scored like any other. The prefix reads itself as a whole
    (prefix-LM); with causal=True each of its tokens sees only what came before.
    Raises InputError for max_tokens below 1, a row with nothing to read, or sampling without rng.
    """
    if max_tokens < 1:
        raise InputError(f"max_tokens is {max_tokens}: give 1 or more")
    if sampling is not None and rng is None:
        raise InputError("sampling needs rng, a numpy.random.Generator")
    if not present.any(axis=1).all():
        raise InputError("a row of the prefix is all padding: give each at least one token")
    reader = Reader(model, prefix, present, causal)
    if use_cache:
        reader = CachedReader(model, prefix, present, max_tokens, causal)
    B = len(present)
    ids = np.full((B, max_tokens), pad_id, np.int32)  # (B, max_tokens)
    scores = np.ones((B, max_tokens), np.float32)  # (B, max_tokens)
    going = np.ones(B, bool)  # (B,)
    logits = reader.read_prefix()  # (B, V)
    for t in range(max_tokens):
        token = first if t == 0 and first is not None else choose(logits, sampling, rng)  # (B,)
        p = softmax(logits)  # (B, V)
        ids[going, t] = token[going]
        scores[going, t] = p[going, token[going]]
        going &= token != eos_id
        if not going.any() or t + 1 == max_tokens:
            break
        logits = reader.read(ids[:, : t + 1])  # (B, V)
    return Generated(ids[:, : t + 1], scores[:, : t + 1], ~going)


def choose(
    logits: np.ndarray, sampling: Sampling | None, rng: np.random.Generator | None
) -> np.ndarray:
    """logits (B, V) -> one token a row (B,). sampling None: the most probable one."""
    if sampling is None or rng is None:
        return logits.argmax(axis=1)
    order = np.argsort(-logits, axis=1, kind="stable")  # (B, V), most probable first
    in_order = np.take_along_axis(logits, order, axis=1).astype(np.float64)  # (B, V)
    with np.errstate(over="ignore"):  # a temperature near 0: all but the first get e^-inf = 0
        weights = np.exp((in_order - in_order[:, :1]) / sampling.temperature)  # (B, V)
    if sampling.top_k is not None:
        weights[:, sampling.top_k :] = 0
    weights /= weights.sum(axis=1, keepdims=True)
    before = np.cumsum(weights, axis=1) - weights  # what more probable tokens hold together
    weights[before >= sampling.top_p] = 0  # the first token always stays
    reached = np.cumsum(weights, axis=1)  # (B, V)
    drawn = rng.random((len(logits), 1)) * reached[:, -1:]  # (B, 1)
    place = (reached <= drawn).sum(axis=1, keepdims=True)  # (B, 1)
    return np.take_along_axis(order, place, axis=1)[:, 0]  # (B,)


class Reader:
    """Reads everything from the start at every step: what the cache must agree with."""

    cache: list[KVCache] | None = None

    def __init__(self, model: Gemma, prefix: Tensor, present: Array, causal: bool = False) -> None:
        self.model = model
        self.prefix = prefix
        self.present = present
        self.causal = causal  # also within the prefix
        self.new_position = present.sum(axis=1)[:, None]  # (B, 1), of the first new token

    def read_prefix(self) -> np.ndarray:
        """Logits (B, V) of the first new token."""
        B, S = self.present.shape
        end = S - 1 - self.present[:, ::-1].argmax(axis=1)  # (B,), each row's last present token
        keep = S - int(end.min())
        mask = None
        if self.causal or not self.present.all():
            mask = Mask.from_marks(np.full((B, S), self.causal), self.present)
        positions = count_positions(self.present)
        x = self.model(self.prefix, mask, positions, self.cache, keep)  # (B, keep, D)
        x = x[np.arange(B), end - (S - keep)]  # (B, D)
        return self.model.logits(x).numpy()  # (B, V)

    def read(self, ids: np.ndarray) -> np.ndarray:
        """Logits (B, V) after the new tokens ids (B, T); all but the last were read before."""
        B, T = ids.shape
        x = F.concatenate([self.prefix, self.model.embed(ids)], axis=1)  # (B, S+T, D)
        is_new = np.arange(x.shape[1]) >= x.shape[1] - T
        present = np.pad(self.present, ((0, 0), (0, T)), constant_values=True)  # (B, S+T)
        marks = np.broadcast_to(is_new | self.causal, present.shape)
        mask = Mask.from_marks(marks, present)
        x = self.model(x, mask, count_positions(present), keep=1)  # (B, 1, D)
        return self.model.logits(x.reshape(B, -1)).numpy()  # (B, V)


class CachedReader(Reader):
    """Reads each token once; what was read is in the cache."""

    cache: list[KVCache]

    def __init__(
        self, model: Gemma, prefix: Tensor, present: Array, max_tokens: int, causal: bool = False
    ) -> None:
        super().__init__(model, prefix, present, causal)
        self.cache = model.new_cache(present.shape[1] + max_tokens)
        # A new token sees everything before it but the padding.
        rank = np.pad(np.where(present, 0, HIDDEN), ((0, 0), (0, max_tokens)))
        self.k_rank = None if present.all() else rank.astype(np.int32)  # (B, S+max_tokens)

    def read(self, ids: np.ndarray) -> np.ndarray:
        B, T = ids.shape
        mask = None
        if self.k_rank is not None:
            seen = self.present.shape[1] + T
            mask = Mask(np.zeros((B, 1), np.int32), self.k_rank[:, :seen])
        positions = self.new_position + (T - 1)  # (B, 1)
        logits = read_token(self.model, ids[:, -1], mask, positions, self.cache)  # (B, V)
        return to_device(logits, "cpu")
