# %% [markdown]
# # 15 PaliGemma: a picture, a prompt, and a model that goes on
#
# Minutes: 60 to read and try, about 1 to run.
# Prerequisites: lessons 02, 07 and 09.
#
# ## Question
# CLIP says how well a sentence fits a picture, but somebody must write the sentence. How can one
# network answer many kinds of questions about a picture in words, and who may look at whom in it?

# %%
import os
from pathlib import Path

import numpy as np

from tinyvlm import images, model_files, show
from tinyvlm.blocks.gemma import GemmaConfig
from tinyvlm.blocks.vit import ViTConfig
from tinyvlm.datasets import museum
from tinyvlm.datasets.museum.exam import make_exam
from tinyvlm.generate import generate
from tinyvlm.models.paligemma import PaliGemma, PaliGemmaConfig, suffix_loss
from tinyvlm.nn import functional as F
from tinyvlm.nn.attention import watch_attention
from tinyvlm.nn.masks import Mask
from tinyvlm.parallel import blas_threads
from tinyvlm.recipes import guide_exam, guide_texts
from tinyvlm.respond import respond
from tinyvlm.tensor import Tensor
from tinyvlm.text.locations import decode_detections, to_xywh
from tinyvlm.text.prompts import encode_examples
from tinyvlm.train import Recipe, fit

FAST = os.environ.get("TINYVLM_FAST") == "1"  # a short run that checks less
BREAK = os.environ.get("TINYVLM_BREAK") == "1"  # plants a bug, see "Break it"; or write True
OUT = (Path(__file__).parent if "__file__" in globals() else Path()) / "out"
SEED = 0  # the bounds below hold for 1 and 2 as well
rng = np.random.default_rng(SEED)


def put(picture, name):
    """Write a Pillow image or an SVG text to out/; a notebook also shows it."""
    OUT.mkdir(exist_ok=True)
    svg = isinstance(picture, str)
    content = picture.encode() if svg else show.to_png_bytes(picture)
    (OUT / f"{name}.{'svg' if svg else 'png'}").write_bytes(content)
    if "get_ipython" in globals():
        from IPython.display import display

        display({"image/svg+xml": picture} if svg else {"image/png": content}, raw=True)


# %% [markdown]
# ## 1. One row of tokens, and who sees whom
# A language model (a decoder) reads a row of tokens and says at each place how probable each word
# is as the *next* token. All places learn at once, so place t must not see token t + 1. A **mask**
# says which tokens (keys) a place (query) may look at; in a fully causal one these are itself and
# all before it. PaliGemma (Beyer et al. 2024) puts a picture in front:
#
#     [picture tokens][prompt, bos][answer, eos]
#      prefix: is given             suffix: has to be said
#
# A vision transformer makes the picture's tokens; a linear layer makes them as wide as vectors of
# words. `bos` ends the prompt (the published PaliGemma takes a newline), `eos` the answer. Nobody
# has to guess the prefix, so nothing in it needs hiding, and it sees itself whole: a prefix-LM.
# To say this to attention, mark a token 1 if those before it may not look at it, else 0. Its rank
# is the sum of all marks up to its own, and query t sees key s when rank[s] <= rank[t].
#
# **Predict.** 4 tokens of a picture, 6 of a prompt with bos, 3 of an answer with eos: which marks
# do they need? How many of the 169 cells are hidden, and how many if all is causal?

# %%
words = guide_texts.tokenizer()  # about 150, each a token
N, PROMPT, ANSWER = 4, "answer en where is it", "top left"
ids, suffix = encode_examples(words, [PROMPT], [ANSWER])  # (1, T); suffix: True from "top" on
suffix = np.pad(suffix, ((0, 0), (N, 0)))  # (1, N+T)
names = [f"patch {i}" for i in range(N)] + f"{PROMPT} bos {ANSWER} eos".split()
masks = {}
for name, marks in (("prefix-LM", suffix), ("causal", np.ones_like(suffix))):
    rank = np.cumsum(marks)  # (N+T,)
    back = rank[:, None] - rank  # (N+T, N+T), query by key
    masks[name] = Mask(rank[None], rank[None])  # ranks of the queries, ranks of the keys
    labels = [f"{word}, rank {r}" for word, r in zip(names, rank, strict=True)]
    put(show.matrix(np.where(back >= 0, back, np.nan), labels, names, 28), f"mask-{name}")
hidden = [int((~mask.dense()).sum()) for mask in masks.values()]
print("hidden cells: prefix-LM {}, causal {}".format(*hidden))
assert hidden == [33, 78]

