"""The CLIP's part of the tour: train on the museum, name held-out pictures, search (layer 8)."""

from __future__ import annotations

import numpy as np

from tinyvlm import images, page, zero_shot
from tinyvlm.datasets import museum
from tinyvlm.models.clip import CLIP, patch_similarity
from tinyvlm.recipes import clip_museum
from tinyvlm.tensor import Tensor
from tinyvlm.train import Recipe

SEARCHES = ("a red star", "a blue circle on the left", "a triangle in the top right", "a big cross")
SHOWN = 18  # held-out pictures in the gallery
SEARCHED = 2000  # pictures
FOUND = 6  # pictures a search shows
CHECK_EVERY = 50  # steps
NEVER = "pairs never seen together"


def visit(
    frozen: museum.EvaluationSet, steps: int, seed: int, threads: int
) -> tuple[page.Entrance, list[page.Room]]:
    """Train, measure and tell; the entrance and the rooms of what was measured."""
    count = f"{clip_museum.PICTURES:,}"
    print(f"Making the museum: {count} pictures of one coloured shape each, with sentences ...")
    data = clip_museum.TrainingSet(seed)
    print("Training a CLIP on them from random numbers ...")
    model, training = train(data, frozen, steps, threads)
    results = [
        page.Result(name, len(scenes), r["colour"], r["shape"], r["joint"])
        for name, scenes in ((NEVER, frozen.withheld), ("pairs seen in training", frozen.seen))
        for r in [clip_museum.accuracy(model, scenes)]
    ]
    exhibits = gallery(model, frozen.withheld)
    searches = search(model)
    tell(results, exhibits, searches)
    choices = len(clip_museum.LABELS)
    example = museum.caption(data.scenes[0], np.random.default_rng(0)).text
    withheld = [f"{color} {shape}" for color, shape in museum.WITHHELD]
    in_order = f"the first {len(exhibits)}, in the order in which the museum draws them"
    shown = next((item for item in exhibits if item.is_right), exhibits[0])
    return page.Entrance(training, results[0], choices, example, shown), [
        page.Gallery(exhibits, in_order, withheld, results, choices),
        page.SearchRoom(searches, SEARCHED),
        page.WordRoom(word_maps(model, frozen.withheld[:8])),
        page.TrainingRoom(training),
    ]


def train(
    data: clip_museum.TrainingSet, frozen: museum.EvaluationSet, steps: int, threads: int
) -> tuple[CLIP, page.Training]:
    """The CLIP, and how its training went; on the way it names the pictures of withheld pairs."""
    checked: list[int] = []
    joint: list[float] = []

    def check(model: CLIP, step: int) -> None:
        if step % CHECK_EVERY == 0 or step == steps:
            checked.append(step)
            joint.append(clip_museum.accuracy(model, frozen.withheld)["joint"])

    model, history = clip_museum.train(data, steps, threads=threads, after_step=check)
    batch = Recipe(steps=1).batch_size
    return model, page.Training(
        steps=np.arange(1, len(history.losses) + 1),
        losses=history.losses,
        seconds=history.seconds,
        batch=batch,
        sentences=2 * batch,
        no_clue=(np.log(2 * batch) + np.log(batch)) / 2,
        parameters=model.parameter_count(),
        machine=f"{threads} processor {'core' if threads == 1 else 'cores'}",
        checked=checked,
        accuracies={NEVER: joint},
        chance=1 / len(clip_museum.LABELS),
    )


def tell(
    results: list[page.Result], exhibits: list[page.Exhibit], searches: list[page.Search]
) -> None:
    """On the terminal, in short: what the page shows."""
    for result in results:
        print(
            f"{result.name}: colour {result.colour:.3f}, shape {result.shape:.3f}, "
            f"both {result.both:.3f} of {result.pictures} pictures "
            f"(chance {1 / len(clip_museum.LABELS):.3f})"
        )
    for exhibit in exhibits[:5]:
        label, sureness = exhibit.answers[0]
        print(f"  a picture of {exhibit.truth}: it says {label}, {sureness:.0%} sure")
    for found in searches:
        right = sum(hit.is_right for hit in found.hits)
        print(f"  search {found.query!r}: {right} of the first {len(found.hits)} are right")


def gallery(model: CLIP, scenes: tuple[museum.Scene, ...]) -> list[page.Exhibit]:
    """Held-out pictures with the three likeliest names."""
    # The frozen scenes come in the museum's own random order.
    chosen = scenes[:SHOWN]
    pictures = museum.draw_all(chosen)
    sureness = clip_museum.name_pictures(model, pictures)
    return [
        page.Exhibit(
            picture,
            museum.with_article(" ".join(scene.objects[0].pair)),
            [
                (museum.with_article(clip_museum.LABELS[i]), float(row[i]))
                for i in np.argsort(-row)[:3]
            ],
        )
        for scene, picture, row in zip(chosen, pictures, sureness, strict=True)
    ]


def search(model: CLIP) -> list[page.Search]:
    """The pictures nearest to each sentence, among new ones with seen and withheld pairs."""
    scenes = [*museum.Museum(split="test_iid", seed=1).scenes(SEARCHED // 2)]
    scenes += museum.Museum(split="test_comp", seed=1).scenes(SEARCHED - len(scenes))
    pictures = museum.draw_all(scenes)
    vectors = zero_shot.embed_pictures(model, pictures)
    queries = zero_shot.embed_texts(model, clip_museum.tokenizer(), SEARCHES, clip_museum.LENGTH)
    found = []
    for text, scores in zip(SEARCHES, queries @ vectors.T, strict=True):
        facts = museum.parse(text)
        hits = [
            page.Hit(
                pictures[i],
                museum.with_article(" ".join(scenes[i].objects[0].pair)),
                float(scores[i]),
                facts is not None and museum.is_true(facts, scenes[i]),
            )
            for i in np.argsort(-scores)[:FOUND]
        ]
        found.append(page.Search(text, hits))
    return found


def word_maps(model: CLIP, scenes: tuple[museum.Scene, ...]) -> list[page.WordMap]:
    """For some pictures, the similarity of every patch with its colour and with its shape.

    A word's vector is the mean over all sentences "a COLOUR SHAPE" that have the word, less the
    mean over all of them: what the word adds.
    """
    words = clip_museum.tokenizer()
    sentences = [museum.with_article(label) for label in clip_museum.LABELS]
    ids = words.batch(sentences, clip_museum.LENGTH)
    maps = []
    for scene in scenes:
        picture = museum.draw(scene)
        heat = patch_similarity(model, Tensor(images.to_model(picture[None])), ids)[0]
        heat = heat - heat.mean(axis=0)  # (48, rows, columns)
        color, shape = scene.objects[0].pair
        named = [color, shape]
        heats = [heat[[w in label.split() for label in clip_museum.LABELS]].mean(0) for w in named]
        maps.append(page.WordMap(picture, named, np.stack(heats)))
    return maps
