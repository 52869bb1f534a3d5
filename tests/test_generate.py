"""Decoding: the cache, padding and the batch change nothing; sampling draws what it should."""

from dataclasses import replace

import numpy as np
import pytest

from tinyvlm.blocks.gemma import Gemma, GemmaConfig
from tinyvlm.errors import InputError
from tinyvlm.generate import CachedReader, Reader, Sampling, choose, generate
from tinyvlm.nn.masks import Mask
from tinyvlm.tensor import Tensor, no_grad

CONFIG = GemmaConfig(
    vocab_size=17, width=12, depth=2, heads=4, kv_heads=2, head_width=6, mlp_width=20
)
NEVER = -1  # an end of text that no token is
LENGTHS = [5, 2, 4, 1]


def make():
    """Weights three times as large as at the start: an untrained model repeats its last token."""
    model = Gemma(CONFIG, np.random.default_rng(0))
    for parameter in model.parameters():
        parameter.data *= np.float32(3)
    return model


def prefixes(side="right", lengths=LENGTHS, extra=0):
    """The same rows with padding on either side; what stands in the padding is random."""
    S = max(lengths) + extra
    rng = np.random.default_rng(3)
    rows = [np.random.default_rng(i).normal(size=(n, 12)) for i, n in enumerate(lengths)]
    x = rng.normal(size=(len(rows), S, 12))
    present = np.zeros((len(rows), S), bool)
    for i, row in enumerate(rows):
        start = S - len(row) if side == "left" else 0
        x[i, start : start + len(row)] = row
        present[i, start : start + len(row)] = True
    return Tensor(x.astype(np.float32)), present


def greedy(x, present, **options):
    return generate(make(), x, present, **{"eos_id": NEVER, "max_tokens": 7, **options})


def assert_same(a, b):
    np.testing.assert_array_equal(a.ids, b.ids)
    np.testing.assert_allclose(a.scores, b.scores, rtol=0, atol=1e-5)
    np.testing.assert_array_equal(a.finished, b.finished)


# What must not matter


@pytest.mark.parametrize("side", ["left", "right"])
@pytest.mark.parametrize("lengths", [LENGTHS, [4, 4]], ids=["padded", "full"])
@pytest.mark.parametrize("causal", [False, True])
def test_with_and_without_the_cache(side, lengths, causal):
    """To 1e-5, logits and not only tokens."""
    x, present = prefixes(side, lengths)
    options = {"causal": causal}
    assert_same(greedy(x, present, **options), greedy(x, present, use_cache=False, **options))
    with no_grad():
        cached = CachedReader(make(), x, present, 4, causal)
        plain = Reader(make(), x, present, causal)
        ids = np.random.default_rng(0).integers(0, 17, (len(x), 4))
        np.testing.assert_allclose(cached.read_prefix(), plain.read_prefix(), rtol=0, atol=1e-5)
        for t in range(1, 5):
            new = ids[:, :t]
            np.testing.assert_allclose(cached.read(new), plain.read(new), rtol=0, atol=1e-5)


@pytest.mark.parametrize("use_cache", [True, False])
def test_padding_on_the_left_or_on_the_right(use_cache):
    left, right = prefixes("left"), prefixes("right")
    assert_same(greedy(*left, use_cache=use_cache), greedy(*right, use_cache=use_cache))
    wider = prefixes("right", extra=3)
    assert_same(greedy(*wider, use_cache=use_cache), greedy(*right, use_cache=use_cache))


@pytest.mark.parametrize("side", ["left", "right"])
def test_a_causal_prefix(side):
    """As the model's own causal mask has it; catches a prefix that is read whole all the same."""
    x, present = prefixes(side, [4, 4])
    with no_grad():
        model = make()
        expected = model.logits(model(x, Mask.causal(4))[:, -1]).data
        whole = Reader(model, x, present).read_prefix()
        np.testing.assert_allclose(
            Reader(model, x, present, True).read_prefix(), expected, atol=1e-5
        )
    assert np.abs(whole - expected).max() > 0.1