# %% [markdown]
# A number is the row's rank less the column's; an empty cell is hidden. The first picture has
# a square (the prefix sees itself whole), below it a rectangle (the answer sees the prefix) and a
# staircase (the answer looks back).
#
# ## 2. Does the network keep to it?
# We change one thing and watch all 13 outputs of a small PaliGemma with random weights.
#
# **Predict.** Which outputs move when "top" becomes "bottom"? When "where" becomes "what"? When the
# last patch changes? And under the causal mask? (No mask reaches the vision transformer.)

# %%
decoder = GemmaConfig(words.vocab_size, width=64, depth=2, head_width=16, mlp_width=192)
tiny = PaliGemma(PaliGemmaConfig(ViTConfig(image_size=16, depth=1), decoder), rng)
pictures = rng.normal(size=(1, 3, 16, 16)).astype(np.float32).repeat(4, axis=0)  # (4, C, Y, X)
pictures[3, :, 8:, 8:] *= -1
prompts = (PROMPT, PROMPT, "answer en what is it", PROMPT)
rows, _ = encode_examples(words, prompts, (ANSWER, "bottom left", ANSWER, ANSWER))  # (4, T)
changes = {"answer": [names.index("top")], "prompt": [names.index("where")], "patch": range(N)}
patches = [tiny.encode_image(Tensor(picture[None])) for picture in pictures]  # (1, N, D) each
x = [tiny.embed(z, row[None])[0] for z, row in zip(patches, rows, strict=True)]  # (1, N+T, D)
moved = {}
for name, mask in masks.items():
    same, *others = (tiny.language(each, mask).data[0] for each in x)  # (N+T, D) each
    for (change, keys), y in zip(changes.items(), others, strict=True):
        moved[f"{change}, {name}"] = by = np.abs(y - same).max(axis=1)  # (N+T,)
        assert np.array_equal(by > 0, mask.dense()[0][:, keys].any(axis=1))  # else exactly 0
put(show.matrix([np.where(m > 0, m, np.nan) for m in moved.values()], list(moved), names), "moved")

# %% [markdown]
# Empty cells are exactly 0. In the prefix-LM the patches are read with the question in view, under
# the causal mask without. And an answer moves nothing before it: it can't leak to who predicts it.
#
# ## 3. The loss: only the answer, and one place early
# `logits[:, t]` are made from tokens 0 to t and speak of token t + 1: bos has to say "top", "top"
# "left", "left" eos. Nothing else is scored. The loss of a text is the mean of -ln p over its
# answer and eos, so a long answer counts as much as a short one.
#
# **Predict.** A model without a clue pays ln V for V words. Does the untrained one pay that, less,
# or more? And if one forgot the shift and scored `logits[:, t]` against token t?

# %%
ids, learned = encode_examples(words, [PROMPT, "answer en what color is it"], [ANSWER, "red"])
seen = tiny.encode_image(Tensor(pictures[2:]))  # (2, N, D)
logits = Tensor(tiny.read(seen, ids, learned).data, requires_grad=True)  # (2, T, V)
(loss := suffix_loss(logits, ids, learned).mean()).backward()
log_p = F.log_softmax(logits).data  # (2, T, V)
b, t = np.nonzero(learned)  # of each token to be learned: which text, and which place
share = 1 / learned.sum(axis=1)[b] / 2
losses = [-(share * log_p[b, t - ahead, ids[b, t]]).sum() for ahead in (1, 0)]
no_clue = np.log(words.vocab_size)
print(f"ln V = {no_clue:.2f}, untrained {losses[0]:.2f}, without the shift {losses[1]:.2f}")
assert abs(losses[0] - loss.item()) < 1e-5 and losses[0] > no_clue + 1 and losses[1] < 0.5
scored = np.abs(logits.grad).max(axis=2) > 0  # (2, T)
assert np.array_equal(scored[:, :-1], learned[:, 1:]) and not scored[:, -1].any()

# %% [markdown]
# A logit is a product with a word's vector, out of the table that the input is read from. So the
# untrained network, which hands on what it reads, says each token again, and is sure of it: without
# the shift it looks nearly perfect.
#
# ## 4. What makes the decoder a Gemma
# - **RMSNorm**: x / sqrt(mean x²) * (1 + w). It scales, but subtracts no mean; w starts at 0.
# - **RoPE**: queries and keys are turned by angles that grow with their place. The product of two
#   turned vectors depends on how far apart the places are, and on nothing else about them.
# - **Shared keys**: the four heads have a query each, but share one key and one value a token.
# - **sqrt(D)**: a word's vector has length 1, right for the last layer. As input it is multiplied
#   by sqrt(D), to be as large as what the blocks add to it; picture tokens are not.
#
# **Predict.** A query at place 7, a key at 3: does their product change at 107 and 103? At 8 and 3?

