"""Pictures beside the pages: a confusion matrix, and answers held and tokens read by length of windows."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from qakit.metrics.classes import Counts, most_confused
from qakit.report import style
from qakit.spans.window_coverage import Reach

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

MOST_CLASSES = 25
"""Shown at most: those that take part in most confusions."""
_CELL, _LABELS = 0.3, 2.4  # inches
_COLOURS = (style.FAINT, style.BLUE, style.GREEN, style.OCHRE, style.RED)


def draw_confusion(counts: Counts, out: Path, *, title: str = "") -> tuple[Path, Path]:
    """Draw a confusion matrix: right classes in rows, predicted ones in columns, dark where shares of a row are large.

    Errors are red and show their count; right predictions are blue. Predictions of classes that are not shown have no
    cell, but count in the shares.

    Args:
        counts: of right and predicted classes; there must be a confusion among them.
        out: path of the pictures without ending; `.svg` and `.png` are added to it.
        title: one line above the table; it and the classes in letters that matplotlib's own font has (no Chinese).

    Returns:
        The paths of the SVG and of the PNG.
    """
    return style.save_figure(_confusion_figure(counts, most_confused(counts, MOST_CLASSES), title), out)


def _confusion_figure(counts: Counts, names: Sequence[str], title: str) -> "Figure":
    place = {name: number for number, name in enumerate(names)}
    table = np.zeros((len(names), len(names)))
    totals = np.zeros(len(names))
    for (gold, predicted), count in counts.items():
        if gold in place:
            totals[place[gold]] += count
            if predicted in place:
                table[place[gold], place[predicted]] = count
    shares = table / np.maximum(totals, 1)[:, None]
    figure = style.new_figure(_CELL * len(names) + _LABELS)
    axes = figure.subplots()
    is_right = np.eye(len(names), dtype=bool)
    axes.imshow(np.where(is_right, shares, np.nan), cmap=style.shades(style.BLUE), vmin=0, vmax=1.6)
    axes.imshow(
        np.where(is_right | (table == 0), np.nan, np.sqrt(shares)), cmap=style.shades(style.RED), vmin=0, vmax=1
    )
    for row, column in zip(*np.nonzero(table), strict=True):
        if row != column:
            colour = "white" if shares[row, column] > 0.25 else style.INK
            axes.text(column, row, f"{table[row, column]:.0f}", ha="center", va="center", fontsize=8, color=colour)
    ticks = range(len(names))
    axes.set_xticks(ticks, names, rotation=90, fontsize=8)
    axes.set_yticks(ticks, names, fontsize=8)
    axes.set_xlabel("predicted", fontsize=10, color=style.FAINT)
    axes.set_ylabel("right", fontsize=10, color=style.FAINT)
    axes.tick_params(length=0, colors=style.INK)
    axes.spines[:].set_color(style.GRID)
    if title:
        style.title_figure(figure, title)
    return figure


_ROW, _MARGIN = 2.8, 0.9  # inches
_SHOWN_NAME = 20
_ROOM = 0.18  # of the range of values, above and below, for the numbers
_PANELS = {"held": "answers whole in one window (%)", "tokens": "tokens read a question"}


def draw_reach(parts: Mapping[str, Sequence[Reach]], out: Path, *, title: str = "") -> tuple[Path, Path]:
    """Draw, for each part, answers held whole and tokens read per question, by window length, one line per overlap.

    Args:
        parts: the results of `measure_reach` by part; a part without answers has no panel of them.
        out: path of the pictures without ending; `.svg` and `.png` are added to it.
        title: one line above the panels; it and the names in letters that matplotlib's own font has (no Chinese).

    Returns:
        The paths of the SVG and of the PNG.
    """
    return style.save_figure(_coverage_figure(parts, title), out)


def _coverage_figure(parts: Mapping[str, Sequence[Reach]], title: str) -> "Figure":
    panels = [
        (name, kind)
        for name, reaches in parts.items()
        for kind in _PANELS
        if any(getattr(reach, kind) is not None for reach in reaches)
    ]
    figure = style.new_figure(_ROW * len(panels) + _MARGIN)
    grid = figure.subplots(len(panels), 1, squeeze=False, sharex=True)
    for (name, kind), axes in zip(panels, grid[:, 0], strict=True):
        style.prepare(axes)
        words = f"{name[-_SHOWN_NAME:]}: {_PANELS[kind]}" if len(parts) > 1 else _PANELS[kind].capitalize()
        style.name_panel(axes, words)
        _draw(axes, kind, parts[name])
    style.add_legend(grid[0, 0], len(grid[0, 0].lines))
    axes = grid[-1, 0]
    axes.set_xticks(sorted({reach.max_length for reaches in parts.values() for reach in reaches}))
    axes.set_xlabel("tokens of a window", fontsize=10, color=style.FAINT)
    if title:
        style.title_figure(figure, title)
    return figure


def _draw(axes: "Axes", kind: str, reaches: Sequence[Reach]) -> None:
    """Draw a line for each overlap, and the values of the highest and the lowest where they differ."""
    overlaps = sorted({reach.overlap for reach in reaches})
    values = [getattr(reach, kind) for reach in reaches]
    room = _ROOM * max(max(values) - min(values), 1.0)
    axes.set_ylim(min(values) - room, max(values) + room)
    for number, overlap in enumerate(overlaps):
        points = [(reach.max_length, getattr(reach, kind)) for reach in reaches if reach.overlap == overlap]
        colour = _COLOURS[number % len(_COLOURS)]
        (line,) = axes.plot(*zip(*points, strict=True), "o-", color=colour, markersize=4.5, linewidth=1.8)
        line.set_label(f"overlap {overlap}")
        line.set_zorder(3 - number / len(overlaps))  # of lines that are one, that of the smallest overlap shows
    if kind == "held":
        axes.set_yticks([tick for tick in axes.get_yticks() if min(values) - room <= tick <= 100])
    for length in sorted({reach.max_length for reach in reaches}):
        column = [getattr(reach, kind) for reach in reaches if reach.max_length == length]
        _write_number(axes, length, max(column), above=True)
        if min(column) < max(column):
            _write_number(axes, length, min(column), above=False)


def _write_number(axes: "Axes", length: int, value: float, *, above: bool) -> None:
    axes.annotate(
        f"{value:,.0f}" if value >= 100 else f"{value:.2f}",
        (length, value),
        xytext=(0, 7 if above else -15),
        textcoords="offset points",
        ha="center",
        fontsize=9,
        color=style.INK,
    )