@pytest.mark.parametrize("side", ["left", "right"])
def test_a_row_alone_or_in_a_batch(side):
    x, present = prefixes(side)
    together = greedy(x, present)
    for i, n in enumerate(LENGTHS):
        alone = greedy(Tensor(x.data[i : i + 1][present[i : i + 1]][None]), np.ones((1, n), bool))
        np.testing.assert_array_equal(alone.ids[0], together.ids[i])
        np.testing.assert_allclose(alone.scores[0], together.scores[i], rtol=0, atol=1e-5)


def test_greedy_is_the_same_every_time():
    first, second = greedy(*prefixes()), greedy(*prefixes())
    np.testing.assert_array_equal(first.ids, second.ids)
    np.testing.assert_array_equal(first.scores, second.scores)
    assert len(np.unique(first.ids)) > 3, "the model always says the same: the tests prove little"


def test_greedy_by_hand():
    """Each token is the most probable one after all before it, its score that probability."""
    model, (x, present) = make(), prefixes(lengths=[4])
    said = greedy(x, present, max_tokens=3)
    x = x.data
    for t in range(3):
        S = x.shape[1]
        visible = (np.arange(S) < 4) | (np.arange(S) <= np.arange(S)[:, None])
        logits = model.logits(Tensor(by_hand(model, x, visible))).data[0, -1]
        p = np.exp(logits - logits.max()) / np.exp(logits - logits.max()).sum()
        assert said.ids[0, t] == p.argmax()
        assert said.scores[0, t] == pytest.approx(p.max(), abs=1e-5)
        x = np.concatenate([x, model.embed(said.ids[:, t : t + 1]).data], axis=1)


def by_hand(model, x, visible):
    """The decoder with a mask that is written out."""

    class Written:
        def __init__(self, rows):
            self.rows = rows

        def dense(self):
            return self.rows[None]

    return model(Tensor(x), Written(visible)).data


@pytest.mark.parametrize("side", ["left", "right"])
def test_a_first_token_that_is_given(side):
    """What follows is what follows it, and it is scored as if it had been chosen."""
    x, present = prefixes(side)
    free = greedy(x, present)
    assert_same(greedy(x, present, first=free.ids[:, 0]), free)
    other = np.array([3, 1, 4, 1])
    said = greedy(x, present, first=other)
    np.testing.assert_array_equal(said.ids[:, 0], other)
    assert (said.scores[:, 0] < free.scores[:, 0]).all()
    assert not np.array_equal(said.ids[:, 1:], free.ids[:, 1:])
    assert_same(said, greedy(x, present, first=other, use_cache=False))


# Where it ends


def test_it_stops_at_the_end_of_text():
    """Each row at its own; after that padding with score 1. The other rows go on as before."""
    x, present = prefixes()
    free = greedy(x, present)
    eos = int(free.ids[0, 2])
    said = greedy(x, present, eos_id=eos, pad_id=16)
    for i, row in enumerate(free.ids):
        ends = np.flatnonzero(row == eos)
        stop = ends[0] + 1 if len(ends) else len(row)
        width = said.ids.shape[1]
        np.testing.assert_array_equal(said.ids[i, :stop], row[:stop][:width])
        assert (said.ids[i, stop:] == 16).all()
        assert (said.scores[i, stop:] == 1).all()
        assert said.finished[i] == (len(ends) > 0)
    np.testing.assert_allclose(said.probability, said.scores.prod(axis=1))
    alone = greedy(Tensor(x.data[:1]), present[:1], eos_id=eos)
    assert alone.ids.shape[1] < 7, "it goes on though all have ended"


def test_it_stops_after_max_tokens():
    said = greedy(*prefixes(), max_tokens=3)
    assert said.ids.shape == said.scores.shape == (4, 3)
    assert not said.finished.any()
    np.testing.assert_array_equal(said.ids, greedy(*prefixes()).ids[:, :3])


# Sampling

P = np.array([0.4, 0.3, 0.2, 0.06, 0.04])
SHUFFLED = np.array([3, 0, 4, 2, 1])  # so that the most probable is not the first


def shares(sampling, n=20_000):
    """How often each of the five tokens is drawn."""
    logits = np.tile(np.log(P[SHUFFLED]) + 5, (n, 1)).astype(np.float32)
    drawn = choose(logits, sampling, np.random.default_rng(0))
    counts = np.bincount(drawn, minlength=5) / n
    found = np.empty(5)
    found[SHUFFLED] = counts
    return found


