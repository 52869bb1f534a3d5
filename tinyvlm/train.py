"""fit: the one training loop (layer 7): bar, log, checkpoints, resume.

Everything random in step s comes from generators seeded with (seed, s, part), so a run that was
killed and resumed gives the very bits of one that was not (same machine, NumPy, BLAS and threads;
a checkpoint remembers these, and a resume under others warns).
"""

from __future__ import annotations

import contextlib
import csv
import json
import math
import sys
import time
import warnings
from collections.abc import Callable
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Literal

import numpy as np
import threadpoolctl
from tqdm import tqdm

from tinyvlm import checkpoint, optim
from tinyvlm.errors import InputError
from tinyvlm.files import write_atomically
from tinyvlm.nn.module import Module
from tinyvlm.parallel import blas_threads
from tinyvlm.tensor import Tensor

Batch = Any
LOG_COLUMNS = ("step", "seconds", "loss", "lr", "grad_norm", "examples_per_second")


@dataclass(frozen=True)
class Recipe:
    """How to train. It is stored in the checkpoint; a resume must use the same."""

    steps: int
    batch_size: int = 64  # examples a micro-batch
    accumulate: int = 1  # micro-batches whose gradients are averaged into one step
    optimizer: Literal["adamw", "muon"] = "adamw"
    lr: float = 2e-3  # peak learning rate
    warmup: int = 50  # steps
    weight_decay: float = 0.01
    clip: float = 1.0  # largest joint length of all gradients
    lr_scale: dict[str, float] = field(default_factory=dict)  # start of a name -> factor on lr
    seed: int = 0
    save_every: int = 100  # steps


@dataclass
class History:
    """What a run did, one entry a step."""

    losses: list[float] = field(default_factory=list)
    seconds: list[float] = field(default_factory=list)  # spent in steps so far, without checks


class DivergedError(InputError):
    """The loss or a gradient is no longer a number. The last good checkpoint is untouched."""


class Run:
    """The folder of one training run: checkpoint.safetensors and log.csv."""

    def __init__(self, folder: Path, about: dict[str, Any]) -> None:
        self.folder = folder
        self.about = about  # what the checkpoint says besides the state of training
        self.checkpoint = folder / "checkpoint.safetensors"
        self.log = folder / "log.csv"

    def save(
        self,
        model: Module,
        optimizer: optim.Optimizer,
        recipe: Recipe,
        history: History,
        threads: int,
    ) -> None:
        """Write model, optimizer and history as one checkpoint."""
        arrays = {f"model.{name}": a for name, a in model.state_dict().items()}
        arrays |= {f"optimizer.{name}": a for name, a in optimizer.state_dict().items()}
        arrays["history.losses"] = np.array(history.losses)
        arrays["history.seconds"] = np.array(history.seconds)
        about = self.about | {
            "recipe": asdict(recipe),
            "step": optimizer.steps,
            "environment": environment(threads),
        }
        checkpoint.save(self.checkpoint, arrays, about)

    def restore(
        self, model: Module, optimizer: optim.Optimizer, recipe: Recipe, threads: int
    ) -> History:
        """Continue from the checkpoint.

        Raises InputError when it belongs to another recipe, other data or another model.
        """
        arrays, about = checkpoint.load(self.checkpoint)
        self.check_same_run(about, recipe)
        here = environment(threads)
        changed = [k for k, v in about["environment"].items() if here.get(k) != v]
        if changed:
            warnings.warn(
                f"resumed with another {', '.join(changed)}: the numbers may differ in the last "
                "digits from an uninterrupted run",
                stacklevel=3,
            )
        try:
            model.load_state_dict(checkpoint.select(arrays, "model"))
            optimizer.load_state_dict(checkpoint.select(arrays, "optimizer"), about["step"])
            history = History(arrays["history.losses"].tolist(), arrays["history.seconds"].tolist())
        except (KeyError, ValueError) as error:
            raise InputError(
                f"{self.checkpoint} does not fit this run ({error}); start again without --resume"
            ) from error
        self.cut_log(about["step"])
        return history

    def check_same_run(self, about: dict[str, Any], recipe: Recipe) -> None:
        """Raises InputError unless the checkpoint was made by this recipe on this data."""
        for name, kind in (("recipe", dict), ("environment", dict), ("step", int)):
            if not isinstance(about.get(name), kind):
                raise InputError(
                    f"{self.checkpoint} does not say its {name}: it holds a model, but no state of "
                    "training to resume; start again without --resume"
                )
        for name, value in asdict(recipe).items():
            if about["recipe"].get(name) != value:
                raise InputError(
                    f"{self.checkpoint} was made with {name}={about['recipe'].get(name)}, not "
                    f"{value}; resume with the same settings, or start again without --resume"
                )
        for name, value in json.loads(json.dumps(self.about)).items():
            if about.get(name) != value:
                raise InputError(
                    f"{self.checkpoint} was made with another {name}; resume with the same data "
                    "and model, or start again without --resume"
                )

    def cut_log(self, steps: int) -> None:
        """Drop rows of steps after the checkpoint: they are about to be made again.

        Raises InputError when there are fewer rows: the log is that of a later run.
        """
        if self.log.exists():
            lines = self.log.read_text(errors="replace").splitlines(keepends=True)
            if len(lines) - 1 < steps:
                raise InputError(
                    f"{self.checkpoint} stands at step {steps}, but {self.log} is of a later run, "
                    f"stopped after {max(len(lines) - 1, 0)} steps; start again without "
                    "--resume, or remove the log to continue from the checkpoint"
                )
            write_atomically(self.log, "".join(lines[: 1 + steps]).encode())


