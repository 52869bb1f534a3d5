# %% [markdown]
# # 09 CLIP: pictures and sentences in one space
#
# Minutes: 70 to read and try, 1 to 2 to run.
# Prerequisites: lessons 02 and 07.
#
# ## Question
# A classifier has one output for each class it was trained on, and no place for anything else. How
# can a model name what it has never seen named?

# %%
import os
from pathlib import Path

import numpy as np

from tinyvlm import images, show, zero_shot
from tinyvlm.allocator import keep_freed_memory
from tinyvlm.datasets import museum
from tinyvlm.models.clip import clip_loss, patch_similarity
from tinyvlm.recipes import clip_museum
from tinyvlm.tensor import Tensor, no_grad

FAST = os.environ.get("TINYVLM_FAST") == "1"  # a short run that checks less
BREAK = os.environ.get("TINYVLM_BREAK") == "1"  # plants a bug, see "Break it"; or write True
OUT = (Path(__file__).parent if "__file__" in globals() else Path()) / "out"
SEED = 0  # the bounds below hold for 1 and 2 as well
B, E = 64, 64  # pictures in a batch, numbers in a vector
keep_freed_memory()  # training makes and drops the same arrays each step: about 1.4 times faster


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
# ## 1. Two towers, one space
# In CLIP (Radford et al. 2021) a name is not an output. It is an input: a sentence. A vision
# transformer turns a picture into a vector x of E numbers, a text transformer turns a sentence into
# a vector y of as many, and the cosine of the two says how well they fit. To name a picture, write
# a sentence for each candidate and take the one that fits best. A new name is a new sentence.
#
# We train on pictures of one shape each. Of 8 x 6 pairs of a colour and a shape, ten are withheld
# for the test: red things and circles occur, but no red circle, and no sentence about one.

# %%
rng = np.random.default_rng(SEED)
data = clip_museum.TrainingSet(SEED, count=3_000 if FAST else 20_000)
said = [museum.caption(scene, rng).text for scene in data.scenes[:8]]
put(show.grid(list(data.pictures[:8]), said, 4, cell=112), "pairs")
assert not {scene.objects[0].pair for scene in data.scenes} & set(museum.WITHHELD)

# %% [markdown]
# ## 2. The loss: a table with two exams
# Compare all B pictures of a batch with all B sentences: a table of B x B cosines, times a number
# e^s (section 3), gives the **logits**. Row i is an exam question with B answers: which sentence
# belongs to picture i? Column j asks the reverse. A softmax makes probabilities of each row and of
# each column, and the loss is the mean of -ln of what the right answers got, over both directions.
#
# The slope of that for a logit is p - q: what the model said minus what was right (1 or 0). So
# each picture is pulled to its sentence and pushed from the others, as hard as the model errs.
#
# **Predict.** What is the loss of a model that gives all B answers the same logit? And what if its
# logits are random, of mean 0 and standard deviation 1: the same, less, or more?


# %%
def log_softmax(logits, axis):
    shifted = logits - logits.max(axis=axis, keepdims=True)  # else exp overflows
    return shifted - np.log(np.exp(shifted).sum(axis=axis, keepdims=True))


def contrast(logits, true):
    """logits (B, M); true (B, M) says which sentences fit which pictures -> loss, slopes (B, M)."""
    loss, slopes = 0.0, np.zeros_like(logits)
    for axis in (1, 0):  # a picture's sentences, then a sentence's pictures
        log_p = log_softmax(logits, axis)  # (B, M)
        q = true / true.sum(axis=axis, keepdims=True)  # several right answers share; see section 4
        weight = 0.5 / logits.shape[1 - axis]  # a mean over the questions, half of each direction
        loss -= weight * (q * log_p).sum()
        slopes += weight * (np.exp(log_p) - q)
    return loss, slopes


own = np.eye(B, dtype=bool)  # sentence i belongs to picture i
clueless, _ = contrast(np.zeros((B, B)), own)
random, _ = contrast(rng.normal(size=(B, B)), own)
print(f"all logits equal {clueless:.3f} = ln {B}; random logits {random:.3f}")
assert abs(clueless - np.log(B)) < 1e-12 and clueless + 0.1 < random < clueless + 0.9

