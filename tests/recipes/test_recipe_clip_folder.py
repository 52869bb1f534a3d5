"""The recipe for a user's own pictures: sentences, positives, and what it refuses to learn from."""

import csv

import numpy as np
import pytest
from PIL import Image

from tinyvlm import zero_shot
from tinyvlm.blocks.vit import ViTConfig
from tinyvlm.datasets.folder import CaptionFolder, ClassFolder, open_folder
from tinyvlm.errors import InputError
from tinyvlm.recipes import clip_folder
from tinyvlm.recipes.clip_folder import FolderSet
from tinyvlm.text.words import split_words
from tinyvlm.train import Recipe

SHADES = {"cat": (200, 30, 30), "ibex": (30, 200, 30), "golden_retriever": (30, 30, 200)}


def picture(path, color, seed=0):
    """A plain picture with some grain."""
    path.parent.mkdir(parents=True, exist_ok=True)
    noise = np.random.default_rng(seed).integers(-20, 20, (40, 36, 3))
    Image.fromarray((noise + color).clip(0, 255).astype(np.uint8)).save(path)


@pytest.fixture
def animals(tmp_path):
    root = tmp_path / "animals"
    for name, color in SHADES.items():
        for i in range(5):
            picture(root / name / f"{i}.png", color, i)
    return root


@pytest.fixture
def captioned(tmp_path):
    """A function that makes a caption folder of (file, text) rows."""

    def make(*rows):
        root = tmp_path / "captioned"
        for i, (name, _) in enumerate(rows):
            picture(root / name, (60 + 30 * (i % 6), 100, 100), i)
        with open(root / "metadata.csv", "w", newline="", encoding="utf-8") as file:
            csv.writer(file).writerows([("file_name", "text"), *rows])
        return root

    return make


@pytest.fixture
def small(monkeypatch):
    tiny = ViTConfig(image_size=32, width=16, depth=1, heads=2, mlp_width=16)
    monkeypatch.setattr(clip_folder, "VISION", tiny)


def owner_of(data, pictures):
    """Which class each plain picture of a batch shows, told by its strongest channel."""
    strongest = pictures.reshape(len(pictures), -1, 3).mean(axis=1).argmax(axis=1)
    order = [int(np.argmax(SHADES[name.replace(" ", "_")])) for name in data.folder.classes]
    return [order.index(channel) for channel in strongest]


# Sentences and positives


def test_class_names_become_sentences(animals):
    data = FolderSet(ClassFolder(animals))
    assert data.folder.classes == ["cat", "golden retriever", "ibex"]
    assert data.sentences[1][0] == "a photo of a golden retriever"
    assert data.sentences[2][:2] == ["a photo of an ibex", "a picture of an ibex"]
    assert [len(row) for row in data.sentences] == [len(zero_shot.PHOTO_TEMPLATES)] * 3
    np.testing.assert_array_equal(data.owner, np.repeat([0, 1, 2], 5))
    assert not any(data.words.unknown(text) for row in data.sentences for text in row)
    assert data.pictures.shape == (15, 32, 32, 3)


def test_pictures_of_one_class_share_one_sentence(animals):
    """Catches CLIP's plain diagonal: with three classes most of its negatives would be wrong."""
    data = FolderSet(ClassFolder(animals))
    # As the tokenizer reads them: "close-up" is two words.
    sentences = [[" ".join(split_words(text)) for text in row] for row in data.sentences]
    turns = set()
    for seed in range(30):
        pictures, ids, positives = data.batch(16, np.random.default_rng(seed))
        owners = owner_of(data, pictures)
        said = [data.words.decode(row) for row in ids]
        assert positives.shape == (16, len(set(owners)))
        (turn,) = {t for t in range(8) if {sentences[o][t] for o in owners} == set(said)}
        turns.add(turn)
        for row, owner in zip(positives, owners, strict=True):
            assert [text for text, yes in zip(said, row, strict=True) if yes] == [
                sentences[owner][turn]
            ]
    assert len(turns) == 8


def test_a_batch_is_augmented_and_reproducible(animals):
    data = FolderSet(ClassFolder(animals))
    pictures, ids, positives = data.batch(40, np.random.default_rng(0))
    again = data.batch(40, np.random.default_rng(0))
    for a, b in zip((pictures, ids, positives), again, strict=True):
        np.testing.assert_array_equal(a, b)
    assert pictures.shape == (40, 32, 32, 3)
    assert len({p.tobytes() for p in pictures}) > 30  # of 15 pictures
    before = data.pictures.copy()
    data.batch(40, np.random.default_rng(1))
    np.testing.assert_array_equal(data.pictures, before)


def test_captions_of_one_picture_take_turns(captioned):
    root = captioned(("a.png", "a red door"), ("a.png", "an old door"), ("b.png", "the sea"))
    data = FolderSet(CaptionFolder(root))
    said = set()
    for seed in range(20):
        _, ids, positives = data.batch(8, np.random.default_rng(seed))
        said |= {data.words.decode(row) for row in ids}
        np.testing.assert_array_equal(positives.sum(axis=1), np.ones(8))
        assert positives.any(axis=0).all()
    assert said == {"a red door", "an old door", "the sea"}


