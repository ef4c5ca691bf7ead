"""Common style of all pictures: colours, bare axes, named panels, reproducible files."""

from pathlib import Path
from typing import TYPE_CHECKING

from qakit.io import atomic_write

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.colors import Colormap
    from matplotlib.figure import Figure

INK, FAINT, GRID = "#222222", "#6f6f6f", "#e6e6e6"
BLUE, RED, OCHRE, GREEN = "#2f5d8a", "#b3432f", "#b5790f", "#3d7a4a"
WIDTH = 10.0  # inches
TITLE_PAD = 16  # points
_DPI = 120


def new_figure(height: float) -> "Figure":
    """An empty white figure, `WIDTH` by `height` inches."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure
    from matplotlib.layout_engine import ConstrainedLayoutEngine

    layout = ConstrainedLayoutEngine(w_pad=0.12, h_pad=0.1)
    figure = Figure(figsize=(WIDTH, height), layout=layout, facecolor="white")
    FigureCanvasAgg(figure)
    return figure


def prepare(axes: "Axes") -> None:
    """Leave horizontal grid lines and the lower axis only."""
    axes.spines[["top", "right", "left"]].set_visible(False)
    axes.spines["bottom"].set_color(FAINT)
    axes.grid(axis="y", color=GRID, linewidth=0.8)
    axes.set_axisbelow(True)
    axes.tick_params(colors=FAINT, labelsize=9, length=3)
    axes.tick_params(axis="y", length=0)


def can_show(text: str) -> bool:
    """Whether a picture can show the text: matplotlib's own font has no Chinese, and an SVG no control characters."""
    return text.isascii() and text.isprintable()


def name_panel(axes: "Axes", name: str) -> None:
    """Write a panel's name above its left end."""
    axes.set_title(name, loc="left", fontsize=10.5, fontweight="bold", color=INK, pad=TITLE_PAD, parse_math=False)


def title_figure(figure: "Figure", title: str) -> None:
    """Write a line above all panels, in letters that matplotlib's own font has (no Chinese)."""
    figure.suptitle(title, x=0.058, ha="left", fontsize=13, fontweight="bold", color=INK, parse_math=False)


def add_legend(axes: "Axes", columns: int) -> None:
    """A legend in the line of the panel's name, where it covers no point."""
    from matplotlib.transforms import offset_copy

    above = offset_copy(axes.transAxes, axes.get_figure(root=True), y=TITLE_PAD - 5, units="points")
    axes.legend(
        loc="lower right",
        bbox_to_anchor=(1.0, 1.0),
        bbox_transform=above,
        borderaxespad=0.0,
        ncols=columns,
        frameon=False,
        fontsize=9,
        labelcolor=INK,
    )


def shades(colour: str) -> "Colormap":
    """Shades from white to a colour; NaN is not drawn."""
    from matplotlib.colors import LinearSegmentedColormap

    return LinearSegmentedColormap.from_list("shades", ["white", colour])


def save_figure(figure: "Figure", out: Path) -> tuple[Path, Path]:
    """Write `out` with `.svg` and with `.png` added; the same figure gives the same bytes with the same matplotlib."""
    import matplotlib as mpl

    svg, png = picture_files(out)
    with mpl.rc_context({"svg.hashsalt": "qakit"}), atomic_write(svg, "wb") as file:
        figure.savefig(file, format="svg", dpi=_DPI, metadata={"Date": None})
    with atomic_write(png, "wb") as file:
        figure.savefig(file, format="png", dpi=_DPI, metadata={"Software": None})
    return svg, png


def picture_files(out: Path) -> tuple[Path, Path]:
    """The two files of a picture."""
    return out.with_name(f"{out.name}.svg"), out.with_name(f"{out.name}.png")
