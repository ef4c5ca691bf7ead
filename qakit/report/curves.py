"""Learning curves of a training: loss, scores and learning rate by step."""

import math
from collections import defaultdict
from collections.abc import Mapping
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from qakit.errors import DataError, Problem
from qakit.io import file_error, parse_json, read_text
from qakit.report.style import (
    BLUE,
    FAINT,
    GREEN,
    GRID,
    OCHRE,
    RED,
    add_legend,
    name_panel,
    new_figure,
    prepare,
    save_figure,
    title_figure,
)

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

Curves = Mapping[str, Mapping[int, float]]
"""Values by step, in the order of the steps, under `train loss`, `evaluation f1` and the like."""

_SCORES = {
    "f1": "F1",
    "em": "EM",
    "accuracy": "Accuracy",
    "macro_f1": "Macro F1",
    "joint_accuracy": "Joint accuracy",
}
_DRAWN = {"train": ("epoch", "loss", "learning_rate"), "evaluation": ("epoch", "loss", *_SCORES)}

_MEAN_SHARE = 0.03  # width of the running mean, as a share of all points
_FEW_POINTS, _MANY_POINTS = 20, 1500
_MOST_EPOCH_MARKS = 10

_COLOURS = {
    "loss": BLUE,
    "evaluation": RED,
    "f1": RED,
    "em": OCHRE,
    "accuracy": GREEN,
    "macro_f1": RED,
    "joint_accuracy": GREEN,
}
_MARGIN, _HEIGHTS = 0.9, {"loss": 3.0, "scores": 3.0, "rate": 1.4}  # inches


def draw_curves(metrics: Path, out: Path, *, title: str = "") -> tuple[Path, Path]:
    """Draw the learning curves in a `metrics.jsonl`, as SVG and as PNG 1200 pixels wide.

    Panels, as far as the file has values for them: training loss with its running mean, and evaluation loss; scores in
    percent with the best point of each; learning rate. Each file appears whole or not at all, and the same metrics give
    the same bytes with the same matplotlib.

    Args:
        metrics: one JSON object a line, with `kind` (`train` or `evaluation`; others are passed over), `step` (a whole
            number; a later line wins over an earlier one of the same step) and any of the numbers `epoch`, `loss`,
            `learning_rate` and the scores of the tasks, such as `em` and `accuracy`. A number that is null is left out.
        out: path of the pictures without ending; `.svg` and `.png` are added to it.
        title: one line above the panels, in letters that matplotlib's own font has (no Chinese).

    Returns:
        The paths of the SVG and of the PNG.

    Raises:
        DataError: lines that are no such object, all of them named, or no value to draw.
    """
    return save_figure(_figure(_read_curves(metrics), title), out)


def curves_of_run(model: Path) -> str | None:
    """The learning curves, as SVG, of a run folder or the best model in one; None without metrics.

    Raises:
        DataError: the metrics of the run are damaged.
    """
    runs = [model, *([model.parent] if model.name == "best" else [])]
    metrics = next((run / "metrics.jsonl" for run in runs if (run / "metrics.jsonl").is_file()), None)
    if metrics is None:
        return None
    with TemporaryDirectory() as folder:
        svg, _ = draw_curves(metrics, Path(folder) / "curves")
        return svg.read_text(encoding="utf-8")


def _read_curves(metrics: Path) -> Curves:
    curves: dict[str, dict[int, float]] = defaultdict(dict)
    problems: list[Problem] = []
    for number, line in enumerate(read_text(metrics).splitlines(), 1):
        place = f"line {number}"
        try:
            event = parse_json(line, metrics, place)
        except DataError as error:
            problems += error.problems
            continue
        found = list(_mistakes(event))
        problems += [Problem(str(metrics), place, field, message) for field, message in found]
        if not found:
            for name in _DRAWN.get(event["kind"], ()):
                if event.get(name) is not None:
                    curves[f"{event['kind']} {name}"][event["step"]] = float(event[name])
    if problems:
        raise DataError(problems)
    if not any(name.split()[1] != "epoch" for name in curves):
        raise file_error(metrics, "events", "has no loss, learning rate or score to draw")
    return {name: dict(sorted(curve.items())) for name, curve in curves.items()}


