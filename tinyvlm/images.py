"""Pictures: files in, uint8 arrays out; resizing, the model's layout, augmentation (layer 4).

A picture is (Y, X, 3) uint8, a batch is (B, Y, X, C), and a model sees (B, C, Y, X) float32. Pillow
decodes and resizes; whatever kind of file it was (palette, CMYK, 16 bit, transparent, animated,
turned by its EXIF), what comes out is upright red, green, blue. Left out: colour profiles, which
are ignored, and the formats that Pillow reads through other programs.
"""

import contextlib
import os
import stat
import warnings
from pathlib import Path

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view
from PIL import Image, UnidentifiedImageError

from tinyvlm.errors import InputError

MAX_PIXELS = 64_000_000  # 8000 x 8000; a file can claim any size in a few bytes
EXTENSIONS = {
    ".bmp": "BMP",
    ".gif": "GIF",
    ".jpeg": "JPEG",
    ".jpg": "JPEG",
    ".pgm": "PPM",
    ".png": "PNG",
    ".ppm": "PPM",
    ".tif": "TIFF",
    ".tiff": "TIFF",
    ".webp": "WEBP",
}
FORMATS = tuple(sorted(set(EXTENSIONS.values())))
METHODS = {
    "nearest": Image.Resampling.NEAREST,
    "box": Image.Resampling.BOX,
    "bilinear": Image.Resampling.BILINEAR,
    "bicubic": Image.Resampling.BICUBIC,
    "lanczos": Image.Resampling.LANCZOS,
}
TURNS = {  # EXIF orientation (tag 0x0112) -> what makes the picture upright
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}
GREY = np.array([0.299, 0.587, 0.114], np.float32)  # ITU-R BT.601, as Pillow's mode L


def load(path: str | os.PathLike) -> np.ndarray:
    """Read one picture as (Y, X, 3) uint8: upright, on white where it is transparent.

    An animation gives its first frame; 16-bit grey is scaled to 8 bits.
    Raises InputError for a file that is missing, empty, damaged, no picture, or larger than
    MAX_PIXELS (from its header, before anything is decoded).
    """
    name = _quote(path)
    _check_file(path, name)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # Pillow warns of large pictures and of damaged EXIF
        with _open(path, name) as picture:
            return _decode(picture, name)


def save(image: np.ndarray, path: str | os.PathLike) -> None:
    """Write a (Y, X, 3) uint8 picture; the extension chooses the format.

    The file appears whole or not at all. Raises InputError for another extension or when the file
    can't be written.
    """
    _check_picture("save", image)
    path = Path(path)
    name = _quote(path)
    file_format = EXTENSIONS.get(path.suffix.lower())
    if file_format is None:
        raise InputError(f"{name}: no such picture format; end its name in .png or .jpg")
    options = {"quality": 95} if file_format == "JPEG" else {}
    part = path.with_name(f".{path.name}.part")
    try:
        Image.fromarray(image).save(part, format=file_format, **options)
        os.replace(part, path)
    except OSError as error:
        reason = error.strerror or error
        message = f"{name} can't be written ({reason}); check the folder and the space on the disk"
        raise InputError(message) from error
    finally:
        with contextlib.suppress(OSError):
            part.unlink()


def resize(image: np.ndarray, size: int | tuple[int, int], method: str = "bicubic") -> np.ndarray:
    """Squash a (Y, X, 3) uint8 picture to (size, size, 3), or to (Y, X, 3) for a pair.

    Pillow's filters: they widen when shrinking (antialias) and bicubic has a = -0.5, as in the
    processors of CLIP and SigLIP. The result is rounded to uint8, which matters for parity.
    """
    _check_picture("resize", image)
    if method not in METHODS:
        raise ValueError(f"resize: method {method!r} is none of {', '.join(METHODS)}")
    Y, X = (size, size) if isinstance(size, int) else size
    if min(Y, X) < 1:
        raise ValueError(f"resize: size must be at least 1, got {size}")
    if Y * X > MAX_PIXELS:
        raise InputError(
            f"a picture of {image.shape[0]} x {image.shape[1]} would become {Y} x {X}, more than "
            f"{MAX_PIXELS:,} pixels; crop it first"
        )
    return np.array(Image.fromarray(image).resize((X, Y), METHODS[method]))  # (Y, X, 3)