logits = Tensor(rng.normal(size=(B, B)), requires_grad=True)
(library := clip_loss(logits)).backward()
loss, slopes = contrast(logits.data, own)
assert abs(loss - library.item()) < 1e-12 and np.abs(slopes - logits.grad).max() < 1e-12

# %% [markdown]
# To be clueless costs ln B. To be clueless and sure of oneself costs about half the variance of the
# logits more. ln B is the number to know when a contrastive loss stands still.
#
# **Predict.** An untrained CLIP, one sentence a picture: ln 64 = 4.16, less, or more? And the
# museum's recipe, with two sentences a picture, so 64 x 128 logits: what would cluelessness cost?

# %%
untrained = clip_museum.build(SEED)
drawn, ids, _ = data.batch(B, rng)  # (B, Y, X, C), (2B, T)
with no_grad():
    table = untrained(Tensor(images.to_model(drawn)), ids[:B]).data.astype(np.float64)  # (B, B)
loss, _ = contrast(table, own)
expected = np.log(B) + (table.var(axis=1).mean() + table.var(axis=0).mean()) / 4
no_clue = (np.log(2 * B) + np.log(B)) / 2  # of the recipe: rows of 2B answers, columns of B
print(f"untrained {loss:.2f}; ln B and half the variance {expected:.2f}; recipe {no_clue:.2f}")
assert abs(loss - expected) < 0.25 and loss > np.log(B)

# %% [markdown]
# ## 3. Why length 1, and what the temperature does
# Every vector is divided by its length, so that only its direction counts. Without that, length
# works as volume: a sentence may win not because it fits, but because it shouts.
#
# And because cosines end at 1, a softmax over them is nearly flat. e^s sharpens it; 1 / e^s is
# called the temperature. The logarithm s is what is learned: a step changes e^s by a factor, and it
# can't become negative. CLIP starts at e^s = 1 / 0.07 = 14.3 and stops at 100.
#
# **Predict.** (a) All directions are random, but sentence 0 is ten times as long as the other 63.
# How many of 1,000 pictures choose it? (b) Take 64 pairs, each x equal to its y, and all as far
# apart as 64 directions can be. To be clueless costs 4.16. What does e^s = 1 cost?


# %%
def unit(x):
    return x / np.linalg.norm(x, axis=-1, keepdims=True)


pictures, sentences = rng.normal(size=(1000, E)), rng.normal(size=(B, E))
sentences[0] *= 10
loud, fair = (np.mean((pictures @ y.T).argmax(1) == 0) for y in (sentences, unit(sentences)))
print(f"sentence 0 is chosen by {loud:.0%}, with all lengths 1 by {fair:.0%}")
assert loud > 0.25 and fair < 0.06

corners = unit(np.eye(B) - 1 / B)  # cosine 1 with itself, -1/63 with all others
best = [contrast(t * corners @ corners.T, own)[0] for t in (1, 14.3)]
print(f"least loss with e^s = 1: {best[0]:.2f}, with 14.3: {best[1]:.5f}")
assert abs(best[0] - 3.17) < 0.01 and best[1] < 1e-4

cosines = np.array([0.8, 0.7, 0.5, 0.3, 0.1, 0.0, -0.2, -0.4])  # of one picture and 8 sentences
scales = {"e^s = 1": 1, "e^s = 14.3": 14.3, "e^s = 100": 100}
p = np.exp([log_softmax(t * cosines, axis=0) for t in scales.values()])  # (3, 8)
put(show.matrix(p, list(scales), [f"cosine {c:g}" for c in cosines]), "temperature")
nearest = p[:, 1] / p[:, 1:].sum(axis=1)  # its share of what the wrong ones get
assert nearest[0] < 0.3 and nearest[1] > 0.9

# %% [markdown]
# With e^s = 1 no training can come below 3.17. In the picture, if the first sentence is right, what
# the others get is also how hard they are pushed: much alike at 1, at 14.3 mostly the nearest.
#
# ## 4. False negatives
# "A red star on the left" may be true of other pictures in the batch too. With only the diagonal
# as right answers, it is pushed away from pictures that it describes: a false negative.
#
# **Predict.** Of 64 sentences with colour and shape, how many are true of somebody else's picture?
# And what share of all pushes hits such true pairs, for a model that knows nothing (all logits 0),
# and for one that knows exactly what is true (logit 20 where true, else 0)?

