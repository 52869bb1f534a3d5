"""Store what pycocotools makes of polygons and of masks, in coco_mask_values.json.

Run it with a Python that has NumPy and pycocotools:
    python tests/oracle/make_coco_mask_values.py
Polygons: random ones, with whole, half and decimal corners, corners given twice, corners outside
the picture, and several polygons for one mask. Masks: noise, blocks, all zeros, all ones. Pixels
are stored row by row as hexadecimal bits.
"""

import json
from pathlib import Path

import numpy as np
from pycocotools import mask as coco_mask

COCO_MASK_VALUES = Path(__file__).with_name("coco_mask_values.json")
ROUNDED = (
    lambda p: np.round(p, 2),
    np.rint,
    lambda p: np.rint(2 * p) / 2,
    lambda p: np.rint(5 * p) / 5,
    lambda p: np.repeat(np.rint(p), 2, axis=0),
)


def hexadecimal(mask: np.ndarray) -> str:
    return np.packbits(mask.astype(bool)).tobytes().hex()


def polygon_case(number: int, rng: np.random.Generator) -> dict:
    height, width = (int(side) for side in rng.integers(1, 40, 2))
    polygons = []
    for _ in range(rng.integers(1, 4)):
        corners = rng.uniform(-0.2, 1.2, (rng.integers(3, 9), 2)) * [width, height]
        polygons.append(ROUNDED[number % len(ROUNDED)](corners).ravel().tolist())
    runs = coco_mask.frPyObjects(polygons, height, width)
    pixels = coco_mask.decode(coco_mask.merge(runs))
    return {"polygons": polygons, "size": [height, width], "pixels": hexadecimal(pixels)}


def mask_case(number: int, rng: np.random.Generator) -> dict:
    height, width = (int(side) for side in rng.integers(1, 16, 2))
    mask = rng.random((height, width)) < (0.0, 0.05, 0.5, 0.9, 1.0)[number % 5]
    if number % 2:  # longer runs, so that differences have several groups
        mask = np.kron(mask, np.ones(rng.integers(2, 9, 2), bool)).astype(bool)
    text = coco_mask.encode(np.asfortranarray(mask, np.uint8))["counts"].decode()
    return {"size": list(mask.shape), "pixels": hexadecimal(mask), "string": text}


def main() -> None:
    rng = np.random.default_rng(0)
    values = {
        "polygons": [polygon_case(number, rng) for number in range(200)],
        "masks": [mask_case(number, rng) for number in range(60)],
    }
    text = ",\n".join(
        f"{json.dumps(key)}: [\n" + ",\n".join(map(json.dumps, cases)) + "\n]"
        for key, cases in values.items()
    )
    COCO_MASK_VALUES.write_text("{\n" + text + "\n}\n", encoding="utf-8")


if __name__ == "__main__":
    main()
