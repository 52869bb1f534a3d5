"""Museum: scene number `index` of a split, made on the fly and the same on every machine.

`museum[7]` draws from `np.random.default_rng(np.random.SeedSequence([seed, split, 7]))` and from
nothing else. So scenes can be asked for in any order, by many workers, and after a restart.

    train, val, test_iid   seen pairs only
    test_comp              one object of every scene is a withheld colour-shape pair
    test_rel               scenes 2k and 2k + 1 differ only in this: two objects changed places
    test_count             one object more than any training scene has
    test_res               the training distribution on 64 x 64 pixels, enlarged with the picture
    test_style             walls with stripes or noise
"""

from collections.abc import Iterator
from dataclasses import dataclass, replace

import numpy as np

from tinyvlm.datasets.museum import drawing
from tinyvlm.datasets.museum.scene import DECIMALS, MOUNTS, SEEN, WITHHELD, Object, Scene, relation
from tinyvlm.errors import InputError

SPLITS = {
    "train": 0,
    "val": 1,
    "test_iid": 2,
    "test_comp": 3,
    "test_rel": 4,
    "test_count": 5,
    "test_res": 6,
    "test_style": 7,
}
TEST_RES_PX = 64
TRIES = 60  # places tried for one object before the scene starts again
RESTARTS = 5000  # scenes started before we say that the objects don't fit
MOST_OBJECTS = 4  # a number above has no word
MOST_HIDDEN = 0.3  # share of an object that may be hidden at level 2


@dataclass(frozen=True)
class MuseumConfig:
    """What a museum's scenes look like; the defaults are the one-object setting of the proofs."""

    size: int = 32  # px, the picture is size x size
    objects: tuple[int, int] = (1, 1)  # fewest, most in a picture
    radius: tuple[float, float] = (9.0, 13.0)  # px, smallest, largest
    wall: tuple[int, int] = (120, 200)  # grey level, from, up to but not including
    tint: int = 15  # each of R, G, B is moved by up to this much
    textures: tuple[str, ...] = ("solid",)  # drawn from, one for each object
    level: int = 0  # 0 plain; 1 + floor, panelled wall, frames, plinths; 2 + occlusion


ONE_OBJECT = MuseumConfig()
SEVERAL_OBJECTS = MuseumConfig(size=48, objects=(1, 3), radius=(8.0, 10.0))