# %%
batches = [data.batch(B, rng)[2] for _ in range(50)]  # which are true: (B, 2B) bool
shared = np.mean([(true.sum(axis=0) > 1).reshape(2, B).sum(axis=1) for true in batches], axis=0)
print(f"also true of another picture: {shared[0]:.0f} of 64; without the colour {shared[1]:.0f}")
assert 32 < shared[0] < 43 and shared[1] > 54

true = batches[0][:, :B]  # the sentences with colour and shape
pushes = [contrast(logits * true, own)[1].clip(min=0) for logits in (0.0, 20.0)]
hit = [push[true & ~own].sum() / push.sum() for push in pushes]
print(f"pushes that hit true pairs: knowing nothing {hit[0]:.1%}, knowing all {hit[1]:.1%}")
assert hit[0] < 0.05 and hit[1] > 0.99
assert np.abs(contrast(20.0 * true, true)[1]).max() < 1e-6  # the cure: nothing left to push

# %% [markdown]
# The more a model knows, the more of its pushes are wrong. The museum knows what is true, so all
# true sentences share the target (Yang et al. 2022). On the web nobody knows; CLIP lives with it.
#
# ## 5. Training, and the test
# Each picture brings two sentences: one with colour and shape, one with the shape alone ("a star").
# Where k of them share the target, the loss can't go below ln k, even for a model that knows all.
#
# **Predict.** Where does the loss begin, and near what number does it end? Then the test: a choice
# of 48 names for pictures of withheld pairs. How often is the colour right, the shape, and both?

# %%
if BREAK:
    data.pictures = np.roll(data.pictures, 1, axis=0)
model, history = clip_museum.train(data, steps=60 if FAST else 400, threads=2)

knows_all = np.mean([contrast(40.0 * true, true)[0] for true in batches])
one = np.ones(len(history.losses))
levels = {f"no clue {no_clue:.2f}": no_clue * one, f"knows all {knows_all:.2f}": knows_all * one}
lines = levels | {"this run": history.losses}
put(show.curve(one.cumsum(), lines, "Loss", faint=list(levels)), "loss")
end = np.mean(history.losses[-10:])
print(f"loss {history.losses[0]:.2f} to {end:.2f}; no clue {no_clue:.2f}, all {knows_all:.2f}")
assert end < (3.9 if FAST else knows_all + 0.6), f"it stands at {end:.2f}: are the pairs right?"

frozen = museum.museum_eval_v1()
withheld, seen = (clip_museum.accuracy(model, s) for s in (frozen.withheld, frozen.seen))
print("          withheld    seen  chance  sees only colour")
for what, chance, blind in (("colour", 8, 1), ("shape", 6, 6), ("joint", 48, 6)):
    print(f"{what:10}{withheld[what]:8.3f}{seen[what]:8.3f}{1 / chance:8.3f}{1 / blind:10.3f}")
assert withheld["colour"] > (3 / 8 if FAST else 0.9)
assert withheld["joint"] > (5 / 48 if FAST else 2 / 6) and seen["joint"] > (7 / 48 if FAST else 0.9)

pictures = museum.draw_all(frozen.withheld)  # (400, Y, X, C)
pairs = [" ".join(scene.objects[0].pair) for scene in frozen.withheld]
LABELS, words = clip_museum.LABELS, clip_museum.tokenizer()
sure = clip_museum.name_pictures(model, pictures[:12])  # (12, 48)
named = [f"{LABELS[row.argmax()]}, {row.max():.0%}" for row in sure]
put(show.grid(list(pictures[:12]), named, 6, cell=96), "named")
first = [pairs.index(pair) for pair in dict.fromkeys(pairs)][:8]  # one picture of each pair
columns = [pairs[i] for i in first]
for name, clip in (("before", untrained), ("after", model)):
    x = zero_shot.embed_pictures(clip, pictures[first])  # (8, E)
    y = zero_shot.classifier(clip, words, columns, ["{}"], clip_museum.LENGTH)  # (8, E)
    put(show.matrix(x @ y.T, [f"picture of {pair}" for pair in columns], columns, 38), name)

# %% [markdown]
# So a model can name what it never saw named, if the name is made of words that it knows and the
# thing of properties that it knows. It isn't free: withheld pairs are harder than seen ones.
#
# ## 6. Prompts
# A label becomes a sentence by a template, "a photo of {}", or several: its vector is their mean. A
# mean of unit vectors is shorter than 1, more so where the templates disagree, and a short vector
# whispers (section 3): normalise **again**.
#
# **Predict.** No training sentence was like the last two of these six. What do they cost?