def resize_shorter(image: np.ndarray, size: int, method: str = "bicubic") -> np.ndarray:
    """Make the shorter side `size` and keep the proportions (uint8 in and out).

    The longer side is int(size * long / short), rounded down as CLIP's processor does.
    """
    _check_picture("resize_shorter", image)
    Y, X = image.shape[:2]
    longer = int(size * max(Y, X) / min(Y, X))
    return resize(image, (longer, size) if Y > X else (size, longer), method)


def center_crop(image: np.ndarray, size: int) -> np.ndarray:
    """Cut the middle (size, size, 3) out of a picture; an odd rest goes below and to the right."""
    _check_picture("center_crop", image)
    Y, X = image.shape[:2]
    if min(Y, X) < size:
        raise ValueError(f"center_crop: a picture of {Y} x {X} is smaller than {size}; resize it")
    top = (Y - size) // 2
    left = (X - size) // 2
    return image[top : top + size, left : left + size]  # (size, size, 3)


def to_square(image: np.ndarray, size: int) -> np.ndarray:
    """CLIP's way to (size, size, 3): shorter side to `size`, then the middle; nothing is squashed.

    Raises InputError for a picture so narrow that its longer side would not fit in memory.
    """
    return center_crop(resize_shorter(image, size), size)


def to_model(images: np.ndarray, mean=0.5, std=0.5) -> np.ndarray:
    """(B, Y, X, C) uint8 -> (B, C, Y, X) float32, (images / 255 - mean) / std, contiguous.

    The default gives [-1, 1]. `mean` and `std` are one number or one per channel.
    """
    _check_batch("to_model", images, (np.uint8,))
    x = np.ascontiguousarray(images.transpose(0, 3, 1, 2), np.float32)  # (B, C, Y, X)
    x /= 255.0
    x -= _per_channel(mean)
    x /= _per_channel(std)
    return x


def from_model(x: np.ndarray, mean=0.5, std=0.5) -> np.ndarray:
    """The inverse of to_model: (B, C, Y, X) float -> (B, Y, X, C) uint8, clipped and rounded."""
    if x.ndim != 4 or not np.issubdtype(x.dtype, np.floating):
        raise ValueError(f"from_model: x must be (B, C, Y, X) float, got {x.shape} {x.dtype}")
    images = (x * _per_channel(std) + _per_channel(mean)) * 255.0
    images = np.rint(np.clip(images, 0.0, 255.0)).astype(np.uint8)
    return np.ascontiguousarray(images.transpose(0, 2, 3, 1))  # (B, Y, X, C)


