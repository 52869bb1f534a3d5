"""Module: the tree read from attributes, switches, saving and loading."""

import numpy as np
import pytest

from tinyvlm.nn.layers import Dropout, Linear
from tinyvlm.nn.module import Module, Parameter
from tinyvlm.tensor import Tensor


def rng(seed=0):
    return np.random.default_rng(seed)


class Twig(Module):
    def __init__(self, *shape):
        self.weight = Parameter(np.zeros(shape, np.float32))

    def forward(self, x, factor=1):
        return x * self.weight * factor


class Tree(Module):
    """Everything a module may hold: modules, lists of them, parameters, and what is neither."""

    def __init__(self):
        self.root = Twig(2, 3)
        self.branches = [Twig(1), "no module", Twig(4)]
        self.gain = Parameter(np.ones(5, np.float32))
        self.absent = None
        self.constant = Tensor(np.ones(7, np.float32))
        self.size = 3


NAMES = ["gain", "root.weight", "branches.0.weight", "branches.2.weight"]


# The tree


def test_the_tree_is_read_from_attributes():
    """Catches a list that is passed over, and constants, None or numbers taken for parameters."""
    tree = Tree()
    assert [name for name, _ in tree.named_parameters()] == NAMES
    assert dict(tree.named_parameters())["branches.2.weight"] is tree.branches[2].weight
    assert [name for name, _ in tree.named_children()] == ["root", "branches.0", "branches.2"]
    assert list(tree.modules()) == [tree, tree.root, tree.branches[0], tree.branches[2]]


def test_the_tree_is_read_when_it_is_asked_for():
    """Catches a registry filled at assignment, which goes stale when a part is replaced."""
    tree = Tree()
    tree.root = Linear(2, 3, rng())
    tree.branches.append(Twig(6))
    del tree.gain
    names = [name for name, _ in tree.named_parameters()]
    assert names == [
        "root.weight",
        "root.bias",
        "branches.0.weight",
        "branches.2.weight",
        "branches.3.weight",
    ]


def test_tied_weights_are_one_entry():
    """Catches a tied matrix that is counted, saved or stepped twice."""
    tree = Tree()
    tree.branches[2].weight = tree.root.weight
    assert [name for name, _ in tree.named_parameters()] == NAMES[:3]
    assert len(tree.parameters()) == len(tree.state_dict()) == 3
    assert tree.parameter_count() == 6 + 1 + 5
    fresh = Tree()
    fresh.branches[2].weight = fresh.root.weight
    fresh.load_state_dict({**tree.state_dict(), "root.weight": np.full((2, 3), 7, np.float32)})
    assert (fresh.branches[2].weight.data == 7).all()


def test_counts():
    assert Tree().parameter_count() == 6 + 1 + 4 + 5
    assert Linear(3, 4, rng()).parameter_count() == 16
    assert Linear(3, 4, rng(), bias=False).parameter_count() == 12
    assert Dropout(0.5).parameter_count() == 0


def test_repr_shows_the_tree_and_its_sizes():
    assert repr(Tree()).splitlines() == [
        "Tree  16 parameters",
        "  root: Twig  6 parameters",
        "  branches.0: Twig  1 parameters",
        "  branches.2: Twig  4 parameters",
    ]
    nested = Tree()
    nested.root = Tree()
    nested.root.gain = Parameter(np.ones(1234, np.float32))
    assert "\n  root: Tree  1,245 parameters\n    root: Twig  6 parameters\n" in repr(nested)


def test_a_call_is_forward_with_names():
    assert Twig(1)(Tensor([2.0]), factor=3).item() == 0
    with pytest.raises(TypeError, match="Tree has no forward; call one of its methods"):
        Tree()(1)


# Switches


def test_train_and_eval_reach_everything():
    """Catches a switch that stops at the first level or at a list, or leaks into the class."""
    tree = Tree()
    assert all(module.training for module in tree.modules())
    assert tree.eval() is tree
    assert not any(module.training for module in tree.modules())
    assert Tree().training
    assert tree.train() is tree
    assert all(module.training for module in tree.modules())