@pytest.mark.parametrize(
    ("sampling", "expected"),
    [
        (Sampling(), P),
        (Sampling(temperature=0.5), P**2),
        (Sampling(temperature=2.0), P**0.5),
        (Sampling(top_k=1), [1, 0, 0, 0, 0]),
        (Sampling(top_k=3), [4, 3, 2, 0, 0]),
        (Sampling(top_k=9), P),
        (Sampling(top_p=0.39), [1, 0, 0, 0, 0]),
        (Sampling(top_p=0.41), [4, 3, 0, 0, 0]),  # the token that crosses p stays
        (Sampling(top_p=0.8), [4, 3, 2, 0, 0]),
        (Sampling(top_k=3, top_p=0.7), [4, 3, 0, 0, 0]),  # p is of what top_k left: .44, .78
        (Sampling(temperature=0.5, top_p=0.5), [1, 0, 0, 0, 0]),  # .54 after the temperature
    ],
)
def test_what_is_drawn(sampling, expected):
    expected = np.array(expected) / np.sum(expected)
    found = shares(sampling)
    np.testing.assert_array_equal(found[expected == 0], 0)
    np.testing.assert_allclose(found, expected, rtol=0, atol=0.02)  # 5 standard errors


@pytest.mark.parametrize("temperature", [1e-4, 1e-310])
def test_a_low_temperature_is_greedy(temperature):
    logits = np.random.default_rng(0).normal(size=(50, 17)).astype(np.float32)
    drawn = choose(logits, Sampling(temperature), np.random.default_rng(1))
    np.testing.assert_array_equal(drawn, logits.argmax(axis=1))


def test_the_generator_decides():
    """One seed, one text; another seed, another text."""
    x, present = prefixes()
    texts = [
        greedy(x, present, sampling=Sampling(3.0), rng=np.random.default_rng(seed)).ids
        for seed in (0, 0, 1)
    ]
    np.testing.assert_array_equal(texts[0], texts[1])
    assert (texts[0] != texts[2]).any()


def test_a_score_is_the_models_own_probability():
    """Not that of the cut distribution: with top_k=1 every token would have 1."""
    x, present = prefixes()
    one = greedy(x, present, sampling=Sampling(0.7, top_k=1), rng=np.random.default_rng(0))
    assert_same(one, greedy(x, present))
    assert (one.scores < 0.99).any()


def test_scores_of_what_was_drawn():
    """Read again, the model gives each drawn token the probability that was kept, whichever it
    was. Catches the probability of the most probable token instead."""
    x, present = prefixes("left")
    said = greedy(x, present, sampling=Sampling(3.0), rng=np.random.default_rng(0))
    reader = Reader(make(), x, present)
    for t in range(7):
        logits = reader.read(said.ids[:, :t]) if t else reader.read_prefix()
        p = np.exp(logits) / np.exp(logits).sum(axis=1, keepdims=True)
        np.testing.assert_allclose(said.scores[:, t], p[range(4), said.ids[:, t]], atol=1e-5)
    assert (said.scores < 0.2).any()


# What is refused


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"max_tokens": 0}, "max_tokens is 0: give 1 or more"),
        ({"sampling": Sampling()}, "sampling needs rng"),
    ],
)
def test_options_that_make_no_text(options, message):
    with pytest.raises(InputError, match=message):
        greedy(*prefixes(), **options)


def test_a_row_of_padding():
    x, present = prefixes()
    present[1] = False
    with pytest.raises(InputError, match="all padding"):
        greedy(x, present)


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"temperature": 0}, "temperature is 0: give more than 0, or go greedy"),
        ({"temperature": float("nan")}, "temperature is nan"),
        ({"top_k": 0}, "top_k is 0: give 1 or more"),
        ({"top_p": 0}, "top_p is 0: give more than 0 and at most 1"),
        ({"top_p": 1.1}, "top_p is 1.1"),
    ],
)
def test_sampling_that_draws_nothing(wrong, message):
    with pytest.raises(InputError, match=message):
        replace(Sampling(), **wrong)
