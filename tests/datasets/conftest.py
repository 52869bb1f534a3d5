"""Pictures for the tests of readers: flat ones, so that the shade tells which one it is."""

import numpy as np
import pytest
from PIL import Image


@pytest.fixture
def photos(tmp_path):
    """A function that writes pictures of 12 x 16 into a folder, of shades 0, 10, 20 ..."""
    folder = tmp_path / "photos"
    folder.mkdir()

    def write(*names):
        for number, name in enumerate(names):
            path = folder / name
            path.parent.mkdir(parents=True, exist_ok=True)
            Image.fromarray(np.full((12, 16, 3), 10 * number, np.uint8)).save(path)
        return folder

    return write
