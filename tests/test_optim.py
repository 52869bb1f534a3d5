"""Optimizers against their formulas and PyTorch; groups, clipping, the learning-rate schedule."""

import json
import math
from pathlib import Path

import numpy as np
import pytest

from tinyvlm import optim
from tinyvlm.blocks.text import TextConfig
from tinyvlm.blocks.vit import ViTConfig
from tinyvlm.models.clip import CLIP, CLIPConfig
from tinyvlm.nn.layers import Embedding, Linear
from tinyvlm.nn.module import Module, Parameter
from tinyvlm.optim import SGD, AdamW, Muon, ParameterGroup, orthogonalize

STORED_PATH = Path(__file__).parent / "oracle" / "torch_optimizer_values.npz"
with np.load(STORED_PATH, allow_pickle=False) as file:
    STORED = {name: file[name] for name in file.files}
CASES = sorted({name.partition(":")[0] for name in STORED} - {"clip", "muon"})

FLOAT64 = 1e-13  # share of the largest value; measured 5e-16
FLOAT32 = 2e-6  # after 12 steps; measured 4e-7


def assert_close(got, expected, tolerance):
    error = np.abs(got - expected).max()
    assert error <= tolerance * np.abs(expected).max(), f"{got}\n{expected}\noff by {error}"


def groups_of(values, weight_decay, lr_scale=1.0):
    parameters = {name: Parameter(np.array(value)) for name, value in values.items()}
    return [ParameterGroup(parameters, weight_decay, lr_scale)]


# Values


@pytest.mark.parametrize("name", CASES)
@pytest.mark.parametrize(("dtype", "tolerance"), [("float64", FLOAT64), ("float32", FLOAT32)])
def test_every_step_is_pytorchs(name, dtype, tolerance):
    """Catches an eps inside the root, a bias correction left out, a decay that goes through the
    moments or forgets the learning rate, and a group's settings used for another."""
    settings = json.loads(str(STORED[f"{name}:settings"]))
    start = [Parameter(STORED[f"{name}:p{i}"].astype(dtype)) for i in range(3)]
    groups = [
        ParameterGroup({"a": start[0], "b": start[1]}, settings["weight_decay"]),
        ParameterGroup({"c": start[2]}, lr_scale=0.5),
    ]
    if name.startswith("adamw"):
        optimizer = AdamW(groups, settings["lr"], tuple(settings["betas"]), settings["eps"])
    else:
        optimizer = SGD(groups, settings["lr"], settings.get("momentum", 0.0))
    for step in range(len(STORED[f"{name}:g0"])):
        for i, parameter in enumerate(start):
            parameter.grad = STORED[f"{name}:g{i}"][step].astype(dtype)
        optimizer.step()
        for i, parameter in enumerate(start):
            assert parameter.dtype == dtype
            assert_close(parameter.data, STORED[f"{name}:y{i}"][step], tolerance)


@pytest.mark.parametrize(("dtype", "tolerance"), [("float64", 1e-9), ("float32", 1e-4)])
def test_every_step_of_muon_is_pytorchs(dtype, tolerance):
    """Catches a tall matrix that is not transposed, Nesterov's look ahead left out, a scale that
    forgets the longer side. float32 is looser: five polynomials of the fifth degree."""
    start = {f"blocks.{i}.w": Parameter(STORED[f"muon:p{i}"].astype(dtype)) for i in range(3)}
    optimizer = Muon([ParameterGroup(start, 0.1)], lr=0.02)
    for step in range(len(STORED["muon:g0"])):
        for i, parameter in enumerate(start.values()):
            parameter.grad = STORED[f"muon:g{i}"][step].astype(dtype)
        optimizer.step()
        for i, parameter in enumerate(start.values()):
            assert parameter.dtype == dtype
            assert_close(parameter.data, STORED[f"muon:y{i}"][step], tolerance)


@pytest.mark.parametrize("shape", [(3, 40), (40, 3), (7, 7), (1, 5), (96, 256)])
@pytest.mark.parametrize("scale", [1e-12, 1.0, 1e12])
def test_orthogonalize_keeps_directions_and_makes_them_equally_long(shape, scale):
    u = np.random.default_rng(0).normal(size=shape) * scale
    left, _, right = np.linalg.svd(u, full_matrices=False)
    found = left.T @ orthogonalize(u) @ right.T  # diagonal, if the directions are kept
    lengths = np.diag(found)
    np.testing.assert_allclose(found - np.diag(lengths), 0, atol=1e-6)
    if scale > 1e-6:
        assert 0.6 < lengths.min() <= lengths.max() < 1.3


def test_orthogonalize_nothing():
    assert not orthogonalize(np.zeros((3, 4), np.float32)).any()


