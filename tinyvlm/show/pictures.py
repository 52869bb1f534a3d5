"""Raw arrays in, Pillow images out: contact sheet, matrix, and attention over a picture.

Colour: a matrix uses viridis (Smith and van der Walt, 2015): its lightness rises evenly, so it
survives printing in grey and the common kinds of colour blindness. An overlay uses no colour map on
purpose: the words it explains are often colours, and a map would repaint them. It darkens instead.
"""

import base64
import io
from collections.abc import Sequence

import numpy as np
from PIL import Image, ImageDraw, ImageFont

PAPER = (250, 247, 241)
INK = (38, 34, 28)
SHADE = (34, 31, 56)  # night blue rather than black: black is what dark photographs are made of
DENSEST = 0.88
Font = ImageFont.FreeTypeFont | ImageFont.ImageFont
# viridis at tenths; between them linear interpolation stays within 14 of 255 of the original.
VIRIDIS = np.array(
    [
        (68, 1, 84),
        (72, 36, 117),
        (65, 68, 135),
        (53, 95, 141),
        (42, 120, 142),
        (33, 145, 140),
        (34, 168, 132),
        (68, 191, 112),
        (122, 209, 81),
        (189, 223, 38),
        (253, 231, 37),
    ],
    dtype=np.float64,
)


def colours(values: np.ndarray) -> np.ndarray:
    """Viridis colours (..., 3) uint8 of values (...) in 0..1; what lies outside is clipped."""
    stops = np.linspace(0.0, 1.0, len(VIRIDIS))
    channels = [np.interp(values, stops, VIRIDIS[:, c]) for c in range(3)]
    return np.stack(channels, axis=-1).round().astype(np.uint8)


def to_png_bytes(image: Image.Image) -> bytes:
    """The image as a PNG file in memory."""
    buffer = io.BytesIO()
    image.save(buffer, format="PNG", optimize=True)
    return buffer.getvalue()


def data_uri(image: Image.Image) -> str:
    """The image as text that stands in an HTML src attribute; nothing is loaded from elsewhere."""
    return "data:image/png;base64," + base64.b64encode(to_png_bytes(image)).decode("ascii")


