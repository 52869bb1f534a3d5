"""`draw`: the picture that is written is the one that is named."""

import numpy as np
import pytest

from tinyvlm import images
from tinyvlm.cli import main
from tinyvlm.datasets import museum


def test_the_picture_shows_what_is_said(tmp_path, capsys):
    file = tmp_path / "picture.png"
    assert main(["draw", str(file), "--objects", "3", "--seed", "5"]) == 0
    said = capsys.readouterr().out
    picture = images.load(file)
    assert picture.shape == (48, 48, 3)
    colors = [color for color in museum.COLORS if color in said]
    assert said.count(" and ") == 2
    for color in colors:
        distance = np.abs(picture.astype(int) - museum.PALETTE[color]).max(axis=2)
        assert (distance < 12).sum() > 50, color
    assert len(colors) >= 1


def test_seeds_and_splits_differ(tmp_path):
    drawn = []
    for arguments in ([], ["--seed", "1"], ["--split", "test_comp"], ["--objects", "1"]):
        file = tmp_path / "picture.png"
        assert main(["draw", str(file), *arguments]) == 0
        drawn.append(file.read_bytes())
    assert len(set(drawn)) == 4
    assert main(["draw", str(file)]) == 0
    assert file.read_bytes() == drawn[0]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["p.png", "--objects", "5"], "5 objects"),
        (["p.png", "--split", "nowhere"], "split 'nowhere' is unknown; choose one of train"),
        (["taken.png/p.png"], "'taken.png/p.png' can't be written"),
        (["p.xyz"], "p.xyz"),
    ],
)
def test_what_can_not_be_drawn(arguments, message, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "taken.png").write_text("a file where a folder should be")
    assert main(["draw", *arguments]) == 2
    assert message in capsys.readouterr().err
