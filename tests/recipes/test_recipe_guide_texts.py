"""What the guide is taught to say: true, in words it knows, and as often as wanted."""

import numpy as np
import pytest

from tinyvlm.datasets import museum
from tinyvlm.recipes import guide_texts
from tinyvlm.text.locations import decode_detections, to_xywh

SCENES = list(museum.Museum(museum.SEVERAL_OBJECTS).scenes(60))
WORDS = guide_texts.tokenizer()


def rng(seed=0):
    return np.random.default_rng(seed)


def all_texts():
    for i, scene in enumerate(SCENES):
        yield from guide_texts.questions(scene, 9, rng(i))
        yield guide_texts.caption(scene)
        yield guide_texts.detection(scene, rng(i))


def test_every_word_is_known():
    for text in all_texts():
        assert not WORDS.unknown(text.prompt), text
        assert not WORDS.unknown(text.answer), text


def test_every_word_is_met_in_training():
    """Else a word that the guide never read would not be named as unknown. Only the two outermost
    places are rarer than that."""
    met = {
        word
        for text in training_texts()
        for words in (text.prompt, text.answer)
        for word in WORDS.encode(words)
    }
    special = {WORDS.pad_id, WORDS.bos_id, WORDS.eos_id, WORDS.encode("zebra")[0]}
    edge = {*WORDS.encode("<loc0000>"), *WORDS.encode("<loc0048>")}
    assert set(range(WORDS.vocab_size)) - met <= special | edge


def training_texts():
    for i, scene in enumerate(museum.Museum(museum.SEVERAL_OBJECTS).scenes(300)):
        yield from guide_texts.questions(scene, 12, rng(i))
        yield guide_texts.caption(scene)
        for k in range(3):
            yield guide_texts.detection(scene, rng([i, k]))


def test_as_many_questions_as_asked_for():
    """Whatever a scene allows; catches a scene of one object that is asked for relations."""
    for scene in SCENES:
        texts = guide_texts.questions(scene, 9, rng())
        assert len(texts) == 9
        assert all(text.prompt.startswith("answer en ") and text.answer for text in texts)


def test_how_often_a_form_is_asked():
    scene = next(scene for scene in SCENES if len(scene.objects) == 3 and len(scene.relations) == 6)
    texts = guide_texts.questions(scene, 3000, rng())
    often = {
        form: sum(word in text.prompt for text in texts) / len(texts)
        for form, word in (("how many", "how many objects"), ("relation 4-way", "relative to"))
    }
    assert often["relation 4-way"] == pytest.approx(3 * often["how many"], rel=0.35)


def test_captions_are_true_and_name_every_object_from_left_to_right():
    for scene in SCENES:
        said = guide_texts.caption(scene).answer
        facts = museum.parse(said)
        assert facts is not None
        assert museum.is_true(facts, scene)
        order = [f"{o.color} {o.shape}" for o in sorted(scene.objects, key=lambda o: o.x)]
        places = [said.index(name) for name in order]
        assert places == sorted(places)
        assert len(facts) == len(scene.objects)


@pytest.mark.parametrize("seed", range(3))
def test_detections_are_all_there_is_of_the_thing(seed):
    """To half a pixel, from left to right; nothing where there is nothing."""
    empty = 0
    for scene in SCENES:
        text = guide_texts.detection(scene, rng([seed, scene.index]))
        name = text.prompt.removeprefix("detect ")
        words = name.split()
        color = next((w for w in words if w in museum.COLORS), None)
        shape = next((w for w in words if w in museum.SHAPES), None)
        wanted = [
            box
            for box, thing in zip(museum.boxes(scene), scene.objects, strict=True)
            if color in (None, thing.color) and shape in (None, thing.shape)
        ]
        found = decode_detections(text.answer, guide_texts.BINS)
        assert [d.label for d in found] == [name] * len(wanted)
        size = (scene.size_px, scene.size_px)
        wanted = np.array(sorted(wanted, key=lambda box: box[0])).reshape(-1, 4)
        np.testing.assert_allclose(to_xywh(found, size), wanted, rtol=0, atol=1.0001)
        if not found:
            empty += 1
            assert (color, shape) not in museum.WITHHELD
            assert any((color == t.color) != (shape == t.shape) for t in scene.objects)
    assert 3 <= empty <= 25
