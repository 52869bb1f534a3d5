"""Plans of launches: what does not fit is refused with axis letters; a GPU gets the same plan."""

import sys
from types import SimpleNamespace

import numpy as np
import pytest

from tinyvlm.kernels import launch, launch_attention, launch_fused
from tinyvlm.kernels.launch_attention import Heads


def f32(*shape):
    return np.zeros(shape, np.float32)


def heads(q=(2, 5, 4, 8), k=(2, 7, 2, 8), q_rank=(1, 5), k_rank=(1, 7), dtype=np.int32):
    return Heads(f32(*q), f32(*k), f32(*k), np.zeros(q_rank, dtype), np.zeros(k_rank, dtype), 1.0)


@pytest.mark.parametrize(
    ("A", "B", "C", "layout", "message"),
    [
        ((3, 4), (5, 6), (3, 6), "NN", r"expected B \(K, J\) = \(4, 6\), got \(5, 6\)"),
        ((3, 4), (4, 6), (3, 6), "NT", r"expected B \(J, K\) = \(6, 4\), got \(4, 6\)"),
        ((3, 4), (4, 6), (3, 6), "TN", r"expected A \(K, I\) = \(3, 3\), got \(3, 4\)"),
        ((2, 3, 4), (4, 6), (3, 6), "NN", r"expected A \(I, K\) = \(3, 4\), got \(2, 3, 4\)"),
        ((3, 4), (2, 4, 6), (5, 3, 6), "NN", r"expected B \(K, J\) = \(5, 4, 6\)"),
        ((3, 4), (4, 6), (1, 5, 3, 6), "NN", r"expected A \(I, K\), C \(I, J\) or \(batch, I, J\)"),
    ],
)
def test_matmul_of_shapes_that_do_not_fit(A, B, C, layout, message):
    with pytest.raises(ValueError, match=message):
        launch.matmul("05", f32(*A), f32(*B), f32(*C), layout)


def test_matmul_of_another_dtype_or_order():
    A, B, C = f32(3, 4), f32(4, 6), f32(3, 6)
    with pytest.raises(TypeError, match="expected A of float32, got float64"):
        launch.matmul("05", A.astype(float), B, C)
    with pytest.raises(TypeError, match="expected A of bfloat16, got float32"):
        launch.matmul("10", A, B, C)
    with pytest.raises(ValueError, match=r"expected B .* to be contiguous, its strides are"):
        launch.matmul("05", A, np.asfortranarray(B), C)
    with pytest.raises(KeyError, match="99"):
        launch.matmul("99", A, B, C)
    with pytest.raises(KeyError, match="TT"):
        launch.matmul("05", A, B, C, "TT")


def test_a_grid_that_no_gpu_takes():
    A, B = np.broadcast_to(f32(1, 1, 1), (65536, 1, 1)), f32(1, 1)
    with pytest.raises(ValueError, match="at most 65,535 along y and z"):
        launch.matmul("05", A.copy(), B, A.copy())


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"k": (2, 7, 3, 8)}, "H a multiple of G = 3"),
        ({"q": (2, 5, 4, 300), "k": (2, 7, 2, 300)}, "K from 1 to 256, .* K = 300"),
        ({"k": (2, 7, 2, 9)}, r"expected k \(B, S, G, K\) = \(2, 7, 2, 8\)"),
        ({"q_rank": (3, 5)}, "expected 1 or B = 2 masks, .* got 3 masks"),
        ({"k_rank": (1, 5)}, r"expected k_rank \(1 or B, S\) = \(1, 7\)"),
        ({"q": (5, 4, 8)}, r"expected q \(B, T, H, K\), k \(B, S, G, K\)"),
    ],
)
def test_heads_that_do_not_fit(wrong, message):
    with pytest.raises(ValueError, match=message):
        heads(**wrong)


def test_ranks_are_int32():
    with pytest.raises(TypeError, match="expected q_rank of int32, got int64"):
        heads(dtype=np.int64)


def test_attention_results_of_another_shape():
    with pytest.raises(ValueError, match=r"expected y \(B, T, H, K\)"):
        launch_attention.forward("03", heads(), f32(2, 4, 5, 8), f32(2, 4, 5))
    with pytest.raises(ValueError, match=r"expected lse \(B, H, T\)"):
        launch_attention.forward("03", heads(), f32(2, 5, 4, 8), f32(2, 5, 4))
    y, k = f32(2, 5, 4, 8), f32(2, 7, 2, 8)
    with pytest.raises(ValueError, match=r"expected dk \(B, S, G, K\)"):
        launch_attention.backward("04", heads(), y, f32(2, 4, 5), y, y, y, k)


def test_fused_arrays_that_do_not_fit():
    x = f32(3, 4)
    with pytest.raises(ValueError, match=r"expected y \(...\) = \(3, 4\), got \(4, 3\)"):
        launch_fused.gelu_forward(x, f32(4, 3))
    with pytest.raises(ValueError, match=r"expected gain \(D,\) = \(4,\), got \(3,\)"):
        launch_fused.layer_norm_forward(x, f32(3), f32(3), x, f32(3), f32(3), 1e-5)
    with pytest.raises(TypeError, match="expected targets of int32, got int64"):
        launch_fused.cross_entropy_forward(x, np.zeros(3, np.int64), f32(3), f32(2))


def test_what_is_empty_is_not_launched():
    launch.run(launch.matmul("05", f32(0, 3), f32(3, 4), f32(0, 4)), module=None)


def test_a_gpu_gets_the_same_plan(monkeypatch):
    """With a CuPy that only writes down what it is given."""
    calls = []

    def raw_module(code, options):
        def get_function(name):
            return lambda grid, block, args: calls.append((code, options, name, grid, block, args))

        return SimpleNamespace(get_function=get_function)

    monkeypatch.setitem(sys.modules, "cupy", SimpleNamespace(RawModule=raw_module))
    launch.gpu_module.cache_clear()
    A, B, C = f32(70, 3), f32(130, 3), f32(70, 130)
    (plan,) = launch.matmul("05", A, B, C, "NT")
    launch.run([plan, plan], launch.gpu_module)
    launch.gpu_module.cache_clear()
    code, options, name, grid, block, args = calls[1]
    assert code == (launch.FOLDER / "matmul" / "05_register_tile_2d.cu").read_text(encoding="utf-8")
    assert options[:3] == (
        "-std=c++17",
        f"-I{launch.FOLDER / 'matmul'}",
        f"-I{launch.FOLDER}",
    )
    assert options[3:] == ("-DTRANSPOSED_A=0", "-DTRANSPOSED_B=1")
    assert (name, grid, block) == ("matmul_register_tile_2d", (3, 2, 1), (256,))
    assert args[0] is A
    assert [type(arg) for arg in args[3:]] == [np.int32] * 3 + [np.int64] * 2
