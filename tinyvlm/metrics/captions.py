"""Captions against references: every caption metric in one table (layer 4).

Sentences are cut as in `ptb`, which only approximates the tokenizer of the COCO caption scorer.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence

from tinyvlm.metrics.bleu import bleu
from tinyvlm.metrics.cider import cider_d
from tinyvlm.metrics.meteor import meteor
from tinyvlm.metrics.ptb import tokenize
from tinyvlm.metrics.rouge import rouge_l


def caption_scores(
    candidates: Sequence[str],
    references: Sequence[Sequence[str]],
    synonyms: Sequence[Collection[str]] = (),
) -> dict[str, float]:
    """One generated caption and its references a picture, as people write them -> the scores.

    "BLEU-1" to "BLEU-4", "ROUGE-L", "METEOR (exact+stem)" and so on by its modules, "CIDEr-D" (0 to
    10, the others 0 to 1), and "exact": the share of captions that are one of their references.
    """
    mine = [tokenize(candidate) for candidate in candidates]
    others = [[tokenize(reference) for reference in several] for several in references]
    modules = ("exact", "stem", "synonym") if synonyms else ("exact", "stem")
    scores = {f"BLEU-{n}": float(b) for n, b in enumerate(bleu(mine, others)[0], start=1)}
    scores["ROUGE-L"] = rouge_l(mine, others)[0]
    scores[f"METEOR ({'+'.join(modules)})"] = meteor(mine, others, modules, synonyms)[0]
    scores["CIDEr-D"] = cider_d(mine, others)[0]
    same = [candidate in several for candidate, several in zip(mine, others, strict=True)]
    return scores | {"exact": sum(same) / len(same)}