def test_muon_moves_only_matrices_of_blocks():
    """The rest is AdamW's, bit for bit; catches an embedding or a gain that is orthogonalised."""
    names = ["a.blocks.0.w", "embedding.w", "a.blocks.0.gain", "blocksize.w"]
    values = [np.full(shape, 0.5) for shape in ((2, 3), (2, 3), (3,), (2, 2))]
    rng = np.random.default_rng(1)
    gradients = [rng.normal(size=value.shape) for value in values]
    after = []
    for kind in (Muon, AdamW):
        groups = groups_of(dict(zip(names, values, strict=True)), 0.1)
        for parameter, gradient in zip(groups[0].parameters.values(), gradients, strict=True):
            parameter.grad = gradient.copy()
        kind(groups, 0.01).step()
        after.append([parameter.data for parameter in groups[0].parameters.values()])
    same = [np.array_equal(a, b) for a, b in zip(*after, strict=True)]
    assert same == [False, True, True, True]


def test_adamw_is_its_formula():
    """The formula of the docstring, one Python number at a time."""
    b1, b2, eps, lr, decay = 0.7, 0.9, 0.03, 0.2, 0.4
    gradients = [0.5, -2.0, 0.0, 3.0]
    groups = groups_of({"w": np.array([1.5])}, decay)
    optimizer = AdamW(groups, lr, (b1, b2), eps)
    p, m, v = 1.5, 0.0, 0.0
    for t, g in enumerate(gradients, start=1):
        groups[0].parameters["w"].grad = np.array([g])
        optimizer.step()
        m = b1 * m + (1 - b1) * g
        v = b2 * v + (1 - b2) * g**2
        m_hat, v_hat = m / (1 - b1**t), v / (1 - b2**t)
        p = p - lr * decay * p - lr * m_hat / (math.sqrt(v_hat) + eps)
        assert groups[0].parameters["w"].data[0] == pytest.approx(p, rel=1e-14)
        state = optimizer.state_dict()
        assert (state["m.w"][0], state["v.w"][0]) == pytest.approx((m, v), rel=1e-14)


def test_sgd_is_its_formula():
    momentum, lr, decay = 0.8, 0.1, 0.25
    groups = groups_of({"w": np.array([1.5])}, decay)
    optimizer = SGD(groups, lr, momentum)
    p, v = 1.5, 0.0
    for g in [0.5, -2.0, 0.0, 3.0]:
        groups[0].parameters["w"].grad = np.array([g])
        optimizer.step()
        v = momentum * v + (g + decay * p)
        p = p - lr * v
        assert groups[0].parameters["w"].data[0] == pytest.approx(p, rel=1e-14)


def test_decoupled_decay_does_not_depend_on_the_gradients():
    """Without a gradient signal AdamW shrinks by exactly 1 - lr decay a step; in Adam with the
    decay in its gradient, every weight would move by about lr, whatever its size."""
    groups = groups_of({"w": np.array([1.0, -200.0])}, weight_decay=0.5)
    optimizer = AdamW(groups, lr=0.1)
    for _ in range(3):
        groups[0].parameters["w"].grad = np.zeros(2)
        optimizer.step()
    assert_close(groups[0].parameters["w"].data, np.array([1.0, -200.0]) * 0.95**3, FLOAT64)


def test_the_first_step_of_adamw_has_length_lr():
    """Catches a missing bias correction: then the first steps would be ten times too short."""
    groups = groups_of({"w": np.zeros(3)}, 0.0)
    groups[0].parameters["w"].grad = np.array([1e-3, -5.0, 100.0])
    AdamW(groups, lr=0.1).step()
    assert_close(groups[0].parameters["w"].data, np.array([-0.1, 0.1, -0.1]), 1e-4)


def test_a_gradient_is_left_as_it_is():
    groups = groups_of({"w": np.ones(3)}, 0.1)
    for make in (lambda: AdamW(groups, 0.1), lambda: SGD(groups, 0.1, 0.9)):
        gradient = np.array([1.0, -2.0, 3.0])
        groups[0].parameters["w"].grad = gradient
        make().step()
        np.testing.assert_array_equal(gradient, [1.0, -2.0, 3.0])


# Groups


class Small(Module):
    """A matrix, a bias, a position table, an embedding tied to another name, a temperature."""

    def __init__(self):
        rng = np.random.default_rng(0)
        self.first = Linear(2, 3, rng)
        self.embedding = Embedding(5, 3, rng)
        self.head = self.embedding  # tied
        self.position = Parameter(np.ones((4, 3), np.float32))
        self.scale = Parameter(np.ones((), np.float32))