def random_flip(images: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Mirror each picture of a (B, Y, X, C) batch left to right with probability one half."""
    _check_batch("random_flip", images)
    flip = rng.random(len(images)) < 0.5  # (B,)
    flipped = images.copy()
    flipped[flip] = images[flip, :, ::-1]
    return flipped


def random_crop(images: np.ndarray, pad: int, rng: np.random.Generator) -> np.ndarray:
    """Shift each picture of a (B, Y, X, C) batch by up to `pad` pixels each way.

    A window of the old size is cut out of the padded picture. The margin mirrors the picture, so
    that no black border tells how far it was moved.
    """
    _check_batch("random_crop", images)
    B, Y, X, C = images.shape
    padded = np.pad(images, ((0, 0), (pad, pad), (pad, pad), (0, 0)), mode="reflect")
    rows = padded.reshape(B, Y + 2 * pad, (X + 2 * pad) * C)  # (B, Y+2pad, (X+2pad)*C)
    windows = sliding_window_view(rows, (Y, X * C), axis=(1, 2))  # a view, nothing is copied
    top, left = rng.integers(0, 2 * pad + 1, (2, B))
    return windows[np.arange(B), top, left * C].reshape(B, Y, X, C)  # (B, Y, X, C)


def color_jitter(
    images: np.ndarray,
    rng: np.random.Generator,
    brightness: float = 0.2,
    contrast: float = 0.2,
    saturation: float = 0.2,
) -> np.ndarray:
    """Change brightness b, contrast c and saturation s of each picture of a (B, Y, X, 3) batch.

    Each factor is uniform in [1 - strength, 1 + strength]. With m the picture's mean grey:
        x <- b x;   x <- c x + (1 - c) m;   x <- s x + (1 - s) grey(x)
    All three are linear in x, so together they are one 3x3 matrix and one offset per picture,
    clipped once at the end. Float batches are in [0, 1]; the dtype is kept.
    """
    _check_batch("color_jitter", images)
    B, Y, X, C = images.shape
    if C != 3:
        raise ValueError(f"color_jitter: images must be (B, Y, X, 3), got {images.shape}")
    dtype = np.float32 if images.dtype == np.uint8 else images.dtype
    white = 255.0 if images.dtype == np.uint8 else 1.0
    x = images.astype(dtype).reshape(B, Y * X, C)  # (B, Y*X, 3)
    strength = np.array([brightness, contrast, saturation]).reshape(3, 1, 1, 1)
    low = np.maximum(1.0 - strength, 0.0)
    b, c, s = rng.uniform(low, 1.0 + strength, (3, B, 1, 1)).astype(dtype)  # (B, 1, 1) each
    mean_grey = (x.mean(axis=1) @ GREY.astype(dtype)).reshape(B, 1, 1)  # (B, 1, 1)
    to_grey = np.outer(GREY, np.ones(3)).astype(dtype)  # (3, 3), x @ to_grey is grey in all three
    matrix = c * b * (s * np.eye(3, dtype=dtype) + (1.0 - s) * to_grey)  # (B, 3, 3)
    y = x @ matrix  # (B, Y*X, 3)
    y += (1.0 - c) * b * mean_grey
    np.clip(y, 0.0, white, out=y)
    if images.dtype == np.uint8:
        y = np.rint(y).astype(np.uint8)
    return y.reshape(B, Y, X, C)  # (B, Y, X, 3)


def _quote(path) -> str:
    """The path in quotes and on one line, whatever bytes its name has."""
    return repr(os.fsdecode(path))


def _check_file(path, name: str) -> None:
    try:
        status = os.stat(path)
    except (FileNotFoundError, NotADirectoryError) as error:
        raise InputError(f"{name} does not exist; check the path") from error
    except (OSError, ValueError) as error:  # no permission, a name too long, a NUL in it
        raise _cannot_open(name, error) from error
    if stat.S_ISDIR(status.st_mode):
        raise InputError(f"{name} is a folder; name a picture in it")
    if not stat.S_ISREG(status.st_mode):  # reading a pipe would wait for ever
        raise InputError(f"{name} is not a regular file; name a picture")
    if status.st_size == 0:
        raise InputError(f"{name} is empty (0 bytes); copy it again or delete it")


def _open(path, name: str) -> Image.Image:
    """Read the header only."""
    try:
        return Image.open(path, formats=FORMATS)
    except Image.DecompressionBombError as error:
        raise _too_large(name) from error
    except UnidentifiedImageError as error:
        known = ", ".join(FORMATS)
        raise InputError(f"{name} is not a picture that can be read; use {known}") from error
    except Exception as error:
        if isinstance(error, OSError) and error.errno:  # from the system; Pillow sets no errno
            raise _cannot_open(name, error) from error
        raise _damaged(name, error) from error


def _cannot_open(name: str, error: Exception) -> InputError:
    reason = getattr(error, "strerror", None) or " ".join(str(error).split())
    return InputError(f"{name} can't be opened ({reason}); check its name and its permissions")


def _damaged(name: str, error: Exception) -> InputError:
    reason = " ".join(str(error).split()) or type(error).__name__
    return InputError(f"{name} is damaged or cut short ({reason}); copy it again or delete it")


def _too_large(name: str) -> InputError:
    return InputError(f"{name} has more than {MAX_PIXELS:,} pixels; make it smaller first")


def _decode(picture: Image.Image, name: str) -> np.ndarray:
    if picture.width * picture.height > MAX_PIXELS:
        raise _too_large(name)
    try:
        picture.load()
        picture = _turn_upright(picture)
        if picture.mode.startswith("I"):
            pixels = _from_16_bits(picture, name)
        elif picture.mode == "F":
            raise InputError(f"{name} has floating-point pixels; save it with 8 or 16 bits")
        else:
            pixels = _as_rgb(picture)
    except InputError:
        raise
    except Exception as error:  # Pillow's plugins raise SyntaxError, struct.error, IndexError ...
        raise _damaged(name, error) from error
    if pixels.size == 0:
        raise InputError(f"{name} has no pixels; delete it")
    return pixels


def _turn_upright(picture: Image.Image) -> Image.Image:
    """Apply the EXIF orientation; EXIF too damaged to tell it leaves the picture as it is."""
    if picture.format == "TIFF":  # Trap: loading has turned it, and Pillow 10 leaves the tag
        return picture
    try:
        orientation = picture.getexif().get(0x0112)
    except Exception:
        return picture
    return picture.transpose(TURNS[orientation]) if orientation in TURNS else picture


def _from_16_bits(picture: Image.Image, name: str) -> np.ndarray:
    """16-bit grey as (Y, X, 3) uint8. Trap: convert("L") would clip at 255 instead of scaling."""
    grey = np.asarray(picture).astype(np.int64)  # (Y, X); some Pillows hand out 32-bit integers
    if grey.min() < 0 or grey.max() > 65535:
        raise InputError(f"{name} has 32-bit pixels; save it with 8 or 16 bits")
    grey = ((grey + 128) // 257).astype(np.uint8)  # 65535 = 257 * 255
    return np.repeat(grey[:, :, None], 3, axis=2)  # (Y, X, 3)


def _as_rgb(picture: Image.Image) -> np.ndarray:
    """An 8-bit picture of any mode as (Y, X, 3) uint8, on white where it is transparent."""
    if picture.mode in ("LA", "PA", "RGBA") or "transparency" in picture.info:
        picture = picture.convert("RGBA")
        white = Image.new("RGBA", picture.size, "white")
        picture = Image.alpha_composite(white, picture)
    return np.array(picture.convert("RGB"))  # (Y, X, 3)


def _check_picture(operation: str, image: np.ndarray) -> None:
    if image.dtype != np.uint8:
        raise TypeError(f"{operation}: image must be uint8, got {image.dtype}")
    if image.ndim != 3 or image.shape[2] != 3 or image.size == 0:
        raise ValueError(f"{operation}: image must be (Y, X, 3), got {image.shape}")


def _check_batch(operation: str, images: np.ndarray, kinds=(np.uint8, np.floating)) -> None:
    if not any(np.issubdtype(images.dtype, kind) for kind in kinds):
        wanted = " or ".join(kind.__name__ for kind in kinds)
        raise TypeError(f"{operation}: images must be {wanted}, got {images.dtype}")
    if images.ndim != 4 or images.shape[3] > 4:
        raise ValueError(f"{operation}: images must be (B, Y, X, C), got {images.shape}")


def _per_channel(value) -> np.ndarray:
    return np.asarray(value, np.float32).reshape(-1, 1, 1)  # (C, 1, 1)