def enlarge(picture: np.ndarray, size: int) -> Image.Image:
    """A picture (Y, X, 3) uint8 fitted into size x size, its proportions kept.

    A small picture grows by a whole factor without smoothing: one sees the pixels the model sees.
    """
    image = Image.fromarray(_checked_picture(picture))
    longest = max(image.size)
    if 2 * longest <= size:
        factor = size // longest
        grown = (image.width * factor, image.height * factor)
        return image.resize(grown, Image.Resampling.NEAREST)
    fitted = (max(1, image.width * size // longest), max(1, image.height * size // longest))
    return image.resize(fitted, Image.Resampling.LANCZOS)


def grid(
    pictures: Sequence[np.ndarray], captions: Sequence[str], columns: int, cell: int = 160
) -> Image.Image:
    """A contact sheet: pictures, each (Y, X, 3) uint8, row by row, the caption under each.

    cell: side of the square for one picture, in pixels. Captions wrap to three lines at most.
    """
    if len(pictures) == 0 or len(pictures) != len(captions):
        raise ValueError(
            f"grid: as many captions as pictures, at least one, expected;"
            f" got {len(pictures)} pictures and {len(captions)} captions"
        )
    if columns < 1:
        raise ValueError(f"grid: columns must be 1 or more, got {columns}")
    font = ImageFont.load_default(15)
    lines = [wrapped(caption, font, cell) for caption in captions]
    gap, line_height = 20, 20
    rows = [lines[first : first + columns] for first in range(0, len(lines), columns)]
    heights = [cell + 8 + line_height * max(map(len, row)) + gap for row in rows]
    across = min(columns, len(pictures))
    sheet = Image.new("RGB", (gap + across * (cell + gap), gap + sum(heights)), PAPER)
    pen = ImageDraw.Draw(sheet)
    for i, picture in enumerate(pictures):
        image = enlarge(picture, cell)
        x = gap + (i % columns) * (cell + gap)
        y = gap + sum(heights[: i // columns])
        sheet.paste(image, (x + (cell - image.width) // 2, y + (cell - image.height) // 2))
        pen.multiline_text((x, y + cell + 8), "\n".join(lines[i]), fill=INK, font=font, spacing=5)
    return sheet


def wrapped(text: str, font: Font, width: int, most: int = 3) -> list[str]:
    """Text broken at spaces into lines of at most `width` pixels; the last one may end in dots."""
    lines = [""]
    for word in text.split():
        longer = f"{lines[-1]} {word}".strip()
        if lines[-1] and font.getlength(longer) > width:
            lines.append(word)
        else:
            lines[-1] = longer
    kept = lines[:most]
    if len(lines) > most:
        kept[-1] += " …"
    return [shortened(line, font, width) for line in kept]


def shortened(text: str, font: Font, width: int) -> str:
    """Text cut so that it is at most `width` pixels wide, with dots where it was cut."""
    if font.getlength(text) <= width:
        return text
    text = text.removesuffix("…").rstrip()[:400]
    while text and font.getlength(text + "…") > width:
        text = text[:-1]
    return text.rstrip() + "…"


def matrix(
    values: np.ndarray, rows: Sequence[str], columns: Sequence[str], cell: int = 44
) -> Image.Image:
    """A heat map of values (R, C), e.g. the similarity of R texts with C pictures, each printed.

    The colours run from the smallest finite value to the largest; others are left empty.
    """
    values = np.asarray(values, dtype=np.float64)  # (R, C)
    if values.shape != (len(rows), len(columns)) or values.size == 0:
        raise ValueError(
            f"matrix: values of shape (rows, columns) = ({len(rows)}, {len(columns)}) expected,"
            f" at least one each; got {values.shape}"
        )
    font, small = ImageFont.load_default(15), ImageFont.load_default(13)
    left = _label_width(rows, font)
    top = _label_width(columns, font)
    image = Image.new("RGB", (left + len(columns) * cell + 10, top + len(rows) * cell + 10), PAPER)
    pen = ImageDraw.Draw(image)
    for c, name in enumerate(columns):
        _paste_upright(image, shortened(name, font, top - 20), font, left + c * cell, top, cell)
    shares = _between_zero_and_one(values)
    painted = colours(np.nan_to_num(shares))  # (R, C, 3)
    for r, name in enumerate(rows):
        y = top + r * cell
        label = shortened(name, font, left - 20)
        pen.text((left - 10, y + cell / 2), label, fill=INK, font=font, anchor="rm")
        for c in range(len(columns)):
            if not np.isfinite(values[r, c]):
                continue
            x = left + c * cell
            pen.rectangle((x, y, x + cell - 2, y + cell - 2), fill=tuple(painted[r, c].tolist()))
            ink = INK if shares[r, c] > 0.55 else PAPER
            middle = (x + cell / 2 - 1, y + cell / 2 - 1)
            pen.text(middle, _two_digits(values[r, c]), fill=ink, font=small, anchor="mm")
    return image


def veil(heat: np.ndarray, size: tuple[int, int]) -> Image.Image:
    """A dark RGBA layer of size (X, Y), clear where heat (rows, cols) is highest.

    Laid over a picture it leaves light where the model looked, and repaints nothing. A line runs
    round what is above half the range: on a black object light alone could not be seen. Heat is
    scaled to its own range first; a heat without any range gives an even half-light.
    """
    heat = np.asarray(heat, dtype=np.float64)
    if heat.ndim != 2 or heat.size == 0 or not np.isfinite(heat).all():
        raise ValueError(f"overlay: finite heat of shape (rows, cols) expected, got {heat.shape}")
    small = Image.fromarray(_between_zero_and_one(heat).astype(np.float32))
    double = (2 * size[0], 2 * size[1])  # drawn twice as large, reduced below: a smooth line
    smooth = np.asarray(small.resize(double, Image.Resampling.BICUBIC)).clip(0.0, 1.0)  # (2Y, 2X)
    density = np.round(48 * (1.0 - smooth)) / 48  # steps too small to see, a quarter of the bytes
    layer = np.empty((*smooth.shape, 4), dtype=np.uint8)  # (2Y, 2X, 4)
    layer[..., :3] = SHADE
    layer[..., 3] = (DENSEST * 255 * density).round()
    layer[_border(smooth > 0.5, thick=max(2, size[0] // 50))] = (*PAPER, 255)
    return Image.fromarray(layer).reduce(2)


def overlay(picture: np.ndarray, heat: np.ndarray, size: int = 256) -> Image.Image:
    """Attention or similarity over a picture: light where heat (rows, cols) is high.

    picture: (Y, X, 3) uint8. Returns an RGB image that fits into size x size.
    """
    image = enlarge(picture, size).convert("RGBA")
    return Image.alpha_composite(image, veil(heat, image.size)).convert("RGB")


def _checked_picture(picture: np.ndarray) -> np.ndarray:
    picture = np.asarray(picture)
    if picture.dtype != np.uint8 or picture.ndim != 3 or picture.shape[2] != 3 or not picture.size:
        raise ValueError(
            f"picture: uint8 of shape (Y, X, 3) expected, got {picture.dtype} {picture.shape}"
        )
    return picture


def _between_zero_and_one(values: np.ndarray) -> np.ndarray:
    """Values scaled to 0..1 by their finite range; 0.5 everywhere if that range is empty."""
    finite = values[np.isfinite(values)]
    low, high = finite.min(initial=np.inf), finite.max(initial=-np.inf)
    if not high - low > 1e-12 * max(1.0, abs(low), abs(high)):
        return np.where(np.isfinite(values), 0.5, np.nan)
    return np.where(np.isfinite(values), (values - low) / (high - low), np.nan)


def _border(inside: np.ndarray, thick: int) -> np.ndarray:
    """Where a mask (Y, X) changes within `thick` pixels to the right or below."""
    border = np.zeros_like(inside)
    for shift in range(1, thick + 1):
        border[:-shift] |= inside[:-shift] != inside[shift:]
        border[:, :-shift] |= inside[:, :-shift] != inside[:, shift:]
    return border


def _label_width(names: Sequence[str], font: Font, most: int = 220) -> int:
    return 20 + min(most, max(int(font.getlength(name)) + 1 for name in names))


def _paste_upright(image: Image.Image, text: str, font: Font, x: int, y: int, cell: int) -> None:
    """Writes text from bottom to top, centred over the column of width `cell` that begins at x."""
    strip = Image.new("RGB", (int(font.getlength(text)) + 2, 22), PAPER)
    ImageDraw.Draw(strip).text((0, 11), text, fill=INK, font=font, anchor="lm")
    strip = strip.rotate(90, expand=True)
    image.paste(strip, (x + (cell - strip.width) // 2, y - 8 - strip.height))


def _two_digits(value: float) -> str:
    """.87 and -.05 as the papers print similarities; larger numbers get three digits."""
    if abs(value) >= 9.995:
        return f"{value:.3g}"
    rounded = round(value, 2) + 0.0  # no minus before a zero
    return f"{rounded:.2f}".replace("0.", ".", 1)
