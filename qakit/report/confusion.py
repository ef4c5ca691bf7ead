"""Confusion matrix as a picture."""

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from qakit.metrics.classes import Counts, most_confused
from qakit.report import style

if TYPE_CHECKING:
    from matplotlib.figure import Figure

MOST_CLASSES = 25
"""Shown at most: those that take part in most confusions."""
_CELL, _LABELS = 0.3, 2.4  # inches


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
    return style.save_figure(_figure(counts, most_confused(counts, MOST_CLASSES), title), out)


def _figure(counts: Counts, names: Sequence[str], title: str) -> "Figure":
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