def test_set_generator_reaches_every_dropout():
    tree = Tree()
    tree.branches += [Dropout(0.1)]
    tree.root.inner = Dropout(0.2)
    generator = rng()
    tree.set_generator(generator)
    assert tree.branches[-1].rng is tree.root.inner.rng is generator
    assert not hasattr(tree.branches[0], "rng")


def test_freeze():
    """Catches a frozen parameter that gets a gradient, and a freeze that cuts what is before."""
    below, above = Linear(3, 4, rng()), Linear(4, 2, rng(1))
    assert above.freeze() is above
    above(below(Tensor(np.ones((5, 3), np.float32)))).sum().backward()
    assert above.weight.grad is above.bias.grad is None
    assert np.abs(below.weight.grad).min() > 0
    assert not any(p.requires_grad for p in above.parameters())


def test_a_wholly_frozen_module_records_no_graph():
    y = Linear(3, 4, rng()).freeze()(Tensor(np.ones((5, 3), np.float32)))
    assert not y.requires_grad
    assert y.function is None


def test_zero_grad():
    layer = Linear(3, 4, rng())
    layer(Tensor(np.ones((5, 3), np.float32))).sum().backward()
    layer.zero_grad()
    assert layer.weight.grad is layer.bias.grad is None


def test_to_the_device_it_is_on():
    tree = Tree()
    assert tree.to("cpu") is tree
    assert tree.gain.device == "cpu"


# Saving


def numbered():
    """A Tree whose every value is another number."""
    tree = Tree()
    for start, parameter in enumerate(tree.parameters()):
        parameter.data[...] = 100 * start + np.arange(parameter.size).reshape(parameter.shape)
    return tree


def test_a_state_dict_goes_round():
    saved, fresh = numbered().state_dict(), Tree()
    assert list(saved) == NAMES
    held = [p.data for p in fresh.parameters()]
    fresh.load_state_dict(saved)
    for (name, parameter), before in zip(fresh.named_parameters(), held, strict=True):
        np.testing.assert_array_equal(parameter.data, saved[name])
        assert parameter.data is before, "loading must fill the memory that optimizers hold"
        assert not np.shares_memory(parameter.data, saved[name])


def test_loading_keeps_our_dtype_and_what_is_frozen():
    tree = Tree().freeze()
    tree.load_state_dict({k: v.astype(np.float64) for k, v in numbered().state_dict().items()})
    assert {p.dtype for p in tree.parameters()} == {np.dtype(np.float32)}
    assert not any(p.requires_grad for p in tree.parameters())


def test_a_state_dict_shares_memory():
    tree = Tree()
    tree.gain.data[0] = 9
    saved = tree.state_dict()
    assert saved["gain"] is tree.gain.data


def test_weights_that_do_not_fit_are_listed_and_change_nothing():
    """Catches a load that fills what fits before it notices what doesn't."""
    tree = numbered()
    before = {name: array.copy() for name, array in tree.state_dict().items()}
    others = {name: array + 1 for name, array in before.items() if name != "gain"}
    others |= {"branches.2.weight": np.zeros((4, 1), np.float32), "extra": np.zeros(1, np.float32)}
    with pytest.raises(ValueError, match="the weights don't fit this model: ") as caught:
        tree.load_state_dict(others)
    for fault in (
        "missing gain",
        "unexpected extra",
        r"branches.2.weight is (4, 1) where (4,) is needed",
    ):
        assert fault in str(caught.value)
    assert "root.weight" not in str(caught.value)
    for name, array in tree.state_dict().items():
        np.testing.assert_array_equal(array, before[name])


def test_shapes_that_would_broadcast_are_refused():
    """Catches `data[...] = array`, which spreads one number over a whole matrix."""
    weights = numbered().state_dict()
    with pytest.raises(ValueError, match=r"root.weight is \(3,\) where \(2, 3\) is needed"):
        Tree().load_state_dict({**weights, "root.weight": np.zeros(3, np.float32)})


def test_a_long_list_of_faults_is_cut():
    weights = {f"extra{i}": np.zeros(1) for i in range(9)}
    with pytest.raises(ValueError, match=r"missing gain; .* and 8 more$"):
        Tree().load_state_dict(weights)
