"""Shape comments that cannot lie: the models run, and each `# (B, N, D)` they reach is compared."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from shape_comments import ShapeComments

from tinyvlm.blocks.gemma import GemmaConfig
from tinyvlm.blocks.patch_embed import patchify
from tinyvlm.blocks.text import TextConfig
from tinyvlm.blocks.vit import ViTConfig
from tinyvlm.generate import Sampling, generate
from tinyvlm.models.clip import CLIP, CLIPConfig, clip_loss, patch_similarity
from tinyvlm.models.paligemma import PaliGemma, PaliGemmaConfig, suffix_loss
from tinyvlm.nn import functional as F
from tinyvlm.nn.attention import watch_attention
from tinyvlm.nn.masks import Mask
from tinyvlm.respond import respond
from tinyvlm.tensor import Tensor
from tinyvlm.text import WordTokenizer
from tinyvlm.text.locations import from_xywh, to_xywh
from tinyvlm.text.prompts import encode_examples

PACKAGE = Path(__file__).parents[1] / "tinyvlm"
ROOMS = ["nn", "blocks", "models", "kernels", "ops"]
FILES = [path for room in ROOMS for path in (PACKAGE / room).rglob("*.py")]
FILES += [PACKAGE / name for name in ("generate.py", "text/prompts.py", "text/locations.py")]

TEXT = TextConfig(vocab_size=20, eos_id=19, length=8, width=16, depth=1, heads=2, mlp_width=22)
VISION = ViTConfig(image_size=12, patch_size=4, width=16, depth=1, heads=2, mlp_width=22)


def normal(*shape):
    values = np.random.default_rng(0).normal(size=shape)
    return Tensor(values.astype(np.float32), requires_grad=True)


def run_models():
    """Every axis has its own length: B 5, C 3, P 4, N 9, T 7, M 10, H 2, K 8, D 16, E 11."""
    openai = {"stem": "patch", "pool": "class", "norm_before": True}
    for changes in ({}, openai, {"stem": "patch", "pool": "map"}):
        config = CLIPConfig(replace(VISION, **changes), TEXT, embed_width=11)
        model = CLIP(config, np.random.default_rng(0))
        images, ids = normal(5, 3, 12, 12), np.full((10, 7), 19)
        clip_loss(model(images, ids), np.ones((5, 10), bool)).backward()
        patch_similarity(model, images, ids)


def run_paligemma():
    """B 2 pictures, Q 3 texts each, N 9, D 20 of the decoder, H 6 on G 3, K 8, V 12."""
    words = WordTokenizer.from_texts(["caption en", "answer en what is in the picture"])
    V = words.vocab_size
    language = GemmaConfig(V, width=20, depth=2, heads=6, kv_heads=3, head_width=8, mlp_width=22)
    model = PaliGemma(PaliGemmaConfig(VISION, language), np.random.default_rng(0))
    prompts = ["caption en", "answer en what", "answer en what is in the picture"]
    ids, suffix = encode_examples(words, prompts * 2, ["the picture", "in", ""] * 2)
    suffix_loss(model(normal(2, 3, 12, 12), ids, suffix), ids, suffix).mean().backward()
    pictures, rng = np.zeros((2, 12, 12, 3), np.uint8), np.random.default_rng(0)
    with watch_attention():
        respond(model, words, pictures, prompts * 2, max_tokens=4)
    respond(model, words, pictures, prompts * 2, max_tokens=4, sampling=Sampling(), rng=rng)
    prefix, present = normal(6, 7, 20), np.arange(7) < np.arange(1, 7)[:, None]
    for use_cache in (True, False):
        generate(model.language, prefix, present, eos_id=2, max_tokens=4, use_cache=use_cache)
    to_xywh(from_xywh(np.ones((5, 4)), ["it"] * 5, (48, 48)), (48, 48))


def run_operations():
    """What CLIP doesn't reach: pictures that are not square, H 6 on G 3 (R 2), T 7 and S 4."""
    picture, q, suffix = normal(5, 3, 8, 12), normal(5, 7, 6, 8), np.zeros((5, 7), bool)
    results = [
        patchify(picture, 4),
        F.conv2d(picture, normal(6, 3, 2, 2), stride=2),
        F.max_pool2d(picture, 2),
        F.attention(q, normal(5, 4, 3, 8), normal(5, 4, 3, 8)),
        F.rope(q, np.arange(7)),
        F.rope(q, np.zeros((5, 7), int)),
        F.cross_entropy(normal(5, 7, 9), np.zeros((5, 7), int)),
        F.rms_norm(normal(5, 7, 16), normal(16)),
    ]
    for mask in (Mask.causal(7), Mask.full(~suffix), Mask.prefix_lm(suffix, ~suffix)):
        results.append(F.attention(q, normal(5, 7, 3, 8), normal(5, 7, 3, 8), mask))
    for y in results:
        y.sum().backward()