def _mistakes(event: Any) -> list[tuple[str, str]]:
    """The mistakes in one event, as (field, message)."""
    if not isinstance(event, dict):
        return [("event", "is no JSON object")]
    kind, step = event.get("kind"), event.get("step")
    if not isinstance(kind, str):
        return [("kind", f"is {kind!r}; expected train or evaluation")]
    if kind not in _DRAWN:
        return []
    mistakes = []
    if not isinstance(step, int) or isinstance(step, bool) or step < 0:
        mistakes.append(("step", f"is {step!r}; expected a whole number from 0"))
    for name in _DRAWN[kind]:
        value = event.get(name)
        if value is not None and (isinstance(value, bool) or not isinstance(value, int | float)):
            mistakes.append((name, f"is {value!r}; expected a number"))
        elif value is not None and not math.isfinite(value):
            mistakes.append((name, "is too large for a number"))
    return mistakes


def _figure(curves: Curves, title: str) -> "Figure":
    panels = _panels(curves)
    heights = [_HEIGHTS[name] for name in panels]
    figure = new_figure(sum(heights) + _MARGIN)
    grid = figure.subplots(len(panels), 1, sharex=True, squeeze=False, gridspec_kw={"height_ratios": heights})
    draw = {"loss": _draw_loss, "scores": _draw_scores, "rate": _draw_rate}
    for name, axes in zip(panels, grid[:, 0], strict=True):
        prepare(axes)
        draw[name](axes, curves)
    _finish_steps(grid[-1, 0], {step for curve in curves.values() for step in curve})
    _mark_epochs(list(grid[:, 0]), curves)
    if title:
        title_figure(figure, title)
    return figure


def _panels(curves: Curves) -> list[str]:
    present = {
        "loss": "train loss" in curves or "evaluation loss" in curves,
        "scores": any(f"evaluation {name}" in curves for name in _SCORES),
        "rate": "train learning_rate" in curves,
    }
    return [name for name, is_present in present.items() if is_present]


def _draw_loss(axes: "Axes", curves: Curves) -> None:
    name_panel(axes, "Loss")
    tops = []
    if "train loss" in curves:
        tops.append(_draw_training_loss(axes, *_arrays(curves["train loss"])))
    if "evaluation loss" in curves:
        steps, values = _arrays(curves["evaluation loss"])
        axes.plot(steps, values, "o-", color=_COLOURS["evaluation"], markersize=4, linewidth=1.6, label="evaluation")
        tops.append(float(values.max()))
    if max(tops) > 0 and axes.dataLim.y0 >= 0:
        axes.set_ylim(0.0, 1.08 * max(tops))
    add_legend(axes, len(_DRAWN["evaluation"]))


def _draw_training_loss(axes: "Axes", steps: NDArray[np.int64], values: NDArray[np.float64]) -> float:
    """Draw points and running mean; return the height to show, which a few outliers do not raise."""
    colour = _COLOURS["loss"]
    if len(values) <= _FEW_POINTS:
        axes.plot(steps, values, "o-", color=colour, markersize=5, linewidth=1.6, label="training")
        return float(values.max())
    many = len(values) > _MANY_POINTS
    alpha = 0.08 if many else 0.3
    # Thousands of points would make the SVG large: there they are one picture.
    axes.plot(steps, values, "o", color=colour, alpha=alpha, markersize=3, markeredgewidth=0, rasterized=many)
    window = max(1, round(_MEAN_SHARE * len(values)))
    mean = _running_mean(values, window)
    label = f"training (line: mean of {window} points)" if window > 1 else "training"
    axes.plot(steps, mean, color=colour, linewidth=2, label=label)
    return float(max(mean.max(), np.quantile(values, 0.99)))


