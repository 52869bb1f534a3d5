"""A batch in shards, each with a thread of its own, forward and backward (layer 4).

Threads inside one small matrix product mostly wait for each other. Here a thread owns a whole shard
of the batch instead: it runs the model forward on it, keeps that graph, and later walks the same
graph back, with BLAS at one thread. NumPy releases Python's lock inside its loops, so two threads
keep two cores busy. The contrastive losses still see the whole batch: only the towers are sharded.

    x = in_shards(model.encode_image, images, threads)     # (B, E), a Tensor like any other
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from contextvars import copy_context
from functools import cache, partial

import numpy as np
import threadpoolctl

from tinyvlm.backend import Array
from tinyvlm.graph import LeafGradients, add_to_leaves
from tinyvlm.ops.function import Function
from tinyvlm.tensor import Tensor


def default_threads() -> int:
    """The processors this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


@contextmanager
def blas_threads(count: int) -> Iterator[None]:
    """BLAS with `count` threads inside, as before outside."""
    with threadpoolctl.threadpool_limits(count, user_api="blas"):
        yield


@cache
def pool(threads: int) -> ThreadPoolExecutor:
    return ThreadPoolExecutor(threads, thread_name_prefix="shard")


def run_all(jobs: list[Callable[[], object]]) -> list:
    """The jobs' results, in order: the first in this thread, each other in a thread of its own.

    Each job sees a copy of this thread's context, so `no_grad` reaches it.
    """
    rest = [pool(len(jobs)).submit(copy_context().run, job) for job in jobs[1:]]
    first = jobs[0]()
    return [first, *(future.result() for future in rest)]


def in_shards(f: Callable[[Array], Tensor], batch: Array, threads: int) -> Tensor:
    """f(batch) -> (B, ...), computed in `threads` shards of the first axis of batch (B, ...).

    f must treat the rows independently. With threads=1 this is f(batch). Gradients of the leaves
    are summed in the order of the shards, so a result is reproducible to the bit. They go to the
    leaves' `.grad`, also in a walk that was given `into`.
    Trap: shards that draw from one generator (dropout) draw in the order in which threads run.
    """
    threads = max(1, min(threads, len(batch)))
    if threads == 1:
        return f(batch)
    parts = np.array_split(batch, threads)
    outputs = run_all([partial(f, part) for part in parts])
    joined = Tensor(np.concatenate([output.data for output in outputs]))
    if any(output.requires_grad for output in outputs):
        joined.function = Shards(outputs)
        joined.requires_grad = True
    return joined


class Shards(Function):
    """The node that joins the shards: its backward walks their graphs, each in its own thread."""

    needs = ()  # it has no inputs in this graph

    def __init__(self, outputs: list[Tensor]) -> None:
        self.outputs = outputs

    def forward(self, *arrays: Array) -> Array:
        return np.concatenate(arrays)

    def backward(self, dy: Array) -> tuple[()]:
        """The leaves are reached here, not through `inputs`: there is nothing to hand on."""
        ends = np.cumsum([len(output) for output in self.outputs])[:-1]
        buffers: list[LeafGradients] = [{} for _ in self.outputs]
        walks = zip(self.outputs, np.split(dy, ends), buffers, strict=True)
        run_all([partial(output.backward, part, into) for output, part, into in walks])
        for buffer in buffers:
            add_to_leaves(buffer)
        return ()
