"""Tables for people: columns of text that line up, Chinese in them too."""

from collections.abc import Iterator, Sequence

from rich.cells import cell_len


def aligned(rows: Sequence[Sequence[str]]) -> Iterator[str]:
    """A line for each row, its cells padded to the widest of their column: the first to the left, others to the right.

    Args:
        rows: at least one, all of one length.
    """
    widths = [max(map(cell_len, column)) for column in zip(*rows, strict=True)]
    for first, *cells in rows:
        padded = [" " * (width - cell_len(cell)) + cell for cell, width in zip(cells, widths[1:], strict=True)]
        yield "  ".join([first + " " * (widths[0] - cell_len(first)), *padded]).rstrip()
