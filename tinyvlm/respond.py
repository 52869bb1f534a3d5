"""respond: a picture and a prompt in, an answer out, with how sure the model is (layer 7)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from tinyvlm import images
from tinyvlm.errors import InputError
from tinyvlm.generate import Sampling, generate
from tinyvlm.models.paligemma import PaliGemma
from tinyvlm.tensor import Tensor, no_grad
from tinyvlm.text import Tokenizer
from tinyvlm.text.prompts import encode_prompt, pad


@dataclass(frozen=True)
class Answer:
    """What the model says to a prompt, and how sure it is of it."""

    text: str
    probability: float  # of the whole text and its end
    tokens: tuple[tuple[str, float], ...]  # each token of the text and its probability
    unknown: tuple[str, ...]  # the words of the prompt that the model has never met


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
    )
    return [
        Answer(
            text=tokenizer.decode(row),
            probability=float(probability),
            tokens=tuple(
                (tokenizer.decode([i]), float(score))
                for i, score in zip(row.tolist(), scores, strict=True)
                if i not in (tokenizer.eos_id, tokenizer.pad_id)
            ),
            unknown=tuple(tokenizer.unknown(prompt)),
        )
        for prompt, row, scores, probability in zip(
            prompts, said.ids, said.scores, said.probability, strict=True
        )
    ]
