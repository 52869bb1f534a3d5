"""The attention ladder on the emulator: every mask, grouped heads, widths, backward, tile kinds."""

from dataclasses import dataclass
from functools import partial

import numpy as np
import pytest

from tinyvlm.kernels import launch, launch_attention
from tinyvlm.kernels.emulator import EmulatedModule, KernelMistake
from tinyvlm.kernels.launch_attention import FULL, HIDDEN, PARTIAL, Heads
from tinyvlm.nn.masks import Mask

pytestmark = pytest.mark.usefixtures("kernel_cache")

WIDTH = 20  # K: no multiple of 16 or 32
ROUNDING = 4 * 2.0**-24


def ranks(*numbers):
    return np.array(numbers, np.int32)[None]


def present(S, *spans):
    """(B, S) bool: batch element b has tokens from spans[b][0] to spans[b][1]."""
    return np.array([[first <= s < last for s in range(S)] for first, last in spans])


T, S = 70, 133
PADDED = present(T, (0, T), (0, 41))
IMAGES = np.searchsorted([5, 30, 31, 66], np.arange(T), side="right")  # begun by each word
MASKS = {  # q_rank (B or 1, T), k_rank (B or 1, S)
    "full": Mask(np.zeros((1, T), np.int32), np.zeros((1, S), np.int32)),
    "causal": Mask.causal(T),
    "prefix-LM, right padding": Mask.prefix_lm(np.arange(T) >= [[20], [9]], PADDED),
    "left padding": Mask.prefix_lm(np.ones((2, T), bool), present(T, (50, T), (0, T))),
    "cross, keys missing": Mask(ranks(*[0] * 19), Mask.full(present(S, (0, 90), (4, 71))).k_rank),
    "decoding": Mask(ranks(40), np.arange(S, dtype=np.int32)[None]),
    "last image": Mask(IMAGES[None].astype(np.int32), ranks(*np.repeat([1, 2, 3, 4], 9)), True),
    "nobody sees anything": Mask(ranks(*[-1] * 5), ranks(0, 1, 2)),
    "no keys": Mask(ranks(0, 1), np.zeros((1, 0), np.int32)),
}
MASKS["cross, keys missing"] = Mask(
    np.zeros((2, 19), np.int32), MASKS["cross, keys missing"].k_rank
)