def environment(threads: int) -> dict[str, Any]:
    """What the last digits of a result depend on: NumPy, its BLAS, and who adds what.

    threads is the number of shards of a batch; BLAS has threads of its own.
    """
    blas = [pool for pool in threadpoolctl.threadpool_info() if pool["user_api"] == "blas"]
    return {
        "numpy": np.__version__,
        "blas": [f"{p['internal_api']} {p['version']} {p.get('architecture')}" for p in blas],
        "blas_threads": [pool["num_threads"] for pool in blas],
        "threads": threads,
    }


@blas_threads(1)
def fit(
    model: Module,
    recipe: Recipe,
    batch_of: Callable[[int, np.random.Generator], Batch],
    loss_of: Callable[[Batch], Tensor],
    *,
    run: Run | None = None,
    resume: bool = False,
    threads: int = 1,
    after_step: Callable[[int], None] | None = None,
    title: str = "training",
) -> History:
    """Train `model` for recipe.steps steps and return the history.

    batch_of(step, rng) draws a batch, from step 0 on; loss_of gives its scalar loss. With a `run`
    there are a CSV log and a checkpoint every recipe.save_every steps; `resume` continues from it.
    `threads` is how many shards loss_of makes of a batch: the last digits depend on it, so it is
    written down; BLAS has one thread meanwhile. `after_step(steps_done)` is called after each step:
    to evaluate, or to stop by raising.
    Raises DivergedError when the loss or a gradient is not finite.
    """
    groups = optim.decay_groups(model, recipe.weight_decay, recipe.lr_scale)
    optimizer = {"adamw": optim.AdamW, "muon": optim.Muon}[recipe.optimizer](groups, recipe.lr)
    history = History()
    if run is not None and resume:
        history = run.restore(model, optimizer, recipe, threads)
    log = open_log(run, fresh=not history.losses) if run else None
    model.train()
    elapsed = history.seconds[-1] if history.seconds else 0.0
    bar = tqdm(
        total=recipe.steps,
        initial=len(history.losses),
        desc=title,
        unit="step",
        mininterval=0.1 if sys.stderr.isatty() else 10,  # a log file needs no film
    )
    try:
        for step in range(len(history.losses), recipe.steps):
            began = time.perf_counter()
            optimizer.lr = optim.warmup_cosine(step, recipe.steps, recipe.lr, recipe.warmup)
            loss, norm = train_step(model, optimizer, recipe, step, batch_of, loss_of)
            took = time.perf_counter() - began
            elapsed += took
            history.losses.append(loss)
            history.seconds.append(elapsed)
            rate = recipe.batch_size * recipe.accumulate / took
            bar.set_postfix_str(f"loss {loss:.3f}, {rate:,.0f} examples/s", refresh=False)
            bar.update()
            if log:
                seconds = f"{elapsed:.3f}"
                lr = f"{optimizer.lr:.6g}"
                log.row(step + 1, seconds, repr(loss), lr, f"{norm:.6g}", f"{rate:.1f}")
            if run and ((step + 1) % recipe.save_every == 0 or step + 1 == recipe.steps):
                run.save(model, optimizer, recipe, history, threads)
            if after_step:
                after_step(step + 1)
    finally:
        bar.close()
        if log:
            log.close()
    model.eval()
    return history


