"""Zero-shot against a model whose vectors are chosen by hand."""

import numpy as np
import pytest

from tinyvlm import images, zero_shot
from tinyvlm.errors import InputError
from tinyvlm.tensor import Tensor
from tinyvlm.text import WordTokenizer

WORDS = WordTokenizer(["a", "an", "red", "star", "orange", "photo", "of", "the"])


class ByHand:
    """A text's vector is the sum of its words' vectors, a picture's its mean colour; both of
    length 1."""

    def __init__(self):
        self.table = np.random.default_rng(0).normal(size=(WORDS.vocab_size, 3)).astype(np.float32)
        self.table[WORDS.pad_id] = 0
        self.batches = []

    def encode_text(self, ids):
        self.batches.append(ids)
        x = self.table[ids].sum(axis=1)
        return Tensor(x / np.linalg.norm(x, axis=1, keepdims=True))

    def encode_image(self, pictures):
        self.batches.append(pictures)
        x = pictures.data.mean(axis=(2, 3))
        return Tensor(x / np.linalg.norm(x, axis=1, keepdims=True))

    def vector(self, text):
        x = self.table[[WORDS.bos_id, *WORDS.encode(text), WORDS.eos_id]].sum(axis=0)
        return x / np.linalg.norm(x)


@pytest.mark.parametrize(
    ("noun", "phrase"),
    [
        ("red star", "a red star"),
        ("orange star", "an orange star"),
        ("Airplane", "an Airplane"),
        ("iguana", "an iguana"),
        ("egg", "an egg"),
        ("umbrella", "an umbrella"),
        ("yacht", "a yacht"),
        ("étoile", "a étoile"),
        ("星", "a 星"),
        ("🙂", "a 🙂"),
        ("", "a "),
    ],
)
def test_articles(noun, phrase):
    assert zero_shot.with_article(noun) == phrase


def test_texts_come_back_in_their_order_whatever_the_batches():
    """Catches a last, shorter batch that is lost."""
    model = ByHand()
    texts = [f"{'a ' * (i % 7)}red{' star' * (i % 5)}" for i in range(600)]
    vectors = zero_shot.embed_texts(model, WORDS, texts, 16)
    assert [len(ids) for ids in model.batches] == [256, 256, 88]
    np.testing.assert_allclose(vectors, [model.vector(text) for text in texts], rtol=1e-5)


def test_pictures_come_back_in_their_order_whatever_the_batches():
    model = ByHand()
    pictures = np.random.default_rng(0).integers(0, 256, (300, 4, 4, 3), dtype=np.uint8)
    vectors = zero_shot.embed_pictures(model, pictures)
    assert [x.shape for x in model.batches] == [(128, 3, 4, 4), (128, 3, 4, 4), (44, 3, 4, 4)]
    np.testing.assert_array_equal(model.batches[1].data, images.to_model(pictures[128:256]))
    np.testing.assert_array_equal(
        vectors, model.encode_image(Tensor(images.to_model(pictures))).data
    )


def test_no_graph_is_recorded():
    class Recording(ByHand):
        def encode_text(self, ids):
            weight = Tensor(self.table, requires_grad=True)
            y = weight[ids[:, 1]]
            assert y.function is None
            return y

    assert zero_shot.embed_texts(Recording(), WORDS, ["red", "star"], 4).shape == (2, 3)


def test_a_class_is_the_mean_of_its_sentences_made_a_unit_vector():
    """Catches a mean that is not normalised again, sentences of one label averaged with another's,
    and a label without its article."""
    model = ByHand()
    labels = ["red star", "orange star", "star"]
    templates = ["a photo of {}", "{}", "of the {} red"]
    classes = zero_shot.classifier(model, WORDS, labels, templates, 16)
    phrases = ["a red star", "an orange star", "a star"]
    for got, phrase in zip(classes, phrases, strict=True):
        mean = np.mean([model.vector(t.replace("{}", phrase)) for t in templates], axis=0)
        assert np.linalg.norm(mean) < 0.999
        np.testing.assert_allclose(got, mean / np.linalg.norm(mean), rtol=1e-5)
    np.testing.assert_allclose(np.linalg.norm(classes, axis=1), 1, rtol=1e-6)


def test_braces_in_a_label_are_only_braces():
    """Catches a label that is formatted instead of the template."""
    assert zero_shot.classifier(ByHand(), WORDS, ["{0.__class__} {x} {"], ["{}"], 8).shape == (1, 3)


@pytest.mark.parametrize(
    ("labels", "message"),
    [
        ([], "zero-shot needs at least one label"),
        (["red", ""], "label 2 is empty; write a word"),
        ([" \t\n"], "label 1 is empty"),
    ],
)
def test_labels_that_say_nothing_are_refused(labels, message):
    with pytest.raises(InputError, match=message):
        zero_shot.classifier(ByHand(), WORDS, labels, ["{}"], 8)


def test_probabilities_by_hand():
    vectors = np.array([[1.0, 0.0], [0.0, 1.0]])
    classes = np.array([[1.0, 0.0], [0.6, 0.8], [0.0, -1.0]])
    got = zero_shot.probabilities(vectors, classes, scale=2.0)
    for row, cosines in zip(got, ([1.0, 0.6, 0.0], [0.0, 0.8, -1.0]), strict=True):
        weights = np.exp(2 * np.array(cosines))
        np.testing.assert_allclose(row, weights / weights.sum(), rtol=1e-12)


def test_probabilities_of_a_large_scale_do_not_overflow():
    vectors = np.array([[1.0, 0.0]], np.float32)
    classes = np.array([[1.0, 0.0], [-1.0, 0.0]], np.float32)
    got = zero_shot.probabilities(vectors, classes, scale=1e6)
    np.testing.assert_array_equal(got, [[1.0, 0.0]])


def test_equal_labels_share():
    vectors = np.array([[0.6, 0.8]])
    got = zero_shot.probabilities(vectors, np.array([[1.0, 0.0]] * 4), scale=100.0)
    np.testing.assert_allclose(got, [[0.25] * 4], rtol=1e-12)