def test_only_matrices_decay():
    """Catches positions and 0-d temperatures that are pulled to zero, and names that are lost."""
    decay, keep = optim.decay_groups(Small(), 0.3)
    assert list(decay.parameters) == ["first.weight", "embedding.weight"]
    assert list(keep.parameters) == ["position", "scale", "first.bias"]
    assert (decay.weight_decay, keep.weight_decay) == (0.3, 0.0)


def test_a_part_that_learns_slower():
    """Catches a part that keeps the full rate, and a rest that gets the part's."""
    model = Small()
    groups = optim.decay_groups(model, 0.3, {"first.": 0.25, "emb": 0.0})
    scale = {name: group.lr_scale for group in groups for name in group.parameters}
    assert scale == {
        "first.weight": 0.25,
        "first.bias": 0.25,
        "embedding.weight": 0.0,
        "position": 1.0,
        "scale": 1.0,
    }
    decay = {name: group.weight_decay for group in groups for name in group.parameters}
    assert [name for name in decay if decay[name]] == ["first.weight", "embedding.weight"]
    before = {name: array.copy() for name, array in model.state_dict().items()}
    train_once(model, lambda _: SGD(optim.decay_groups(model, 0.0, {"first.": 0.25}), 0.1))
    moved = {name: before[name] - array for name, array in model.state_dict().items()}
    np.testing.assert_allclose(moved["first.bias"], 0.025, rtol=1e-6)
    np.testing.assert_allclose(moved["position"], 0.1, rtol=1e-6)


def test_a_part_that_is_not_there():
    with pytest.raises(ValueError, match="no parameter that learns has a name beginning 'tower'"):
        optim.decay_groups(Small(), 0.3, {"tower": 0.3})


def test_clip_has_every_parameter_in_one_group():
    vision = ViTConfig(width=16, depth=1, heads=2, mlp_width=16)
    text = TextConfig(vocab_size=9, eos_id=2, width=16, depth=1, heads=2, mlp_width=16)
    model = CLIP(CLIPConfig(vision, text), np.random.default_rng(0))
    decay, keep = optim.decay_groups(model, 0.1)
    assert {*decay.parameters, *keep.parameters} == {n for n, _ in model.named_parameters()}
    assert not set(decay.parameters) & set(keep.parameters)
    assert "vision.patch_embed.convs.0.weight" in decay.parameters
    assert {"logit_scale", "vision.position", "text.position"} <= set(keep.parameters)
    assert all(name.endswith("weight") for name in decay.parameters)


def train_once(model, make):
    optimizer = make(optim.decay_groups(model, 0.5))
    for parameter in model.parameters():
        parameter.grad = np.ones_like(parameter.data)
    optimizer.step()
    return optimizer


@pytest.mark.parametrize(
    "make", [lambda g: AdamW(g, 0.1), lambda g: SGD(g, 0.1, 0.9), lambda g: Muon(g, 0.1)]
)
def test_a_frozen_parameter_keeps_its_bytes(make):
    """Catches weight decay, or a gradient from before the freezing, that moves what is frozen."""
    model = Small()
    model.first.freeze()
    groups = optim.decay_groups(model, 0.5)
    assert not [name for group in groups for name in group.parameters if name.startswith("first")]
    before = {name: array.copy() for name, array in model.state_dict().items()}
    train_once(model, make)
    after = model.state_dict()
    for name, array in before.items():
        moved = array.tobytes() != after[name].tobytes()
        assert moved == (not name.startswith("first")), name


@pytest.mark.parametrize(
    "make", [lambda g: AdamW(g, 0.1), lambda g: SGD(g, 0.1, 0.9), lambda g: Muon(g, 0.1)]
)
def test_a_parameter_without_a_gradient_does_not_move(make):
    """Catches a decay, or an old momentum, for a layer that the loss did not use."""
    model = Small()
    optimizer = train_once(model, make)
    optimizer.zero_grad()
    before = model.embedding.weight.data.copy()
    model.first.weight.grad = np.ones_like(model.first.weight.data)
    optimizer.step()
    np.testing.assert_array_equal(model.embedding.weight.data, before)


def test_tied_weights_move_once():
    """Catches two entries for one array, which would make two steps of one."""
    tied, single = Small(), Small()
    single.head = None
    for model in (tied, single):
        train_once(model, lambda groups: AdamW(groups, 0.1))
    assert "head.weight" not in dict(tied.named_parameters())
    np.testing.assert_array_equal(tied.embedding.weight.data, single.embedding.weight.data)


def test_a_parameter_in_two_groups_is_refused():
    groups = groups_of({"w": np.ones(2)}, 0.1) + groups_of({"w": np.ones(2)}, 0.0)
    with pytest.raises(ValueError, match="two groups"):
        AdamW(groups, 0.1)


def test_zero_grad():
    model = Small()
    optimizer = train_once(model, lambda groups: AdamW(groups, 0.1))
    optimizer.zero_grad()
    assert all(parameter.grad is None for parameter in model.parameters())