# %%
size = np.sqrt((tiny.language.norm(Tensor(np.float32([[3, 4] * 32]))).data ** 2).mean())
widths = [weight.shape[1] for weight in tiny.language.blocks[0].attention.parameters()[:3]]
word, patch = (np.linalg.norm(y.data, axis=-1).mean() for y in (tiny.language.embed(ids), seen))
q, k = (Tensor(rng.normal(size=(1, 1, heads, 16)).repeat(3, axis=1)) for heads in (4, 1))
turned = F.rope(q, np.array([7, 107, 8])), F.rope(k, np.array([3, 103, 3]))  # (B, T, heads, K)
scores = (turned[0] * turned[1]).data.sum(axis=3)[0]  # (3, 4)
print("each head at 7 and 3, 107 and 103, 8 and 3:", *np.round(scores, 3), sep="\n")
print(f"normed {size:.3f}; q, k, v {widths}; lengths of word {word:.1f}, patch {patch:.1f}")
assert np.allclose(scores[0], scores[1], atol=1e-9) and not np.allclose(scores[0], scores[2])
assert abs(size - 1) < 1e-5 and widths == [64, 16, 16] and abs(word - 8) < 1

# %% [markdown]
# ## 5. Training: one model, two kinds of questions
# Pictures of one shape, two questions about each: "what color is the circle" and "where is the red
# circle" (nine answers, such as "top left"). Nothing in the network knows of two tasks.
#
# **Predict.** Which is learned first? What would a model get right that sees only black pictures?
# And what does the trained one say when it is asked about a thing that is not in the picture?

# %%
KINDS = ("color",) if FAST else ("color", "position")
small = museum.MuseumConfig(radius=(9, 13) if FAST else (6, 9))  # px; 9 and less fit nine places
sets = (museum.Museum(small, "train").scenes(6000), museum.Museum(small, "test_iid").scenes(400))
scenes, held_out = ([s for s in each if museum.ask(s, rng, "position")] for each in sets)
pictures, test = museum.draw_all(scenes), museum.draw_all(held_out)  # (B, Y, X, C) each
model, by_kind = PaliGemma(PaliGemmaConfig(ViTConfig(depth=1), decoder), rng), []


def batch_of(step, rng):
    chosen = rng.integers(len(scenes), size=32)
    asked = [museum.ask(scenes[i], rng, kind) for i in chosen for kind in KINDS]
    prompts, said = [f"answer en {q.text}" for q in asked], [q.answer for q in asked]
    return images.to_model(pictures[chosen]), *encode_examples(words, prompts, said)


def loss_of(batch):
    x, ids, suffix = batch
    logits = model(Tensor(x), ids, suffix)  # (2B, T, V)
    if BREAK:  # token t stands where token t + 1 should
        ids, suffix = np.roll(ids, 1, axis=1), np.roll(suffix, 1, axis=1)
    loss = suffix_loss(logits, ids, suffix)  # (2B,)
    by_kind.append(loss.data.reshape(-1, len(KINDS)).mean(axis=0))
    return loss.mean()


with blas_threads(1):  # in products this small a second thread mostly waits
    fit(model, Recipe(700 - 400 * FAST, 32, optimizer="muon", seed=SEED), batch_of, loss_of)
curves = np.stack(by_kind).reshape(-1, 10, len(KINDS)).mean(axis=1).T  # means of ten steps
lines = dict(zip(KINDS, curves, strict=True))
put(show.curve(10 * np.arange(len(curves[0])), lines, "Loss", y_range=(0, 3)), "loss")
right, lines = {}, []
for kind in KINDS:
    asked = [museum.ask(scene, rng, kind) for scene in held_out]
    prompts = [f"answer en {q.text}" for q in asked]
    other = prompts[1:] + prompts[:1]  # each picture gets the next one's question
    tries = ((test, prompts), (test, other), (0 * test, prompts))
    said = [[a.text for a in respond(model, words, *each, max_tokens=4)] for each in tries]
    right[kind] = (np.array(said) == [q.answer for q in asked]).mean(axis=1)
    print("{:9}right {:.3f}, other thing {:.3f}, black picture {:.3f}".format(kind, *right[kind]))
    pairs = zip(prompts[:3] + other[:1], said[0][:3] + said[1][:1], strict=True)
    lines += [f"{prompt}: {text}" for prompt, text in pairs]
