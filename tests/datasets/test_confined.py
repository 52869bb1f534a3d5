"""Names stay inside the folder: "..", absolute paths, links, and links laid after opening."""

import os

import pytest

from tinyvlm.datasets import confined
from tinyvlm.datasets.confined import Confined, visible
from tinyvlm.errors import InputError


def link(path, target):
    try:
        path.symlink_to(target, target_is_directory=target.is_dir())
    except OSError:
        pytest.skip("no links here")


@pytest.fixture
def root(tmp_path):
    folder = tmp_path / "pictures"
    (folder / "inner").mkdir(parents=True)
    (folder / "inner" / "cat.png").write_bytes(b"cat")
    (tmp_path / "secret.png").write_bytes(b"secret")
    return folder


@pytest.mark.parametrize(
    ("written", "name"),
    [
        ("cat.png", "cat.png"),
        ("inner/cat.png", "inner/cat.png"),
        ("inner\\cat.png", "inner/cat.png"),
        ("./inner//./cat.png", "inner/cat.png"),
        ("..cat.png", "..cat.png"),
        ("a..b/c", "a..b/c"),
        ("missing/cat.png", "missing/cat.png"),
        ("猫.png", "猫.png"),
    ],
)
def test_names_inside(root, written, name):
    assert Confined(root).name(written) == name


@pytest.mark.parametrize(
    "written",
    [
        "..",
        "./../a",
        "../secret.png",
        "inner/../../secret.png",
        "inner/..",
        "..\\secret.png",
        "/etc/passwd",
        "\\secret.png",
        "C:\\secret.png",
        "c:secret.png",
        "\\\\server\\share\\x.png",
    ],
)
def test_names_that_leave(root, written):
    with pytest.raises(InputError, match=r"^file_name .* leaves the folder; use") as error:
        Confined(root).name(written)
    assert str(error.value).isprintable()


@pytest.mark.parametrize("written", ["", ".", "./", "a\0b", "//."])
def test_names_of_no_file(root, written):
    with pytest.raises(InputError, match=r"^file_name .* names no file"):
        Confined(root).name(written)


def test_links(root):
    link(root / "near.png", root / "inner" / "cat.png")
    link(root / "far.png", root.parent / "secret.png")
    link(root / "alias", root.parent)
    link(root / "twin", root / "inner")
    inside = Confined(root)
    assert inside.name("near.png") == "near.png"
    assert inside.name("twin/cat.png") == "twin/cat.png"
    for written in ("far.png", "alias/secret.png", "alias/pictures/../secret.png"):
        with pytest.raises(InputError, match="leaves the folder"):
            inside.name(written)


def test_the_root_may_be_a_link(root):
    link(root.parent / "alias", root)
    inside = Confined(root.parent / "alias")
    assert inside.name("inner/cat.png") == "inner/cat.png"
    inside.check(root.parent / "alias" / "inner" / "cat.png")


def test_a_path_is_checked_again(root):
    """Catches a link that is laid after the names were checked."""
    inside = Confined(root)
    assert inside.name("inner/cat.png") == "inner/cat.png"
    (root / "inner" / "cat.png").unlink()
    link(root / "inner" / "cat.png", root.parent / "secret.png")
    assert inside.name("inner/cat.png") == "inner/cat.png"  # its folder was listed before
    with pytest.raises(InputError, match=r"cat\.png' leaves .*pictures'; copy the file"):
        inside.check(root / "inner" / "cat.png")


def test_a_folder_is_asked_for_once(root, monkeypatch):
    """Catches a question to the disk for every name: 100,000 of them take seconds."""
    asked = []
    real = os.path.realpath
    monkeypatch.setattr(confined.os.path, "realpath", lambda p: asked.append(p) or real(p))
    inside = Confined(root)
    for number in range(100):
        inside.name(f"inner/{number}.png")
        inside.name(f"{number}.png")
    assert len(asked) == 3  # the root itself, and the two folders


def test_visible(root):
    for name in ("10.png", "9.png", "B", "a", ".hidden"):
        (root / name).write_bytes(b"")
    assert [(entry.name, entry.is_folder) for entry in visible(root, root)] == [
        ("9.png", False),
        ("10.png", False),
        ("a", False),
        ("B", False),
        ("inner", True),
    ]