# %%
PROMPTS = ("{}", "a photo of {}", "a picture of {}", "there is {}")
PROMPTS += ("in the museum there is {}", "ok look again it really is like {} you see")
by_prompt = [zero_shot.classifier(model, words, LABELS, [p], clip_museum.LENGTH) for p in PROMPTS]
mean = np.mean(by_prompt, axis=0)  # (48, E)
answer = np.array([LABELS.index(pair) for pair in pairs])
x = zero_shot.embed_pictures(model, pictures)  # (400, E)
right = [np.mean((x @ y.T).argmax(axis=1) == answer) for y in (*by_prompt, mean, unit(mean))]
for prompt, accuracy in zip((*PROMPTS, "their mean", "made a unit vector"), right, strict=True):
    print(f"{accuracy:.3f}  {prompt}")
lengths = np.linalg.norm(mean, axis=1)
print(f"the means were {lengths.min():.3f} to {lengths.max():.3f} long")
assert lengths.max() < 1 and right[-1] >= min(right[:-2])

# %% [markdown]
# The mean needs no search for the right template. To normalise it again brought 0 to 2 points here
# (seeds 0 to 2); the less the templates agree, the more it matters.
#
# ## 7. Where each patch looks
# The picture's vector is pooled from 16 patch tokens. Send each token alone through the projection,
# and every patch has a cosine with every label. A word's light: the mean over the labels that have
# the word, less the mean over all 48: what the word adds.
#
# **Predict.** Nobody told the model where anything is. Objects cover about a quarter of a picture.
# How much of the brightest patch do they cover, for the word of the colour, and of the shape?

# %%
ids = words.batch([museum.with_article(label) for label in LABELS], clip_museum.LENGTH)
heat = patch_similarity(model, Tensor(images.to_model(pictures)), ids)  # (400, 48, 4, 4)
heat -= heat.mean(axis=1, keepdims=True)
light = {w: heat[:, [w in label for label in LABELS]].mean(1) for w in " ".join(LABELS).split()}
masks = np.stack([museum.masks(scene)[0] for scene in frozen.withheld])  # (400, Y, X)
cover = masks.reshape(-1, 4, 8, 4, 8).mean(axis=(2, 4)).reshape(-1, 16)  # (400, 16)
under = [[cover[i, light[w][i].argmax()] for w in pair.split()] for i, pair in enumerate(pairs)]
color, shape = np.mean(under, axis=0)
print(f"covered: colour {color:.0%}, shape {shape:.0%}, any patch {cover.mean():.0%}")
assert color > shape and (FAST or color > 2 * cover.mean())

shown = [(i, word) for i in first[:6] for word in pairs[i].split()]
tiles = [np.asarray(show.overlay(pictures[i], light[word][i], 96)) for i, word in shown]
put(show.grid(tiles, [word for _, word in shown], 6, cell=96), "where")

# %% [markdown]
# The colour is lit on the object. The shape is not, perhaps because what tells shapes apart is at
# their edges, and attention has mixed the tokens by then. Don't read such maps as "it is here".
#
# ## Exercise
# Train with the temperature frozen at e^s = 1: what becomes of the loss and of the joint accuracy?
# (.26 and .16 with seeds 1 and 2, not .97 and .99.) Then thaw it; keep one direction of the loss.
# **Hint.** Put your own `clip_museum.build` and `clip_museum.clip_loss` before training. To freeze:
# `model.logit_scale.data[...] = 0` and `model.logit_scale.requires_grad = False`.
#
# ## Break it
# Set `BREAK`, or run with TINYVLM_BREAK=1: each picture gets its neighbour's sentences. Nothing
# crashes; the loss falls a little and stands near 4.35, until the assertion stops you. It is below
# "no clue", as one knows without looking that "a star" is true more often than "a red star".
#
# ## What to read next
# Radford et al. 2021 (arXiv 2103.00020), section 2.3 with its pseudo-code and 3.1 on prompts. Then
# `tinyvlm/models/clip.py` and `tinyvlm/zero_shot.py`, and `python -m tinyvlm demo`.