def _draw_scores(axes: "Axes", curves: Curves) -> None:
    name_panel(axes, "Scores on the development set (%)")
    found = {name: _arrays(curves[f"evaluation {name}"]) for name in _SCORES if f"evaluation {name}" in curves}
    ranked = sorted(found, key=lambda name: -found[name][1].max())
    for name, (steps, values) in found.items():
        colour, best = _COLOURS[name], int(values.argmax())
        label = f"{_SCORES[name]}: best {values[best]:.2f} at step {steps[best]:,}"
        axes.plot(steps, values, "o-", color=colour, markersize=3.5, linewidth=1.8, label=label)
        axes.plot(steps[best], values[best], "o", color=colour, markersize=9, markeredgecolor="white", zorder=4)
        axes.annotate(
            f"{values[best]:.2f}",
            (steps[best], values[best]),
            xytext=(0, 8 if name == ranked[0] else -17),
            textcoords="offset points",
            ha="center",
            fontsize=10,
            fontweight="bold",
            color=colour,
        )
    low = min(values.min() for _, values in found.values())
    high = max(values.max() for _, values in found.values())
    room = 0.2 * max(high - low, 5.0)
    axes.set_ylim(max(0.0, low - room), high + room)
    axes.set_yticks([tick for tick in axes.get_yticks() if low - room <= tick <= min(100.0, high + room)])
    add_legend(axes, len(_DRAWN["evaluation"]))


def _draw_rate(axes: "Axes", curves: Curves) -> None:
    from matplotlib.ticker import FuncFormatter, MaxNLocator

    name_panel(axes, "Learning rate")
    steps, values = _arrays(curves["train learning_rate"])
    style = "o-" if len(values) <= _FEW_POINTS else "-"
    axes.plot(steps, values, style, color=FAINT, markersize=4, linewidth=1.6)
    axes.set_ylim(0.0, 1.1 * values.max() or 1.0)
    axes.yaxis.set_major_locator(MaxNLocator(3))
    axes.yaxis.set_major_formatter(FuncFormatter(lambda value, _: _rate_text(value)))


def _rate_text(rate: float) -> str:
    """`2e-5` for 0.00002."""
    digits, _, exponent = f"{rate:.1e}".partition("e")
    return f"{digits.removesuffix('.0')}e{int(exponent)}" if rate else "0"


def _finish_steps(axes: "Axes", steps: set[int]) -> None:
    from matplotlib.ticker import FuncFormatter, MaxNLocator

    last = max(steps)
    axes.set_xlim(*((-0.01 * last, 1.03 * last) if len(steps) > 1 else (last - 1, last + 1)))
    axes.set_xlabel("optimiser steps", fontsize=10, color=FAINT)
    axes.xaxis.set_major_locator(MaxNLocator(8, integer=True, steps=[1, 2, 2.5, 5, 10]))
    axes.xaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:,.0f}"))


def _mark_epochs(panels: "list[Axes]", curves: Curves) -> None:
    """Draw a line at the end of each epoch, or of every second, fifth ... of many, named above the first panel."""
    epochs = {**curves.get("evaluation epoch", {}), **curves.get("train epoch", {})}
    if not epochs:
        return
    steps, shares = _arrays(dict(sorted(epochs.items())))
    last = int(shares.max())
    stride = next(size for size in _strides() if last / size <= _MOST_EPOCH_MARKS)
    for epoch in range(stride, last + 1, stride):
        step = float(np.interp(epoch, shares, steps))
        for axes in panels:
            axes.axvline(step, color=GRID, linewidth=1.0, zorder=0)
        panels[0].annotate(
            f"epoch {epoch}",
            (step, 1.0),
            xycoords=panels[0].get_xaxis_transform(),
            xytext=(0, 3),
            textcoords="offset points",
            ha="center",
            fontsize=8,
            color=FAINT,
        )


def _strides() -> "list[int]":
    return [size * 10**power for power in range(10) for size in (1, 2, 5)]


def _arrays(curve: Mapping[int, float]) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
    return np.array(list(curve), dtype=np.int64), np.array(list(curve.values()), dtype=np.float64)


def _running_mean(values: NDArray[np.float64], window: int) -> NDArray[np.float64]:
    """Centred running mean over `window` values, fewer at both ends."""
    weights = np.ones(window)
    return np.convolve(values, weights, "same") / np.convolve(np.ones_like(values), weights, "same")
