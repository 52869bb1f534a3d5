"""The walk back: from a loss to the leaves, each gradient complete before it is used (layer 2).

The graph is made of Functions, linked by `inputs`, and ends in leaves: whatever is no Function and
has a `grad`, which are the Tensors that nobody computed.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from tinyvlm.backend import Array
from tinyvlm.ops.function import Function

Leaf = Any  # a Tensor; its class stands above this file
Node = Function | Leaf
LeafGradients = dict[int, tuple[Leaf, Array]]  # id(leaf) -> (leaf, gradient)


def walk_back(root: Node, dy: Array, into: LeafGradients | None) -> None:
    """Send dy, the gradient of what root made, to every leaf below; the graph is freed on the way.

    into: where leaves accumulate; None means their `.grad`.
    """
    # An entry of `gradients` is [array, fresh]; fresh: nobody else can see the memory.
    gradients: dict[int, tuple[Array, bool]] = {id(root): (dy, False)}
    order = topological_order(root)
    while order:
        node = order.pop()  # dropped from here on: its memory returns while we walk
        dy, fresh = gradients.pop(id(node))
        if not isinstance(node, Function):
            accumulate_leaf(node, dy, fresh, into)
            continue
        inputs, needs = node.inputs, node.needs
        result = node.backward(dy)
        node.release()
        if not isinstance(result, tuple):
            result = (result,)
        for source, needed, gradient in zip(inputs, needs, result, strict=True):
            if needed and gradient is not None:
                if isinstance(gradient, np.generic):  # NumPy turns 0-d results into scalars
                    gradient = np.asarray(gradient)
                new = (gradient, is_fresh(gradient, dy))
                old = gradients.get(id(source))
                gradients[id(source)] = new if old is None else add(old, new)


def topological_order(root: Node) -> list[Node]:
    """Every node that root depends on and that wants a gradient, inputs before their users.

    Popping from the end, a node's turn comes when all who used it have had theirs, so its
    gradient is complete. The walk keeps its own stack: recursion would end at 1,000 nodes.
    """
    order: list[Node] = []
    seen: set[int] = set()
    stack: list[tuple[Node, bool]] = [(root, False)]
    while stack:
        node, inputs_done = stack.pop()
        if inputs_done:
            order.append(node)
        elif id(node) not in seen:
            seen.add(id(node))
            stack.append((node, True))
            if not isinstance(node, Function):
                continue  # a leaf
            if node.freed:
                raise RuntimeError(
                    "backward: this part of the graph was walked before, and a walk frees what it "
                    "used. Add the losses and call backward once, or compute the loss again"
                )
            for source, needed in zip(node.inputs, node.needs, strict=True):
                if needed:
                    stack.append((source, False))
    return order


def is_fresh(gradient: Array, dy: Array) -> bool:
    """True when gradient is new memory, not dy or a view of it: then it may be added into."""
    return gradient is not dy and not np.may_share_memory(gradient, dy)


def add(old: tuple[Array, bool], new: tuple[Array, bool]) -> tuple[Array, bool]:
    """The sum of two gradients, in the memory of a fresh one if there is one."""
    for (a, fresh), (b, _) in ((old, new), (new, old)):
        if fresh:
            a += b
            return a, True
    return np.asarray(old[0] + new[0]), True  # the sum of two 0-d arrays is a scalar


def accumulate_leaf(leaf: Leaf, dy: Array, fresh: bool, into: LeafGradients | None) -> None:
    """Take the first gradient over (a copy if others can see it), add later ones in place."""
    old = leaf.grad if into is None else into.get(id(leaf), (leaf, None))[1]
    if old is not None:
        old += dy
        return
    dy = dy if fresh and dy.flags.c_contiguous else np.array(dy, order="C")
    if into is None:
        leaf.grad = dy
    else:
        into[id(leaf)] = (leaf, dy)


def add_to_leaves(gradients: LeafGradients) -> None:
    """Add gradients that were collected with backward(into=...) to their leaves' `.grad`."""
    for leaf, dy in gradients.values():
        accumulate_leaf(leaf, dy, True, None)
