"""Prompts about pictures: together or alone, scored, and refused when they name no task."""

import numpy as np
import pytest

from tinyvlm.blocks.gemma import GemmaConfig
from tinyvlm.blocks.vit import ViTConfig
from tinyvlm.errors import InputError
from tinyvlm.generate import Sampling
from tinyvlm.models.paligemma import PaliGemma, PaliGemmaConfig
from tinyvlm.nn.attention import watch_attention
from tinyvlm.respond import attention_of_words, different_answers, respond
from tinyvlm.text import WordTokenizer

WORDS = WordTokenizer.from_texts(["caption en", "answer en what color is the star", "detect red"])


def guide(**changes):
    vision = ViTConfig(8, patch_size=4, width=16, depth=1, heads=2, mlp_width=24, **changes)
    language = GemmaConfig(
        vocab_size=WORDS.vocab_size,
        width=12,
        depth=2,
        heads=4,
        kv_heads=2,
        head_width=6,
        mlp_width=20,
    )
    return PaliGemma(PaliGemmaConfig(vision, language), np.random.default_rng(0))


PICTURES = np.random.default_rng(5).integers(0, 256, (2, 8, 8, 3), dtype=np.uint8)
PROMPTS = ["caption en", "answer en what color is the big star"]


def test_several_prompts_a_picture():
    """Prompts of different lengths at once are the prompts one after another."""
    together = respond(guide(), WORDS, PICTURES, PROMPTS * 2, max_tokens=4)
    alone = [
        respond(guide(), WORDS, picture[None], [prompt], max_tokens=4)[0]
        for picture in PICTURES
        for prompt in PROMPTS
    ]
    for a, b in zip(together, alone, strict=True):
        assert a.text == b.text
        assert a.probability == pytest.approx(b.probability, abs=1e-5)
        assert a.unknown == b.unknown
    assert [answer.unknown for answer in together] == [(), ("big",)] * 2


def test_an_answer_has_a_score_for_each_token():
    model = guide()
    for parameter in model.language.parameters():
        parameter.data *= np.float32(4)
    rng = np.random.default_rng(0)
    for answer in respond(model, WORDS, PICTURES, PROMPTS * 2, sampling=Sampling(9.0), rng=rng):
        said = " ".join(token for token, _ in answer.tokens if token)
        assert said == answer.text == WORDS.decode(answer.ids)
        assert not {WORDS.pad_id, WORDS.eos_id} & {*answer.ids}
        assert all(0 < score <= 1 for _, score in answer.tokens)
        product = np.prod([score for _, score in answer.tokens])
        assert answer.probability <= product * (1 + 1e-5)  # its end counts too


def test_a_prompt_without_a_task():
    with pytest.raises(InputError, match="begin with one of: caption en, answer en QUESTION, det"):
        respond(guide(), WORDS, PICTURES[:1], ["what color is the star"])


@pytest.mark.parametrize("words", [0, 10_000])
def test_a_question_of_no_words_and_of_many(words):
    with pytest.raises(InputError, match=r"write the QUESTION|10,002 tokens and 64 are read"):
        respond(guide(), WORDS, PICTURES[:1], ["answer en " + "red " * words])


@pytest.mark.parametrize(("pictures", "prompts"), [(2, 3), (0, 1), (1, 0)])
def test_prompts_that_do_not_fit_the_pictures(pictures, prompts):
    with pytest.raises(InputError, match=f"{prompts} prompts for {pictures} pictures"):
        respond(guide(), WORDS, PICTURES[:pictures], ["caption en"] * prompts)


def test_answers_that_begin_differently():
    """The first is what respond says; the others begin with what was less probable, and go on."""
    model = talkative_guide()
    (said,) = respond(model, WORDS, PICTURES[:1], [PROMPTS[1]], max_tokens=3)
    answers = different_answers(model, WORDS, PICTURES[0], PROMPTS[1], 4, max_tokens=3)
    assert answers[0].text == said.text
    assert answers[0].probability == pytest.approx(said.probability, abs=1e-5)
    assert len({answer.ids[:1] for answer in answers}) == 4  # one may be none
    begin = [answer.tokens[0][1] for answer in answers if answer.ids]
    assert begin == sorted(begin, reverse=True)
    assert max(len(answer.ids) for answer in answers) > 1
    assert all(answer.unknown == ("big",) for answer in answers)


def test_an_answer_that_is_cut_says_so():
    model = talkative_guide()
    (long,) = respond(model, WORDS, PICTURES[:1], PROMPTS[:1], max_tokens=4)
    assert not long.finished
    model.language.norm.weight.data[:] = -1  # every logit 0: the first token, padding, is chosen
    answers = different_answers(model, WORDS, PICTURES[0], "caption en", 3, max_tokens=1)
    assert [(a.text, a.finished) for a in answers] == [("", False), ("", False), ("", True)]


def talkative_guide(**vision):
    """It says several words, different ones, and doesn't look evenly."""
    model = guide(**vision)
    for parameter in model.language.parameters():
        parameter.data *= np.float32(4)
    return model


@pytest.mark.parametrize("prompt", PROMPTS)
def test_words_look_where_they_looked_when_they_were_said(prompt):
    """One pass over a finished answer shows what each step of its generation looked at."""
    model = talkative_guide()
    with watch_attention() as watched:
        (answer,) = respond(model, WORDS, PICTURES[:1], [prompt], max_tokens=4)
    words, maps = attention_of_words(model, WORDS, PICTURES[0], prompt, answer.ids)
    assert words == [token for token, _ in answer.tokens]
    assert (maps.shape, maps.dtype) == ((4, 2, 2), np.float32)
    steps = np.reshape([weights[0, :, -1, :4] for weights in watched[1:]], (4, 2, 4, 2, 2))
    np.testing.assert_allclose(maps, steps.mean(axis=(1, 2)), atol=1e-6)
    assert np.ptp(maps.sum(axis=(1, 2))) > 0.05  # a share of the attention, another for each word


def test_maps_of_a_tower_with_a_class_token_and_of_no_words():
    model = talkative_guide(pool="class")
    with watch_attention() as watched:
        respond(model, WORDS, PICTURES[:1], ["caption en"], max_tokens=1)
    _, maps = attention_of_words(model, WORDS, PICTURES[0], "caption en", [5])
    last = np.stack([weights[0, :, -1, 1:5] for weights in watched[1:]])
    np.testing.assert_allclose(maps[0].ravel(), last.mean(axis=(0, 1)), atol=1e-6)
    words, maps = attention_of_words(model, WORDS, PICTURES[0], "caption en", [])
    assert words == [] and maps.shape == (0, 2, 2)