def train_step(
    model: Module,
    optimizer: optim.Optimizer,
    recipe: Recipe,
    step: int,
    batch_of: Callable[[int, np.random.Generator], Batch],
    loss_of: Callable[[Batch], Tensor],
) -> tuple[float, float]:
    """One step in place; returns the loss and the joint length of the gradients before clipping."""
    optimizer.zero_grad()
    total = 0.0
    for part in range(recipe.accumulate):
        rng = np.random.default_rng(np.random.SeedSequence([recipe.seed, step, part]))
        batch = batch_of(step, rng)
        model.set_generator(rng)
        loss = loss_of(batch) * (1.0 / recipe.accumulate)
        loss.backward()
        total += loss.item()
    norm = optim.clip_grad_norm(model.parameters(), recipe.clip)
    if not (math.isfinite(total) and math.isfinite(norm)):
        raise DivergedError(explain_divergence(model, step, total))
    optimizer.step()
    model.clamp()
    return total, norm


def explain_divergence(model: Module, step: int, loss: float) -> str:
    """One line: which step, what the loss was, and the first parameter that is to blame.

    A value comes before a gradient: one bad weight makes every gradient bad.
    """
    for what in ("data", "grad"):
        for name, parameter in model.named_parameters():
            array = getattr(parameter, what)
            if array is not None and not np.isfinite(array).all():
                kind = "value" if what == "data" else "gradient"
                return (
                    f"training stopped at step {step + 1}: the loss is {loss:.4g} and the first "
                    f"{kind} that is not finite is that of {name}; the last checkpoint is kept "
                    "(try a lower learning rate)"
                )
    return f"training stopped at step {step + 1}: the loss is {loss}; the last checkpoint is kept"


class Log:
    """log.csv, one row a step, on the disk as soon as it is written."""

    def __init__(self, path: Path, fresh: bool) -> None:
        self.path = path
        self.file = open(path, "w" if fresh else "a", newline="", buffering=1)  # noqa: SIM115
        self.writer = csv.writer(self.file, lineterminator="\n")
        if self.file.tell() == 0:
            self.writer.writerow(LOG_COLUMNS)

    def row(self, *values: Any) -> None:
        """Raises InputError when the row can't be written: a full disk."""
        try:
            self.writer.writerow(values)
        except OSError as error:
            raise InputError(f"could not write {self.path}: {error.strerror}") from error

    def close(self) -> None:
        with contextlib.suppress(OSError):  # a row that could not be written, once more
            self.file.close()


def open_log(run: Run, fresh: bool) -> Log:
    """Raises InputError when the run's folder can't be written."""
    try:
        run.folder.mkdir(parents=True, exist_ok=True)
        return Log(run.log, fresh)
    except OSError as error:
        raise InputError(f"could not write {run.log}: {error.strerror}") from error
