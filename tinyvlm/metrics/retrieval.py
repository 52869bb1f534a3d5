"""Retrieval: where the first right answer stands in a ranking (layer 4).

A query may have several right answers; the best placed one counts. Ties count against us: a right
answer stands behind every wrong one with the same score, so a model that gives everything one
score gets no credit.
"""

from __future__ import annotations

import numpy as np


def ranks(scores: np.ndarray, right: np.ndarray) -> np.ndarray:
    """scores (queries, items), right (queries, items) bool -> (queries,) int, 1 is first.

    Raises ValueError when a query has no right item, or a score is not a number.
    """
    if scores.shape != right.shape:
        raise ValueError(f"ranks: scores {scores.shape} and right {right.shape} differ")
    if np.isnan(scores).any():
        raise ValueError("ranks: a score is not a number, so nothing can be ranked")
    if not right.any(axis=1).all():
        raise ValueError(f"ranks: query {int(np.argmin(right.any(axis=1)))} has no right item")
    best = np.where(right, scores, -np.inf).max(axis=1, keepdims=True)  # (queries, 1)
    ahead = (scores >= best) & ~right
    return 1 + ahead.sum(axis=1)


def recall_at(k: int, scores: np.ndarray, right: np.ndarray) -> float:
    """R@k: the share of queries with a right item among the first k."""
    return float(np.mean(ranks(scores, right) <= k))


def median_rank(scores: np.ndarray, right: np.ndarray) -> float:
    """The median over queries of the rank of the first right item."""
    return float(np.median(ranks(scores, right)))
