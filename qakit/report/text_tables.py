"""Tables of scores as lines of text; columns line up, Chinese characters in them too."""

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

from rich.cells import cell_len

if TYPE_CHECKING:
    from qakit.metrics.comparison import Comparison

INTERVAL = "95 % interval"


def aligned(rows: Sequence[Sequence[str]]) -> Iterator[str]:
    """A line for each row, its cells padded to the widest of their column: the first to the left, others to the right.

    Args:
        rows: at least one, all of one length.
    """
    widths = [max(map(cell_len, column)) for column in zip(*rows, strict=True)]
    for first, *cells in rows:
        padded = [" " * (width - cell_len(cell)) + cell for cell, width in zip(cells, widths[1:], strict=True)]
        yield "  ".join([first + " " * (widths[0] - cell_len(first)), *padded]).rstrip()


def comparison_lines(comparison: "Comparison") -> Iterator[str]:
    """A comparison as a small table, and its outcome in a sentence."""
    missing = f", {comparison.missing} without a prediction" if comparison.missing else ""
    yield ""
    yield f"compared with {comparison.name}{missing}"
    rows = [["", "other", "difference", INTERVAL, "p"]]
    for score, difference in comparison.differences.items():
        mean, low, high = difference.interval
        name, other = score.replace("_", " "), f"{comparison.other[score]:.3f}"
        rows.append([name, other, f"{mean:+.3f}", f"{low:+.2f} to {high:+.2f}", f"{difference.p_value:.2g}"])
    yield from aligned(rows)
    yield (
        f"only this is right: {comparison.only_this}, only the other: {comparison.only_other}; "
        f"McNemar's exact test: p = {comparison.mcnemar:.2g}"
    )
    yield comparison.sentence