@pytest.mark.parametrize(
    "make", [lambda g: AdamW(g, 0.1), lambda g: SGD(g, 0.1, 0.9), lambda g: Muon(g, 0.1)]
)
def test_state_that_is_saved_and_loaded_goes_on_the_same(make):
    """Catches moments or a step count that are lost, and state that shares memory with a file."""
    models = [Small(), Small()]
    first = train_once(models[0], make)
    second = make(optim.decay_groups(models[1], 0.5))
    models[1].load_state_dict(models[0].state_dict())
    saved = first.state_dict()
    second.load_state_dict(saved, first.steps)
    for model, optimizer in zip(models, (first, second), strict=True):
        for parameter in model.parameters():
            parameter.grad = np.full_like(parameter.data, 0.3)
        optimizer.step()
    assert first.steps == second.steps == 2
    for name, array in models[0].state_dict().items():
        assert array.tobytes() == models[1].state_dict()[name].tobytes(), name
    for name, array in second.state_dict().items():
        assert not np.may_share_memory(array, saved[name])


# Clipping


def parameters_with(*gradients):
    parameters = [Parameter(np.zeros(np.shape(g))) for g in gradients]
    for parameter, gradient in zip(parameters, gradients, strict=True):
        parameter.grad = np.array(gradient, np.float64)
    return parameters


def test_clipping_is_by_the_joint_length():
    """Catches clipping each gradient by itself."""
    parameters = [*parameters_with([3.0, 0.0], [[4.0]], 12.0), Parameter(np.zeros(2))]
    assert optim.clip_grad_norm(parameters, 6.5) == pytest.approx(13.0)
    for parameter, expected in zip(parameters, ([1.5, 0.0], [[2.0]], 6.0), strict=False):
        assert_close(parameter.grad, np.array(expected), FLOAT64)
    assert parameters[3].grad is None


def test_clipping_leaves_short_gradients_alone():
    parameters = parameters_with([3.0, 4.0])
    assert optim.clip_grad_norm(parameters, 5.0) == 5.0
    np.testing.assert_array_equal(parameters[0].grad, [3.0, 4.0])


@pytest.mark.parametrize("bad", [np.nan, np.inf])
def test_clipping_does_not_spread_what_is_not_a_number(bad):
    """Catches inf * 0: then every parameter would look as if it were to blame."""
    parameters = parameters_with([1.0, 2.0], [bad])
    assert not math.isfinite(optim.clip_grad_norm(parameters, 0.1))
    np.testing.assert_array_equal(parameters[0].grad, [1.0, 2.0])


def test_clipping_nothing():
    assert optim.clip_grad_norm([Parameter(np.zeros(2))], 1.0) == 0.0


def test_clipping_is_pytorchs():
    parameters = parameters_with(*(STORED[f"clip:g{i}"] for i in range(3)))
    assert optim.clip_grad_norm(parameters, 0.7) == pytest.approx(float(STORED["clip:norm"]))
    for i, parameter in enumerate(parameters):
        # PyTorch divides by the length + 1e-6.
        assert_close(parameter.grad, STORED[f"clip:y{i}"], 1e-6)


# The schedule


def test_warmup_and_cosine_at_the_corners():
    """Catches a first step of rate 0, a peak that is missed, and a floor that is not reached."""
    rate = [optim.warmup_cosine(step, 110, lr=2.0, warmup=10, floor=0.1) for step in range(110)]
    assert rate[0] == pytest.approx(0.2)  # 1/10 of the peak: no step is wasted on rate 0
    assert rate[4] == pytest.approx(1.0)
    assert rate[9] == rate[10] == pytest.approx(2.0)
    assert rate[60] == pytest.approx(2.0 * (0.1 + 0.9 / 2))  # half way down
    assert rate[109] == pytest.approx(0.2, abs=1e-3)
    assert np.all(np.diff(rate[:10]) > 0)
    assert np.all(np.diff(rate[10:]) < 0)
    assert optim.warmup_cosine(110, 110, 2.0, 10, 0.1) == pytest.approx(0.2)
    assert optim.warmup_cosine(10_000, 110, 2.0, 10, 0.1) == pytest.approx(0.2)


def test_a_schedule_without_warmup_starts_at_the_peak():
    assert optim.warmup_cosine(0, 100, 3.0, warmup=0) == 3.0


@pytest.mark.parametrize("steps", [1, 5, 10])
def test_a_run_shorter_than_its_warmup_only_rises(steps):
    rate = [optim.warmup_cosine(step, steps, 1.0, warmup=10) for step in range(steps)]
    assert rate == pytest.approx([(step + 1) / 10 for step in range(steps)])
