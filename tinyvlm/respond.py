"""respond: a picture and a prompt in, an answer out, with how sure the model is (layer 7)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from tinyvlm import images
from tinyvlm.errors import InputError
from tinyvlm.generate import Generated, Reader, Sampling, generate
from tinyvlm.models.paligemma import PaliGemma
from tinyvlm.nn.attention import watch_attention
from tinyvlm.tensor import Tensor, no_grad
from tinyvlm.text import Tokenizer
from tinyvlm.text.prompts import encode_prompt, pad


@dataclass(frozen=True)
class Answer:
    """What the model says to a prompt, and how sure it is of it."""

    text: str
    probability: float  # of the whole text and its end
    ids: tuple[int, ...]  # of the text
    tokens: tuple[tuple[str, float], ...]  # each of them as text, and its probability
    unknown: tuple[str, ...]  # the words of the prompt that the model has never met
    finished: bool  # False where max_tokens came before its end


def respond(
    model: PaliGemma,
    tokenizer: Tokenizer,
    pictures: np.ndarray,
    prompts: Sequence[str],
    *,
    max_tokens: int = 32,
    sampling: Sampling | None = None,
    rng: np.random.Generator | None = None,
) -> list[Answer]:
    """Answer prompts about pictures (B, Y, X, 3) uint8 of the model's size, Q prompts a picture.

    prompts: B*Q of them, the Q of a picture together, such as "caption en".
    Raises InputError for a prompt that names no task (the message lists them), that lacks its
    question, or that is longer than 64 tokens.
    """
    rows = [encode_prompt(tokenizer, prompt) for prompt in prompts]
    if len(pictures) == 0 or not rows or len(rows) % len(pictures):
        raise InputError(f"{len(rows)} prompts for {len(pictures)} pictures: give each as many")
    ids = pad(rows, tokenizer.pad_id, "left")
    with no_grad():
        x, present = model.embed(model.encode_image(Tensor(images.to_model(pictures))), ids)
    said = generate(
        model.language,
        x,
        present,
        eos_id=tokenizer.eos_id,
        pad_id=tokenizer.pad_id,
        max_tokens=max_tokens,
        sampling=sampling,
        rng=rng,
        causal=model.config.causal,
    )
    return answers_of(tokenizer, prompts, said)


def answers_of(tokenizer: Tokenizer, prompts: Sequence[str], said: Generated) -> list[Answer]:
    """What was generated for each prompt, without its end and its padding."""
    answers = []
    for i, prompt in enumerate(prompts):
        spoken = ~np.isin(said.ids[i], (tokenizer.eos_id, tokenizer.pad_id))  # (T,)
        ids = tuple(said.ids[i][spoken].tolist())
        words = [tokenizer.decode([id]) for id in ids]
        answers.append(
            Answer(
                text=tokenizer.decode(ids),
                probability=float(said.probability[i]),
                ids=ids,
                tokens=tuple(zip(words, said.scores[i][spoken].tolist(), strict=True)),
                unknown=tuple(tokenizer.unknown(prompt)),
                finished=bool(said.finished[i]),
            )
        )
    return answers


@no_grad()
def different_answers(
    model: PaliGemma,
    tokenizer: Tokenizer,
    picture: np.ndarray,
    prompt: str,
    count: int = 3,
    *,
    max_tokens: int = 32,
) -> list[Answer]:
    """`count` answers about a picture (Y, X, 3) uint8 that begin with different tokens.

    They begin with the most probable first tokens and go on greedily, so the first one is what
    `respond` says. As a whole another one can be more probable, when it goes on more surely.
    """
    ids = np.array([encode_prompt(tokenizer, prompt)] * count)  # (count, T)
    z = model.encode_image(Tensor(images.to_model(picture[None])))  # (1, N, D)
    x, present = model.embed(z, ids)
    logits = Reader(
        model.language, x, present, model.config.causal
    ).read_prefix()  # (count, V), equal rows
    said = generate(
        model.language,
        x,
        present,
        eos_id=tokenizer.eos_id,
        pad_id=tokenizer.pad_id,
        max_tokens=max_tokens,
        first=np.argsort(-logits[0], kind="stable")[:count],
        causal=model.config.causal,
    )
    return answers_of(tokenizer, [prompt] * count, said)


def attention_of_words(
    model: PaliGemma,
    tokenizer: Tokenizer,
    picture: np.ndarray,
    prompt: str,
    ids: Sequence[int],
) -> tuple[list[str], np.ndarray]:
    """Where the model looks while it says the tokens `ids` (T,) about a picture (Y, X, 3) uint8.

    ids: an Answer's, or tokenizer.encode(text) for what somebody else said.
    Returns the tokens as words, and maps (T, rows, columns) float32 over the picture's patches:
    the attention of the position that predicts the token, not of the one that reads it. Nothing is
    scaled: maps.sum(axis=(1, 2)) is the share of the attention that went to the picture, the rest
    went to the prompt and to earlier words.
    The mean over all heads and blocks is taken. The last block alone says little: in the museum's
    guide it lights the object that a word names no more than any other place of that size.
    """
    prefix = encode_prompt(tokenizer, prompt)
    T, row = len(ids), np.array([[*prefix, *ids][:-1]])  # who predicts a token stands before it
    is_answer = np.arange(row.shape[1])[None] >= len(prefix)  # (1, len(row))
    with no_grad():
        z = model.encode_image(Tensor(images.to_model(picture[None])))  # (1, N, D)
        with watch_attention() as watched:
            model.read(z, row, is_answer)
    N = z.shape[1]
    # The last block has queries for the text alone; in every block they are the last ones.
    seen = [weights[0, :, weights.shape[2] - T :, :N].mean(axis=0) for weights in watched]
    maps = np.stack(seen).mean(axis=0)  # (T, N)
    side = model.config.vision.image_size // model.config.vision.patch_size
    maps = maps[:, N - side * side :]  # a tower may put its class token first
    return [tokenizer.decode([i]) for i in ids], maps.reshape(T, side, side)
