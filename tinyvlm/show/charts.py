"""Lines over training steps as one SVG string: a loss curve, an accuracy curve.

SVG stays sharp at every size, and its text takes the colour of the page it stands in. Lines take
the page's --line-1, --line-2 ... where it sets them, else colours after Okabe and Ito (2008), made
dark enough for white paper; each also has its own dashes.
"""

import html
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

LINES = ("#0072b2", "#c04f00", "#00795a", "#8f4f78")
DASHES = ("0", "7 4", "2 3", "10 3 2 3")


@dataclass(frozen=True)
class Frame:
    """Where the data lies: its ranges, and the rectangle of the drawing that they fill."""

    first: float  # steps
    last: float
    low: float  # values
    high: float
    left: float  # pixels
    right: float
    top: float
    bottom: float

    def x(self, step: float) -> float:
        share = (step - self.first) / ((self.last - self.first) or 1.0)
        return self.left + (self.right - self.left) * share

    def y(self, value: float) -> float:
        share = (value - self.low) / ((self.high - self.low) or 1.0)
        return self.bottom - (self.bottom - self.top) * share


def curve(
    steps: Sequence[float] | np.ndarray,
    values: Mapping[str, Sequence[float] | np.ndarray],
    title: str,
    *,
    seconds: Sequence[float] | np.ndarray | None = None,
    y_range: tuple[float, float] | None = None,
    faint: Sequence[str] = (),
    width: int = 640,
    height: int = 280,
) -> str:
    """Lines over steps (N,), rising; values: name -> (N,), NaN where nothing was measured.

    title: stands above the drawing and is its name for those who do not see it. seconds: (N,), when
    each step was reached; written under the steps. y_range: else from 0 to the largest value.
    faint: names of the lines that stay in the background. Raises ValueError for other shapes.
    """
    steps = np.asarray(steps, dtype=np.float64)  # (N,)
    lines = {name: np.asarray(line, dtype=np.float64) for name, line in values.items()}
    _check(steps, lines)
    low, high = y_range or _range(lines)
    styles = _styles(list(lines), faint)
    legend, top = _legend(styles, width)
    bottom = height - (30 if seconds is None else 48)
    frame = Frame(steps[0], steps[-1], low, high, 46, width - 16, top, bottom)
    body = [_text(0, 16, title, "start", weight=600), *legend]
    body += [_level(value, frame) for value in ticks(low, high)]
    body += _step_axis(frame, steps, seconds, most=max(2, width // 85))
    body += [_line(frame, steps, lines[name], style) for name, style in styles.items()]
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" role="img"'
        f' aria-label="{html.escape(title)}" font-family="system-ui, sans-serif" font-size="13">'
        f"{''.join(body)}</svg>"
    )


def ticks(low: float, high: float, most: int = 5) -> list[float]:
    """Round numbers within low..high, 1, 2 or 5 times a power of ten apart, `most` + 1 at most."""
    if not high > low:
        return [low]
    coarse = (high - low) / most
    power = 10.0 ** np.floor(np.log10(coarse))
    distance = next(power * m for m in (1, 2, 5, 10) if power * m >= coarse * 0.999)
    start = int(np.ceil(low / distance - 1e-9))
    stop = int(np.floor(high / distance + 1e-9))
    return [round(n * distance, 12) for n in range(start, stop + 1)]


def _check(steps: np.ndarray, lines: Mapping[str, np.ndarray]) -> None:
    shapes = {name: line.shape for name, line in lines.items()}
    wrong = {name: shape for name, shape in shapes.items() if shape != steps.shape}
    if steps.ndim != 1 or steps.size == 0 or not lines or wrong:
        raise ValueError(
            f"curve: steps (N,), N at least 1, and values name -> (N,) expected;"
            f" got steps {steps.shape} and values {wrong or shapes}"
        )


def _range(lines: Mapping[str, np.ndarray]) -> tuple[float, float]:
    """From 0, or the smallest value if that is below, to the largest; (0, 1) without any."""
    finite = np.concatenate([line[np.isfinite(line)] for line in lines.values()])
    low, high = finite.min(initial=0.0), finite.max(initial=0.0)
    return (low, high) if high > low else (0.0, 1.0)


def _step_axis(
    frame: Frame, steps: np.ndarray, seconds: Sequence[float] | np.ndarray | None, most: int
) -> list[str]:
    axis = [_text(frame.left - 10, frame.bottom + 20, "step", "end")]
    if seconds is not None:
        axis.append(_text(frame.left - 10, frame.bottom + 38, "after", "end"))
    for step in ticks(frame.first, frame.last, most):
        axis.append(_text(frame.x(step), frame.bottom + 20, f"{step:,g}", "middle"))
        if seconds is not None:
            clock = f"{np.interp(step, steps, seconds):.0f} s"
            axis.append(_text(frame.x(step), frame.bottom + 38, clock, "middle"))
    return axis


def _level(value: float, frame: Frame) -> str:
    y = frame.y(value)
    path = f"M{frame.left:.0f} {y:.1f}H{frame.right:.0f}"
    rule = f'<path d="{path}" stroke="currentColor" stroke-opacity=".22"/>'
    return rule + _text(frame.left - 10, y + 4, f"{value:g}", "end")


def _styles(names: Sequence[str], faint: Sequence[str]) -> dict[str, str]:
    """CSS for each line: a thin grey one if it is faint, else the next colour with its dashes."""
    styles, used = {}, 0
    for name in names:
        if name in faint:
            styles[name] = "stroke:currentColor;stroke-width:1.2;stroke-opacity:.45"
            continue
        n = used % len(LINES)
        colour = f"var(--line-{n + 1},{LINES[n]})"
        styles[name] = f"stroke:{colour};stroke-width:2.4;stroke-dasharray:{DASHES[n]}"
        used += 1
    return styles


def _legend(styles: Mapping[str, str], width: int) -> tuple[list[str], float]:
    """A dash and a name for each line, in as many rows as they need, and where the rows end."""
    if len(styles) == 1:  # the title says what the one line is
        return [], 36.0
    legend, x, y = [], 0.0, 38.0
    for name, style in styles.items():
        needed = 26 + 7 * len(name)
        if x > 0 and x + needed > width:
            x, y = 0.0, y + 19
        legend.append(f'<path d="M{x:.0f} {y - 4:.0f}h20" style="fill:none;{style}"/>')
        legend.append(_text(x + 26, y, name, "start"))
        x += needed + 18
    return legend, y + 18


def _line(frame: Frame, steps: np.ndarray, line: np.ndarray, style: str) -> str:
    measured = np.flatnonzero(np.isfinite(line))
    points = [(frame.x(steps[n]), frame.y(line[n])) for n in _thinned(measured)]
    return _polyline(points, style)


def _thinned(indices: np.ndarray, most: int = 400) -> np.ndarray:
    """At most `most` of the indices, evenly spread, the first and the last always among them."""
    if len(indices) <= most:
        return indices
    return indices[np.linspace(0, len(indices) - 1, most).round().astype(int)]


def _polyline(points: Sequence[tuple[float, float]], style: str) -> str:
    if len(points) == 1:  # a line through one point shows nothing; a short dash does
        points = [(points[0][0] - 2, points[0][1]), (points[0][0] + 2, points[0][1])]
    corners = " ".join(f"{x:.1f},{y:.1f}" for x, y in points)
    return f'<polyline points="{corners}" style="fill:none;stroke-linejoin:round;{style}"/>'


def _text(x: float, y: float, text: str, anchor: str, weight: int = 400) -> str:
    return (
        f'<text x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}" font-weight="{weight}"'
        f' fill="currentColor">{html.escape(text)}</text>'
    )
