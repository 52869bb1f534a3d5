"""The keys and values of the tokens a decoder has read, kept for the next one (layer 5).

Without it, token number S would cost a forward pass over S tokens. With it a step computes the new
token alone; its query looks at the stored keys. Keys are stored after RoPE, so they never change.
"""

from __future__ import annotations

from tinyvlm.backend import Array, array_module
from tinyvlm.tensor import Tensor


class KVCache:
    """One attention layer's keys and values, room for `capacity` tokens; used inside no_grad.

    Keys lie as (B, G, K, S) and values as (B, G, S, K): so each is one operand of the two matrix
    products of a step as it lies, and a step writes one column and one row.
    """

    def __init__(self, capacity: int) -> None:
        self.capacity = capacity
        self.length = 0  # S, the tokens stored so far
        self.k: Array = None  # made by the first extend, which knows the shape
        self.v: Array = None

    def extend(self, k: Tensor, v: Tensor) -> tuple[Tensor, Tensor]:
        """Store k, v (B, T, G, K) of T new tokens; all keys and values so far, (B, S, G, K) each.

        Raises ValueError when they don't fit, or when a gradient is recorded: it would end here.
        """
        if k.requires_grad or v.requires_grad:
            raise ValueError("KVCache: a cache has no gradient; generate inside no_grad()")
        keys, values = self.store(k.data, v.data)
        return Tensor(keys), Tensor(values)

    def store(self, k: Array, v: Array) -> tuple[Array, Array]:
        """The same on raw arrays."""
        B, T, G, K = k.shape
        if self.k is None:
            xp = array_module(k)
            self.k = xp.empty((B, G, K, self.capacity), k.dtype)  # (B, G, K, capacity)
            self.v = xp.empty((B, G, self.capacity, K), v.dtype)  # (B, G, capacity, K)
        start, S = self.length, self.length + T
        if self.capacity < S or self.k.shape[0] != B:
            raise ValueError(
                f"KVCache: {S} tokens of {B} texts don't fit in room for "
                f"{self.capacity} of {self.k.shape[0]}"
            )
        self.length = S
        self.k[..., start:S] = k.transpose(0, 2, 3, 1)
        self.v[:, :, start:S] = v.transpose(0, 2, 1, 3)
        keys = self.k[..., :S].transpose(0, 3, 1, 2)  # (B, S, G, K)
        values = self.v[:, :, :S].transpose(0, 2, 1, 3)  # (B, S, G, K)
        return keys, values
