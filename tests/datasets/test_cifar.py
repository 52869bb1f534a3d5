"""CIFAR in its binary form: records by hand, several files, records that are broken."""

import numpy as np
import pytest

from tinyvlm.datasets.cifar import Cifar
from tinyvlm.datasets.picture_set import load_pictures
from tinyvlm.errors import InputError

NAMES = ["airplane", "automobile", "bird"]


def record(number, *labels):
    """Red counts the pixels of a row, green the rows, blue is the record's number."""
    red = np.tile(np.arange(32), (32, 1))
    planes = np.stack([red, red.T, np.full((32, 32), number)])
    return bytes(labels) + planes.astype(np.uint8).tobytes()


@pytest.fixture
def ten(tmp_path):
    for batch in range(1, 6):
        records = [record(10 * batch + i, (batch + i) % 3) for i in range(batch)]
        (tmp_path / f"data_batch_{batch}.bin").write_bytes(b"".join(records))
    (tmp_path / "test_batch.bin").write_bytes(record(99, 2))
    (tmp_path / "batches.meta.txt").write_text("\n".join(NAMES) + "\n\n")
    return tmp_path


@pytest.fixture
def hundred(tmp_path):
    (tmp_path / "train.bin").write_bytes(record(0, 1, 2) + record(1, 0, 0))
    (tmp_path / "test.bin").write_bytes(record(2, 1, 1))
    (tmp_path / "coarse_label_names.txt").write_text("aquatic_mammals\nfish\n")
    (tmp_path / "fine_label_names.txt").write_text("apple\naquarium_fish\r\nbaby\n")
    return tmp_path


def test_cifar10(ten):
    data = Cifar(ten)
    assert len(data) == 15
    assert data.classes == NAMES
    assert data.labels.tolist()[:6] == [1, 2, 0, 0, 1, 2]
    assert data.labels.dtype == np.int64
    assert data.coarse_classes == []
    assert data.coarse_labels.tolist() == []
    assert data.skipped == []
    sample = data[4]
    assert sample.label == 1
    assert sample.meta == {"path": ten / "data_batch_3.bin", "record": 1}
    assert sample.image.shape == (32, 32, 3)
    assert sample.image[5, 9].tolist() == [9, 5, 31]
    assert sample.image.flags.c_contiguous
    assert [s.image[0, 0, 2] for s in data][:4] == [10, 20, 21, 30]
    assert Cifar(ten, train=False)[0].image[0, 0, 2] == 99


def test_cifar100(hundred):
    data = Cifar(hundred, size=8)
    assert data.classes == ["apple", "aquarium fish", "baby"]
    assert data.coarse_classes == ["aquatic mammals", "fish"]
    assert data.labels.tolist() == [2, 0]
    assert data.coarse_labels.tolist() == [1, 0]
    assert data[0].meta["coarse_label"] == 1
    assert data[1].image.shape == (8, 8, 3)
    assert Cifar(hundred, train=False)[0].image[31, 31].tolist() == [31, 31, 2]


def test_all_pictures_at_once(ten):
    pictures, kept = load_pictures(Cifar(ten), 32)
    assert pictures.shape == (15, 32, 32, 3)
    assert kept.tolist() == list(range(15))
    np.testing.assert_array_equal(pictures[4], Cifar(ten)[4].image)


def test_broken_records(ten):
    batch = ten / "data_batch_2.bin"
    batch.write_bytes(record(0, 1) + record(1, 7) + record(2, 2) + record(3, 0)[:100])
    data = Cifar(ten)
    assert data.skipped == [
        (batch, "record 1: class 7 has no name"),
        (batch, "record 3: cut short after 100 bytes"),
    ]
    assert len(data) == 15
    assert data[2].meta["record"] == 2
    assert data[2].image[0, 0, 2] == 2


def test_a_file_that_became_shorter(ten):
    data = Cifar(ten)
    (ten / "data_batch_5.bin").write_bytes(b"short")
    with pytest.raises(InputError, match=r"data_batch_5\.bin' was changed while it was in use"):
        _ = data[-1].image
    _, kept = load_pictures(data, 4)
    assert len(kept) == 10
    assert len(data.skipped) == 5


def test_files_that_are_missing(ten, tmp_path):
    (ten / "data_batch_3.bin").unlink()
    with pytest.raises(InputError, match=r"data_batch_3\.bin' does not exist"):
        Cifar(ten)
    assert len(Cifar(ten, train=False)) == 1
    (ten / "batches.meta.txt").unlink()
    with pytest.raises(InputError, match=r"batches\.meta\.txt' does not exist"):
        Cifar(ten, train=False)


def test_class_names(ten):
    for content in ("\n", "a\nb\na\n"):
        (ten / "batches.meta.txt").write_text(content)
        with pytest.raises(InputError, match="must have one class name a line, each once"):
            Cifar(ten)
    (ten / "batches.meta.txt").write_bytes(b"\xff\xfe")
    with pytest.raises(InputError, match="is not UTF-8"):
        Cifar(ten)


def test_nothing_usable(ten):
    (ten / "test_batch.bin").write_bytes(record(0, 200))
    with pytest.raises(InputError, match="has no usable record; record 0: class 200 has no name"):
        Cifar(ten, train=False)
    (ten / "test_batch.bin").write_bytes(b"x")
    with pytest.raises(InputError, match="has no usable record; record 0: cut short after 1 byte"):
        Cifar(ten, train=False)
    (ten / "test_batch.bin").write_bytes(b"")
    with pytest.raises(InputError, match="is empty"):
        Cifar(ten, train=False)


def test_another_folder(tmp_path):
    with pytest.raises(InputError, match=r"has no CIFAR: it needs data_batch_1\.bin"):
        Cifar(tmp_path)
    (tmp_path / "train").mkdir()  # a folder per class, say
    with pytest.raises(InputError, match="has no CIFAR"):
        Cifar(tmp_path)
    (tmp_path / "data_batch_1").write_bytes(b"\x80")
    with pytest.raises(InputError, match="pickled for Python, which is not read; get the binary"):
        Cifar(tmp_path)


def test_a_file_that_is_a_link_out(ten, tmp_path):
    outside = tmp_path.parent / f"{tmp_path.name}-outside.bin"
    outside.write_bytes(record(1, 1))
    (ten / "test_batch.bin").unlink()
    try:
        (ten / "test_batch.bin").symlink_to(outside)
    except OSError:
        pytest.skip("no links here")
    with pytest.raises(InputError, match="leaves"):
        Cifar(ten, train=False)
