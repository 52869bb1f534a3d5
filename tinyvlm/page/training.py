"""The room that shows how the training went: the loss, and what it was good for."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np

from tinyvlm import show
from tinyvlm.page.fragments import escape

WIDE, NARROW = 520, 340  # px; the page shows the one that fits, so the writing keeps its size


@dataclass(frozen=True)
class Training:
    """A finished run, as measured."""

    steps: Sequence[int] | np.ndarray  # (N,)
    losses: Sequence[float] | np.ndarray  # (N,)
    seconds: Sequence[float] | np.ndarray  # (N,), since the start
    batch: int  # pictures a step
    sentences: int  # a step
    no_clue: float  # the loss of a model that takes every pair to be equally likely
    parameters: int
    machine: str  # e.g. "2 processor cores"
    checked: Sequence[int] | np.ndarray = ()  # (K,) steps at which held-out pictures were named
    accuracies: Mapping[str, Sequence[float]] = field(default_factory=dict)  # name -> (K,)
    chance: float = 0.0

    @property
    def pictures(self) -> int:
        """Pictures shown, each as often as it came up."""
        return int(self.steps[-1]) * self.batch


@dataclass(frozen=True)
class TrainingRoom:
    """The loss curve over steps and seconds, and beside it the held-out accuracy."""

    training: Training
    anchor: str = "training"
    title: str = "How it learned"

    def html(self) -> str:
        run = self.training
        start, end = run.losses[0], float(np.mean(run.losses[-25:]))
        text = f"""<div class="walltext">
<p>At every step the model saw {run.batch} pictures and {run.sentences} sentences and had to find
out which belong together. The loss says how badly that went: {start:.2f} at the first step,
{end:.2f} over the last {min(25, len(run.losses))}. A model that takes every pair to be equally
likely has {run.no_clue:.2f}.</p>
<p>{int(run.steps[-1]):,} steps in {run.seconds[-1]:.0f} seconds on {escape(run.machine)}.</p>
</div>"""
        charts = [self._losses] + ([self._accuracies] if len(run.checked) else [])
        return text + f'<div class="twofold">{"".join(_both_widths(c) for c in charts)}</div>'

    def _losses(self, width: int) -> str:
        run = self.training
        lines = {"each step": run.losses, "mean of 25 steps": rolling_mean(run.losses, 25)}
        return show.curve(
            run.steps, lines, "Loss", seconds=run.seconds, faint=["each step"], width=width
        )

    def _accuracies(self, width: int) -> str:
        run = self.training
        lines = {name: np.asarray(line) for name, line in run.accuracies.items()}
        lines["guessing"] = np.full(len(run.checked), run.chance)
        return show.curve(
            run.checked,
            lines,
            "Held-out pictures named right",
            seconds=np.interp(run.checked, run.steps, run.seconds),
            y_range=(0.0, 1.0),
            faint=["guessing"],
            width=width,
        )


def rolling_mean(values: Sequence[float] | np.ndarray, window: int) -> np.ndarray:
    """The mean over `window` values round each of values (N,); NaN where the window is cut off."""
    values = np.asarray(values, dtype=np.float64)  # (N,)
    means = np.full(values.shape, np.nan)
    if len(values) >= window:
        start = window // 2
        whole = np.convolve(values, np.full(window, 1 / window), mode="valid")
        means[start : start + len(whole)] = whole
    return means


def _both_widths(chart: Callable[[int], str]) -> str:
    return (
        f'<div class="chart label"><div class="wide">{chart(WIDE)}</div>'
        f'<div class="narrow">{chart(NARROW)}</div></div>'
    )