@pytest.mark.parametrize(
    ("one", "same", "other"),
    [
        ("a dog", "a dog", "a cat"),
        ("A dog!", "a dog", "a cat"),
        (" ".join(["word"] * 10_000), " ".join(["word"] * 9_999), "a cat"),
        ("ein Käfer", "ein Ka\u0308fer", "zwei Käfer"),
        ("一 只 狗", "一 只 狗", "一 只 猫"),
        ("🙂 🙂", "🙂 🙂", "🙃 🙂"),
    ],
)
def test_equal_captions_are_all_positives(captioned, one, same, other):
    """Equal for the model: also in capitals, in Unicode, or up to the longest text it reads."""
    data = FolderSet(CaptionFolder(captioned(("a.png", one), ("b.png", same), ("c.png", other))))
    seen = set()
    for seed in range(10):
        _, ids, positives = data.batch(16, np.random.default_rng(seed))
        assert len({row.tobytes() for row in ids}) == len(ids) == 2
        seen |= set(map(tuple, positives.T.tolist()))
        assert positives.sum() == 16
        assert ids.shape[1] == clip_folder.LENGTH
    assert len(seen) > 2


# What it refuses, and what it bears


def test_one_class_has_no_contrast(animals):
    """Catches hours of training on a loss that is zero from the start."""
    only_cats = ClassFolder(animals).only(["cat"])
    with pytest.raises(InputError, match=r"all pictures have the same sentences \('a photo of a c"):
        FolderSet(only_cats)


def test_one_picture_with_two_captions_has_no_contrast(captioned):
    root = captioned(("a.png", "a red door"), ("a.png", "an old door"))
    with pytest.raises(InputError, match="at least two classes, or with different captions"):
        FolderSet(CaptionFolder(root))


def test_one_caption_for_all_has_no_contrast(captioned):
    root = captioned(("a.png", "x" * 500), ("b.png", "x" * 500))
    with pytest.raises(InputError) as error:
        FolderSet(CaptionFolder(root))
    assert len(str(error.value)) < 500


def test_a_class_with_one_picture_is_a_class(animals):
    for i in range(1, 5):
        (animals / "cat" / f"{i}.png").unlink()
    data = FolderSet(ClassFolder(animals))
    assert list(data.owner).count(0) == 1
    assert any((data.batch(8, np.random.default_rng(s))[2].shape[1] == 3) for s in range(10))


def test_unreadable_pictures_do_not_shift_the_labels(animals):
    """Catches labels that are taken from the folder and not from the pictures that were kept."""
    (animals / "cat" / "0.png").write_bytes(b"not a picture")
    (animals / "golden_retriever" / "3.png").write_bytes(b"")
    data = FolderSet(ClassFolder(animals))
    assert [path.name for path, _ in data.folder.skipped] == ["0.png", "3.png"]
    assert len(data.pictures) == 13
    assert owner_of(data, data.pictures) == list(data.owner)


def test_a_class_whose_pictures_are_all_unreadable(animals):
    for path in [*(animals / "cat").iterdir(), *(animals / "ibex").iterdir()]:
        path.write_bytes(b"")
    with pytest.raises(InputError, match="all pictures have the same sentences"):
        FolderSet(ClassFolder(animals))


def test_the_name_of_a_folder(animals, monkeypatch):
    assert FolderSet(ClassFolder(animals)).name == "animals"
    monkeypatch.chdir(animals)
    assert FolderSet(ClassFolder(".")).name == "animals"
    animals.rename(animals.parent / "train")
    assert FolderSet(ClassFolder(animals.parent / "train")).name == animals.parent.name


# Training


def test_it_learns_to_tell_three_colours(small, animals):
    """And the accuracy is of the pictures that could be read, with their labels."""
    data = FolderSet(ClassFolder(animals))
    model = clip_folder.build(data, 0)
    before = clip_folder.accuracy(model, data.words, data.folder)
    recipe = Recipe(steps=30, batch_size=12, lr=5e-3, warmup=5)
    history = clip_folder.train(model, data, recipe, threads=2)
    assert history.losses[-1] < 0.5 * history.losses[0]
    assert clip_folder.accuracy(model, data.words, data.folder) == 1.0 > before
    (animals / "cat" / "0.png").write_bytes(b"not a picture")
    assert clip_folder.accuracy(model, data.words, ClassFolder(animals)) == 1.0
    about = clip_folder.about(model, data)
    assert about["trained_on"] == "15 pictures of animals"
    assert about["templates"] == list(zero_shot.PHOTO_TEMPLATES)


def test_a_class_that_only_the_test_has_is_one_of_the_answers(small, tmp_path):
    for split, names in (("train", ["cat", "ibex"]), ("test", ["cat", "golden_retriever"])):
        for name in names:
            picture(tmp_path / "pets" / split / name / "0.png", SHADES[name])
    train, test = open_folder(tmp_path / "pets")
    data = FolderSet(train)
    assert data.name == "pets"
    assert set(data.owner) == {0, 2}
    assert 0 <= clip_folder.accuracy(clip_folder.build(data, 0), data.words, test) <= 1