def test_shape_comments_of_the_library():
    comments = ShapeComments(FILES)
    comments.check(run_models)
    comments.check(run_paligemma)
    comments.check(run_operations)
    assert not comments.lies, "\n".join(dict.fromkeys(comments.lies))
    unreached = "let a run reach " + " ".join(sorted(comments.all - comments.checked))
    assert len(comments.checked) >= max(50, 0.9 * len(comments.all)), unreached


CODE = """def f(x):
    B, N = x.shape
    {}
    return x[0]  # (N,)
"""


@pytest.mark.parametrize(
    ("line", "truth"),
    [
        ("y = x[None]  # (1, B, N)", ""),
        ("y = x[None]  # (B, 1, N)", "(1, 2, 6)"),
        ("y = x[None]  # (B, N)", "(1, 2, 6)"),
        ("y = x[:, 1:]  # (B, N-1), without the first", ""),
        ("y = x[:, 1:]  # the rest, (B, N)", "(2, 5)"),
        ("y = x.reshape(2, 2, 3)  # (B, N/3, K)", ""),
        ("y = x.reshape(2, 2, 3)  # (B, N/2, K)", "(2, 2, 3)"),
        ("y, z = x, x.T  # (B, K) each", "(6, 2)"),
        ("y = x.T  # (B, N) or (N, B)", ""),
        ("y = x[:1]  # (B or 1, N)", ""),
        ("y = x[0].reshape(3, 2)  # (K, K)", "(3, 2)"),
        ("y = x[0].reshape(3, 2)  # (R*T, 2)\n    z = y.T  # (2, R*T)", ""),
        ("y = x[0].reshape(3, 2)  # (R*T, 2)\n    z = y  # (2, R*T)", "(3, 2)"),
        ("y = np.reshape(\n        x, (N, B)\n    )  # (B, N)", "(6, 2)"),
        ("for n in (1, 2):\n        y = x[:n]  # (n, N)", ""),
        ("for n in (1, 2):\n        y = x[:n]  # (1, N)", "(2, 6)"),
        ("if N:\n        return x.T  # (B, N)", "(6, 2)"),
        ("return np.array([list(row) for row in x])  # (B, N)", ""),
        ("return np.array([list(row) for row in x])  # (N, B)", "(2, 6)"),
        ("y = B  # (B,)", "none"),
        ("y = np.ones((1, 1))  # (1, 1)", ""),
    ],
)
def test_a_lie_is_found(tmp_path, line, truth):
    path = tmp_path / "lying.py"
    path.write_text(CODE.format(line))
    scope = {"np": np}
    exec(compile(path.read_text(), path, "exec"), scope)
    comments = ShapeComments([path])
    comments.check(lambda: scope["f"](np.zeros((2, 6))))
    assert [lie.rpartition("the shape is ")[2] for lie in comments.lies] == [truth] * bool(truth)
    # The last comment is the one in question; the first line of `line` is the third of the file.
    place = f"{tmp_path.name}/lying.py:{3 + line[: line.rindex('  # ')].count(chr(10))}"
    if truth:
        assert comments.lies[0].startswith(f"{place}: the comment says (")
    else:
        assert place in comments.checked