class Museum:
    """An endless row of scenes: `museum[index]` is a `Scene`."""

    def __init__(self, config: MuseumConfig = ONE_OBJECT, split: str = "train", seed: int = 0):
        """Raises InputError for an unknown split or a config whose objects can't fit."""
        if split not in SPLITS:
            raise InputError(f"split {split!r} is unknown; choose one of {', '.join(SPLITS)}")
        _check(config)
        self.config = config
        self.split = split
        self.seed = seed
        fewest, most = config.objects
        if split == "test_rel":
            fewest = most = 2
        if split == "test_count":
            fewest = most = most + 1
        if most > MOST_OBJECTS:
            raise InputError(f"{most} objects (split {split}); the museum counts to {MOST_OBJECTS}")
        self._count = fewest, most

    def __getitem__(self, index: int) -> Scene:
        """The scene number `index`, any integer from 0 on."""
        if index < 0:
            raise IndexError(f"scene {index} of a museum: scenes are counted from 0")
        drawn_as = index // 2 if self.split == "test_rel" else index
        rng = np.random.default_rng(
            np.random.SeedSequence([self.seed, SPLITS[self.split], drawn_as])
        )
        scene = self._empty(index, rng)
        scene = replace(scene, objects=self._objects(scene, rng))
        if self.split == "test_rel" and index % 2:
            scene = _exchange_places(scene)
        if self.split == "test_res":
            scene = _enlarge(scene, TEST_RES_PX)
        return scene

    def scenes(self, count: int, start: int = 0) -> Iterator[Scene]:
        """Scenes start, start + 1, ... start + count - 1."""
        return (self[index] for index in range(start, start + count))

    def _empty(self, index: int, rng: np.random.Generator) -> Scene:
        config = self.config
        grey = int(rng.integers(*config.wall))
        tint = rng.integers(-config.tint, config.tint + 1, size=3)
        red, green, blue = (grey + int(value) for value in tint)
        floor = None
        style = "plain"
        if config.level >= 1:
            floor = (max(red - 70, 0), max(green - 80, 0), max(blue - 90, 0))
            style = "panels"
        if self.split == "test_style":
            style = "stripes" if rng.random() < 0.5 else "noise"
        return Scene(
            split=self.split,
            seed=self.seed,
            index=index,
            size_px=config.size,
            wall=(red, green, blue),
            floor=floor,
            style=style,
            objects=(),
        )

    def _objects(self, scene: Scene, rng: np.random.Generator) -> tuple[Object, ...]:
        fewest, most = self._count
        count = int(rng.integers(fewest, most + 1))
        smallest, largest = self.config.radius
        # Drawn once: if a restart drew new radii, crowded pictures would favour small objects.
        radii = rng.uniform(smallest, largest, size=count).tolist()
        for _ in range(RESTARTS):
            places = self._places(radii, rng)
            if places is None:
                continue
            objects = self._dress(places, rng)
            if self.split == "test_rel" and relation(objects[0], objects[1], scene.size_px) is None:
                continue
            if (
                self.config.level == 2
                and _most_hidden(replace(scene, objects=objects)) > MOST_HIDDEN
            ):
                continue
            return objects
        raise InputError(
            f"{count} objects of radius {smallest:g} to {largest:g} don't fit on a picture of "
            f"{scene.size_px} px (split {self.split}); take a smaller radius or a larger size"
        )

    def _places(
        self, radii: list[float], rng: np.random.Generator
    ) -> list[tuple[float, float, float]] | None:
        """(x, y, radius) of objects that keep a pixel between them, or None."""
        size = self.config.size
        apart = 0.6 if self.config.level == 2 else 1.0
        places: list[tuple[float, float, float]] = []
        for _ in range(TRIES):
            radius = radii[len(places)]
            x, y = rng.uniform(radius + 0.5, size - radius - 0.5, size=2).tolist()
            if all(
                (x - x2) ** 2 + (y - y2) ** 2 > (apart * (radius + radius2 + 1)) ** 2
                for x2, y2, radius2 in places
            ):
                places.append((x, y, radius))
            if len(places) == len(radii):
                return places
        return None

    def _dress(
        self, places: list[tuple[float, float, float]], rng: np.random.Generator
    ) -> tuple[Object, ...]:
        pairs = self._pairs(len(places), rng)
        objects = []
        for z, ((color, shape), (x, y, radius)) in enumerate(zip(pairs, places, strict=True)):
            textures = self.config.textures
            texture = textures[0] if len(textures) == 1 else textures[rng.integers(len(textures))]
            mount = MOUNTS[rng.integers(3)] if self.config.level >= 1 else "none"
            objects.append(
                Object(
                    color=color,
                    shape=shape,
                    x=round(x, DECIMALS),
                    y=round(y, DECIMALS),
                    radius=round(radius, DECIMALS),
                    size=self._size_word(radius),
                    texture=texture,
                    mount=mount,
                    z=z,
                )
            )
        return tuple(objects)

    def _pairs(self, count: int, rng: np.random.Generator) -> list[tuple[str, str]]:
        """`count` different pairs; in test_comp one of them, at a random place, is withheld."""
        chosen = [SEEN[i] for i in rng.choice(len(SEEN), size=count, replace=False)]
        if self.split == "test_comp":
            chosen[rng.integers(count)] = WITHHELD[rng.integers(len(WITHHELD))]
        return chosen

    def _size_word(self, radius: float) -> str | None:
        """The lowest two fifths of the range are small, the highest two big, the rest neither."""
        smallest, largest = self.config.radius
        if radius < smallest + 0.4 * (largest - smallest):
            return "small"
        if radius > smallest + 0.6 * (largest - smallest):
            return "big"
        return None


def _check(config: MuseumConfig) -> None:
    fewest, most = config.objects
    smallest, largest = config.radius
    if not 1 <= fewest <= most:
        raise InputError(
            f"objects={config.objects} must be (fewest, most) with 1 <= fewest <= most"
        )
    if not 0 < smallest <= largest or 2 * largest + 1 > config.size:
        raise InputError(
            f"radius={config.radius} must be (smallest, largest), and the largest must fit into "
            f"{config.size} px: at most {(config.size - 1) / 2:g}"
        )
    if config.level not in (0, 1, 2):
        raise InputError(f"level={config.level} must be 0, 1 or 2")


def _exchange_places(scene: Scene) -> Scene:
    """The same scene, but the two objects have changed colour and shape: a hard negative."""
    a, b = scene.objects
    moved_a = replace(a, color=b.color, shape=b.shape)
    moved_b = replace(b, color=a.color, shape=a.shape)
    return replace(scene, objects=(moved_a, moved_b))


def _enlarge(scene: Scene, size_px: int) -> Scene:
    scale = size_px / scene.size_px
    objects = tuple(
        replace(
            thing,
            x=round(thing.x * scale, DECIMALS),
            y=round(thing.y * scale, DECIMALS),
            radius=round(thing.radius * scale, DECIMALS),
        )
        for thing in scene.objects
    )
    return replace(scene, size_px=size_px, objects=objects)


def _most_hidden(scene: Scene) -> float:
    """The largest share of an object that others hide."""
    visible = drawing.masks(scene).sum(axis=(1, 2))
    whole = [drawing.masks(replace(scene, objects=(thing,))).sum() for thing in scene.objects]
    return float(1 - (visible / whole).min())