put(show.grid([*test[:3], test[0]] * len(KINDS), lines, 4, cell=128), "answers")
color, last = right["color"], right[KINDS[-1]]
assert color[0] > (0.4 if FAST else 0.95), f"loss {curves[0, -1]:.3f}, but {color[0]:.0%} right"
assert max(color[2], last[2]) < 0.25 and last[0] > (0.4 if FAST else 0.9)

# %% [markdown]
# Colours come first, then places (a short run asks for colours alone). A question about another
# picture's thing is answered as if it were about this one's: no example gave a reason to doubt.
#
# ## 6. Writing, and the KV cache
# To write, take the most probable next token, append it, and read again, until it is eos. But keys
# and values of the tokens before can't change: none may look at the new one (section 2: exactly 0).
# So keep them, and read the new token only: the KV cache.
#
# **Predict.** A prefix of 24 tokens, then 12 are written. How many tokens go through the decoder's
# first block without a cache, and with one? Are the words the same?

# %%
ids, _ = encode_examples(words, ["answer en where is the red circle"] * 8, [""] * 8)  # bos, eos
x, present = model.embed(model.encode_image(Tensor(images.to_model(test[:8]))), ids[:, :-1])
written, read = [], []
for use_cache in (False, True):
    with watch_attention() as maps:  # of every block that runs: (B, H, T, S)
        options = {"eos_id": -1, "max_tokens": 12, "use_cache": use_cache}  # -1: it never ends
        written.append(generate(model.language, x, present, **options).ids)
    read.append(sum(weights.shape[2] for weights in maps[::2]))
print(f"tokens read without a cache {read[0]}, with one {read[1]}")
assert np.array_equal(*written) and read == [sum(range(24, 36)), 24 + 11]

# %% [markdown]
# ## 7. The museum's guide
# The same classes after longer training: more objects and questions, captions, boxes. A box is four
# words such as `<loc0010>`: its top, left, bottom and right. Which task it is, the prompt says.
#
# **Predict.** One to three objects in a picture: which kind of question goes wrong most often?

# %%
path = model_files.WEIGHTS / "guide-museum.safetensors"
if not path.exists():
    print("The guide is not in this clone: `python -m tinyvlm train museum` makes one.")
else:
    guide, known, about = model_files.load_model(path, PaliGemma)
    exam = make_exam("test_iid", 5 if FAST else 80)
    pictures = museum.draw_all(exam.scenes)
    sighted, blind = (guide_exam.answers(guide, exam, each) for each in (pictures, 0 * pictures))
    for form, share in sighted.items():
        print(f"{form:18} right {share:.2f}, black picture {blind[form]:.2f}")
    assert sighted["all"] > blind["all"] + 0.2
    i = next(i for i, scene in enumerate(exam.scenes) if len(scene.objects) == 3)
    prompts = ["caption en"] + [f"detect {' '.join(each.pair)}" for each in exam.scenes[i].objects]
    said = [answer.text for answer in respond(guide, known, pictures[i : i + 1], prompts)]
    found = [box for text in said[1:] for box in decode_detections(text, about["bins"])]
    boxes = to_xywh(found, pictures[i].shape[:2])  # (M, 4)
    put(show.with_boxes(pictures[i], boxes, [box.label for box in found], 384), "guide")
    print(*zip(prompts, said, strict=True), sep="\n")

# %%
place, start, first = np.arange(9), np.array([[0], [2], [5]]), np.array([[3], [4], [8]])
present, suffix = place >= start, place >= first  # (3, 9) each, three texts, padding on the left
my_q_rank, my_k_rank = np.cumsum(suffix, axis=1), np.cumsum(suffix, axis=1)  # yours go here
wrong = Mask(my_q_rank, my_k_rank).dense() != Mask.prefix_lm(suffix, present).dense()
wrong &= present[:, :, None]  # what a padded query sees is nobody's business
print(f"text, query and key of a mistake: {np.argwhere(wrong)[0]}" if wrong.any() else "right")

# %% [markdown]
# ## Exercise
# With padding on the left, answers to texts of different lengths begin in one column. Write the
# ranks of the last cell: no real token may see a padded one. **Hint.** Query and key of a token may
# have different ranks. Then train a causal twin, `PaliGemmaConfig(..., causal=True)`: does it learn
# less? (Ours, with seeds 0 to 2: 1.000 of colours and places, like the prefix-LM.)
#
# ## Break it
# Set `BREAK`, or run with TINYVLM_BREAK=1: `logits[:, t]` are scored against token t, which they
# have read. The loss begins near 0 and stays there; asked, the model says bos again and again, and
# the assertion that compares loss and answers stops you.
#
# ## What to read next
# Beyer et al. 2024 (arXiv 2407.07726), section 3; then `models/paligemma.py` and `generate.py`.
