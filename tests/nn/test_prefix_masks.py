"""Masks by perturbation: another token changes exactly the outputs that may look at it."""

from dataclasses import dataclass

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from tinyvlm.nn import functional as F
from tinyvlm.nn.masks import Mask
from tinyvlm.tensor import Tensor


@dataclass(frozen=True)
class Text:
    """Padding, prefix, suffix, padding: the number of tokens of each, and a seed."""

    left: int
    prefix: int
    suffix: int
    right: int
    seed: int

    @property
    def present(self):
        return np.repeat([False, True, False], [self.left, self.prefix + self.suffix, self.right])

    @property
    def is_suffix(self):
        return np.arange(self.present.size) >= self.left + self.prefix


few = st.integers(0, 3)
texts = st.builds(Text, few, few, few, few, st.integers(0, 99)).filter(lambda t: t.present.any())


def influence(mask, T, seed):
    """(T, T) bool: [t, s] says whether another key and value at s change the output at t.

    A batch of T + 1 rows: row s has another token at s, the last row is as it was.
    """
    rng = np.random.default_rng(seed)
    q, k, v = (np.repeat(rng.normal(size=(1, T, 2, 3)), T + 1, axis=0) for _ in range(3))
    for array in (k, v):
        array[range(T), range(T)] += rng.normal(size=(T, 2, 3))
    y = F.attention(Tensor(q), Tensor(k), Tensor(v), mask).data  # (T+1, T, H, K)
    return (y[:T] != y[T]).any(axis=(2, 3)).T


@settings(deadline=None, max_examples=30)
@given(st.integers(1, 8), st.integers(0, 99))
def test_causal_looks_back_only(T, seed):
    np.testing.assert_array_equal(influence(Mask.causal(T), T, seed), np.tri(T, dtype=bool))


@settings(deadline=None, max_examples=60)
@given(texts)
def test_full_sees_everything_but_padding(text):
    """Catches padding that weighs in, on either side, and present tokens that don't."""
    present = text.present
    seen = influence(Mask.full(present[None]), present.size, text.seed)
    np.testing.assert_array_equal(seen, present[:, None] & present)


@settings(deadline=None, max_examples=60)
@given(texts)
def test_a_suffix_token_changes_nothing_before_it(text):
    """... and everything of the suffix from itself on: the suffix is causal."""
    present, is_suffix = text.present, text.is_suffix & text.present
    mask = Mask.prefix_lm(text.is_suffix[None], present[None])
    seen = influence(mask, present.size, text.seed)
    for s in np.flatnonzero(is_suffix):
        np.testing.assert_array_equal(seen[:, s], present & (np.arange(present.size) >= s))


@settings(deadline=None, max_examples=60)
@given(texts)
def test_a_prefix_token_changes_every_output(text):
    """Catches a prefix that is causal: its first output must feel its last token."""
    present = text.present
    mask = Mask.prefix_lm(text.is_suffix[None], present[None])
    seen = influence(mask, present.size, text.seed)
    for s in np.flatnonzero(present & ~text.is_suffix):
        np.testing.assert_array_equal(seen[:, s], present)
    assert not seen[:, ~present].any()


@settings(deadline=None, max_examples=30)
@given(texts)
def test_padding_changes_no_output(text):
    """The present tokens' outputs are those they have alone, without any padding around them."""
    present, (left, right) = text.present, (text.left, text.right)
    rng = np.random.default_rng(text.seed)
    q, k, v = (Tensor(rng.normal(size=(1, present.size, 2, 3))) for _ in range(3))
    padded = F.attention(q, k, v, Mask.prefix_lm(text.is_suffix[None], present[None])).data
    inner = slice(left, present.size - right)
    alone = Mask.prefix_lm(text.is_suffix[None, inner])
    expected = F.attention(q[:, inner], k[:, inner], v[:, inner], alone).data
    np.testing.assert_allclose(padded[:, inner], expected, rtol=1e-12, atol=1e-12)
    assert (padded[:, ~present] == 0).all()