@dataclass
class Case:
    """Random heads under a mask, and what attention gives in float64."""

    heads: Heads
    dy: np.ndarray  # (B, T, H, K)

    @classmethod
    def random(cls, mask, H=2, G=1, K=WIDTH, B=2, seed=0):
        rng = np.random.default_rng(seed)
        T, S = mask.q_rank.shape[1], mask.k_rank.shape[1]
        q, dy = rng.standard_normal((2, B, T, H, K)).astype(np.float32)
        k, v = rng.standard_normal((2, B, S, G, K)).astype(np.float32)
        rank = (np.ascontiguousarray(r, np.int32) for r in (mask.q_rank, mask.k_rank))
        return cls(Heads(q, k, v, *rank, K**-0.5, mask.equal), dy)

    def forward(self, rung, mode):
        y = np.full_like(self.heads.q, np.nan)
        lse = np.full(self.row_shape, np.nan, np.float32)
        launch.run(launch_attention.forward(rung, self.heads, y, lse), mode)
        return y, lse

    def backward(self, rung, y, lse, mode):
        dq = np.zeros_like(y) if rung == "05" else np.full_like(y, np.nan)
        dk, dv = np.full_like(self.heads.k, np.nan), np.full_like(self.heads.v, np.nan)
        plan = launch_attention.backward(rung, self.heads, y, lse, self.dy, dq, dk, dv)
        launch.run(plan, mode)
        return dq, dk, dv

    @property
    def row_shape(self):
        B, T, _, H, _, _ = self.heads.sizes
        return B, H, T

    @property
    def visible(self):
        heads = self.heads
        dense = Mask(heads.q_rank, heads.k_rank, heads.equal).dense()
        return np.broadcast_to(dense, (heads.sizes[0], *dense.shape[1:]))  # (B, T, S)

    def exact(self):
        """Float64 arrays by name, head by head: (B, H, T, ..) and (B, H, S, ..)."""
        heads, R = self.heads, self.heads.sizes[3] // self.heads.sizes[4]
        q, dy = (x.astype(np.float64).transpose(0, 2, 1, 3) for x in (heads.q, self.dy))
        k, v = (
            x.astype(np.float64).transpose(0, 2, 1, 3).repeat(R, axis=1) for x in (heads.k, heads.v)
        )
        scores = np.where(self.visible[:, None], q @ k.swapaxes(2, 3) * heads.scale, -np.inf)
        lse = np.logaddexp.reduce(scores, axis=3, initial=-np.inf)  # (B, H, T)
        sees = np.isfinite(lse)
        p = np.exp(scores - np.where(sees, lse, 0)[..., None])
        y = p @ v
        ds = p * (dy @ v.swapaxes(2, 3) - (dy * y).sum(3, keepdims=True))
        return {
            **{"q": q, "k": k, "v": v, "dy": dy, "p": p, "y": y, "ds": ds},
            **{"scores": scores, "lse": np.where(sees, lse, np.inf)},
            **{"dq": ds @ k * heads.scale, "dk": ds.swapaxes(2, 3) @ q * heads.scale},
            "dv": p.swapaxes(2, 3) @ dy,
        }

    def of_key_heads(self, x):
        """(B, H, S, K) -> (B, S, G, K): the query heads of a key head add up."""
        B, _, S, H, G, K = self.heads.sizes
        return x.reshape(B, G, H // G, S, K).sum(2).transpose(0, 2, 1, 3)

    def relative_error_of_a_weight(self, exact):
        """Of exp(score - lse): what rounding did to the sums over K, to their size, and the row."""
        _, _, S, _, _, K = self.heads.sizes
        products = abs(exact["q"]) @ abs(exact["k"]).swapaxes(2, 3) * self.heads.scale
        largest = products.max(initial=0) * np.sqrt(K) + abs(
            exact["lse"][exact["lse"] < np.inf]
        ).max(initial=0)
        return ROUNDING * (2 * largest + np.sqrt(S))


def assert_forward_is_right(case, y, lse):
    exact = case.exact()
    relative = case.relative_error_of_a_weight(exact)
    assert not np.isnan(y).any()
    assert abs(y - exact["y"].transpose(0, 2, 1, 3)).max() <= relative * abs(exact["v"]).max(
        initial=0
    )
    sees = np.isfinite(exact["lse"])
    assert (lse[~sees] == np.inf).all()
    assert not y.transpose(0, 2, 1, 3)[~sees].any()
    assert abs(lse[sees] - exact["lse"][sees]).max(initial=0) <= relative


def assert_backward_is_right(case, dq, dk, dv):
    """Bounds: the relative error of p and dp, times sums of what was added."""
    exact = case.exact()
    heads, (_, T, _, H, G, K) = case.heads, case.heads.sizes
    relative = 2 * case.relative_error_of_a_weight(exact) + ROUNDING * np.sqrt(K + T * H / G)
    dp_size = abs(exact["dy"]) @ abs(exact["v"]).swapaxes(2, 3)
    ds_size = exact["p"] * (dp_size + dp_size.max(axis=3, keepdims=True, initial=0))
    of_key_heads = case.of_key_heads
    for name, got, right, size in (
        ("dq", dq, exact["dq"].transpose(0, 2, 1, 3), ds_size @ abs(exact["k"]) * heads.scale),
        (
            "dk",
            dk,
            of_key_heads(exact["dk"]),
            of_key_heads(ds_size.swapaxes(2, 3) @ abs(exact["q"])) * heads.scale,
        ),
        (
            "dv",
            dv,
            of_key_heads(exact["dv"]),
            of_key_heads(exact["p"].swapaxes(2, 3) @ abs(exact["dy"])),
        ),
    ):
        assert not np.isnan(got).any(), name
        assert abs(got - right).max(initial=0) <= relative * size.max(initial=0), name


@pytest.mark.parametrize("mask", MASKS)
@pytest.mark.parametrize("rung", launch_attention.FORWARD)
def test_forward(rung, mask, any_mode):
    case = Case.random(MASKS[mask])
    assert_forward_is_right(case, *case.forward(rung, any_mode))


@pytest.mark.parametrize("mask", MASKS)
@pytest.mark.parametrize("rung", launch_attention.BACKWARD)
def test_backward(rung, mask, any_mode):
    case = Case.random(MASKS[mask], seed=1)
    y, lse = case.forward("03", EmulatedModule)
    assert_backward_is_right(case, *case.backward(rung, y, lse, any_mode))


@pytest.mark.parametrize(("K", "rungs"), [(1, "03"), (72, "02 03 05"), (256, "01 02 03 04 05")])
def test_widths_of_a_head(K, rungs):
    """Each width is compiled for itself: narrow, several columns a thread, wide."""
    case = Case.random(MASKS["prefix-LM, right padding"], H=1, K=K)
    y, lse = case.forward("03", EmulatedModule)
    for rung in rungs.split():
        if rung in launch_attention.FORWARD:
            assert_forward_is_right(case, *case.forward(rung, EmulatedModule))
        else:
            assert_backward_is_right(case, *case.backward(rung, y, lse, EmulatedModule))


@pytest.mark.parametrize(("H", "G"), [(3, 3), (4, 2), (3, 1)])
def test_grouped_key_heads(H, G):
    case = Case.random(MASKS["causal"], H=H, G=G)
    for rung in launch_attention.FORWARD:
        y, lse = case.forward(rung, EmulatedModule)
        assert_forward_is_right(case, y, lse)
    for rung in launch_attention.BACKWARD:
        assert_backward_is_right(case, *case.backward(rung, y, lse, EmulatedModule))


def test_large_scores_do_not_overflow():
    case = Case.random(MASKS["causal"])
    case.heads.q[...] *= 1e4
    for rung in launch_attention.FORWARD:
        y, lse = case.forward(rung, EmulatedModule)
        assert_forward_is_right(case, y, lse)


def test_rung_04_is_equal_to_the_bit_whatever_the_order():
    case = Case.random(MASKS["prefix-LM, right padding"], H=4, G=2)
    y, lse = case.forward("03", EmulatedModule)
    results = [
        case.backward("04", y, lse, partial(EmulatedModule, thread_order=order))
        for order in range(3)
    ]
    for name, *arrays in zip(("dq", "dk", "dv"), *results, strict=True):
        for array in arrays[1:]:
            np.testing.assert_array_equal(arrays[0], array, err_msg=name)


# ---- tiles --------------------------------------------------------------------------------------
def kinds_of(heads):
    """(1 or B, query tiles, key tiles), by the kernel."""
    shape = (heads.q_rank.shape[0], *(-(-n // 64) for n in heads.sizes[1:3]))
    kinds = np.full(shape, -1, np.int32)
    launch.run(launch_attention.tile_kinds(heads, kinds), EmulatedModule)
    return kinds


def counts(mask):
    kinds = kinds_of(Case.random(mask, B=len(mask.q_rank), H=1).heads)
    return [int((kinds == kind).sum()) for kind in (HIDDEN, PARTIAL, FULL)]


def test_tiles_are_counted():
    """Of 4 by 4 tiles: hidden, partial, full."""
    half = np.arange(256)[None] >= 128
    assert counts(Mask.causal(256)) == [6, 4, 6]
    assert counts(Mask.prefix_lm(half)) == [5, 2, 9]
    assert counts(Mask.full(np.ones((1, 256), bool))) == [0, 0, 16]
    assert counts(Mask.full(np.arange(256)[None] < 100)) == [12, 3, 1]
    images = np.arange(256, dtype=np.int32)[None] // 64
    assert counts(Mask(images, images, equal=True)) == [12, 0, 4]


@pytest.mark.parametrize("mask", [name for name in MASKS if name != "no keys"])
def test_a_tile_is_never_called_hidden_or_full_wrongly(mask):
    """With <= a tile is hidden or full exactly when its pairs are; == may call it partial."""
    case = Case.random(MASKS[mask], H=1)
    kinds, visible = kinds_of(case.heads), case.visible[: len(case.heads.q_rank)]
    for b, i, j in np.ndindex(*kinds.shape):
        tile = visible[b, 64 * i : 64 * i + 64, 64 * j : 64 * j + 64]
        right = FULL if tile.all() else PARTIAL if tile.any() else HIDDEN
        assert kinds[b, i, j] == right or (case.heads.equal and kinds[b, i, j] == PARTIAL)


def test_hidden_tiles_are_never_computed():
    """NaN in a key or query that is computed shows in the results, even at weight 0."""
    causal = np.arange(128, dtype=np.int32)[None]
    case = Case.random(Mask(causal[:, :64].copy(), causal), H=2, G=2)
    case.heads.k[:, 64:], case.heads.v[:, 64:] = np.nan, np.nan
    y, lse = case.forward("03", EmulatedModule)
    assert np.isfinite(y).all()
    for rung in launch_attention.BACKWARD:
        dq, dk, dv = case.backward(rung, y, lse, EmulatedModule)
        assert np.isfinite(dq).all()
        assert np.isfinite(dk).all()
        assert not dk[:, 64:].any()
        assert not dv[:, 64:].any()
    shown = Case.random(Mask(causal[:, 1:65].copy(), causal), H=2, G=2)
    shown.heads.v[:, 64:] = np.nan
    assert np.isnan(shown.forward("03", EmulatedModule)[0]).any(), "a tile that is seen is computed"


# ---- mistakes -----------------------------------------------------------------------------------
BREAKS = {  # file, before, after -> the kind of mistake, or None: the result is wrong
    "bound of T": ("03_flash.cu", "if (t >= T) continue;", "", "race"),
    "bound of a row": (
        "tiles.cuh",
        "row < rows.count && column < K;",
        "column < K;",
        "out of bounds",
    ),
    "bound of K": (
        "tiles.cuh",
        "n0 + row < count && column < K;",
        "n0 + row < count;",
        "out of bounds",
    ),
    "shrink": ("03_flash.cu", "sum[r][c] *= shrink;", ";", None),
    "grouped heads": (
        "03_flash.cu",
        "rows_of_head(v, b, h / (H / G)",
        "rows_of_head(v, b, h % G",
        None,
    ),
    "end of a tile": ("mask.cuh", "t < T && s < S && (kind", "t < T && (kind", "out of bounds"),
    "full tile": ("mask.cuh", "k.high <= q.low", "k.low <= q.low", None),
    "warp's weights": (
        "02_online_softmax.cu",
        "weights[warp][lane] = weight;\n        __syncwarp();",
        "weights[warp][lane] = weight;",
        "uninitialised",
    ),
}


@pytest.mark.parametrize("part", BREAKS)
def test_a_broken_forward_is_noticed(part, broken):
    file, before, after, kind = BREAKS[part]
    case = Case.random(MASKS["causal"], H=4, G=2)
    mode = broken(f"attention/{file}", before, after)
    rung = "02" if file.startswith("02") else "03"
    if kind is None:
        with pytest.raises(AssertionError):
            assert_forward_is_right(case, *case.forward(rung, mode))
        return
    with pytest.raises(KernelMistake) as caught:
        case.forward(rung, mode)
    assert caught.value.kind == kind, str(caught.value)


def test_every_rung_is_described():
    stems = {path.stem for path in (launch.FOLDER / "attention").glob("*.cu")}
    ladder = {**launch_attention.FORWARD, **launch_attention.BACKWARD}
    assert stems == {f"{number}_{name}" for number, name in ladder.items()}


@pytest.mark.parametrize("path", sorted((launch.FOLDER / "attention").glob("*.cu")), ids=str)
def test_each_rung_opens_with_what_a_reader_needs(path):
    opening = path.read_text(encoding="utf-8").partition("#include")[0]
    for word in ("Improves on:", "Launch:", "Architecture:", "(B, T, H, K)"):
        assert word in opening, word
