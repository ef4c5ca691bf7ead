"""How the report of an ensemble looks: a row a member, and what each adds."""

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any

from qakit.cli.asked import Wanted
from qakit.cli.console import emit_line, say
from qakit.cli.tables import aligned

if TYPE_CHECKING:
    from qakit.metrics.intervals import Interval
    from qakit.runs.ensemble_report import EnsembleReport, Figures

_OF = {"accuracy": ("records", "texts"), "joint_accuracy": ("records", "texts")}
_TITLES = {"em": "EM", "f1": "F1"}
_HOW = {
    "fixed": "",
    "out-of-fold": "; the ensemble out of fold, each part by the weights of the others",
}


def report_lines(report: "EnsembleReport | None", weights: Sequence[float]) -> Iterator[str]:
    """The report as a table, if there is one."""
    if report is None:
        return
    of, on = _OF.get(report.metric, ("questions", "paragraphs"))
    missing = f" ({report.unscored} more have no scores)" if report.unscored else ""
    asked = f"{report.records} {of}{missing} on {report.texts} {on}"
    yield f"metric {report.metric.replace('_', ' ')}, {asked}{_HOW[report.how]}"
    names = [_TITLES.get(name, name.replace("_", " ")) for name in report.ensemble]
    blank = [""] * len(names)
    table = [["", "weight", *names, *(f"adds {name}" for name in names)]]
    for member in report.members:
        adds = _cells(member.adds, "+") if member.adds else ["-"] * len(names)
        table.append([member.name, f"{member.weight:.3g}", *_cells(member.alone), *adds])
    table.append(["ensemble", "", *_cells(report.ensemble), *blank])
    if report.in_sample:
        table.append(["ensemble, on what chose its weights", "", *_cells(report.in_sample), *blank])
    table.append([f"ensemble over {report.best}", "", *blank, *_cells(report.gain, "+")])
    yield from aligned(table)
    yield f"with 95 % intervals, bootstrapped over {on}; differences are paired"
    yield "weights " + ",".join(f"{weight:g}" for weight in weights)


def told_of(report: "EnsembleReport | None", weights: Sequence[float]) -> dict[str, Any]:
    """Weights and report, as JSON."""
    return {"weights": weights} | ({"report": report.summary()} if report else {})


def show_report(report: "EnsembleReport | None", weights: Sequence[float], wanted: Wanted, *, has_files: bool) -> None:
    """Print the report, if there is one: it is a result, and goes where no other one does."""
    show = emit_line if has_files and not wanted.json else say
    for line in report_lines(report, weights) if show is emit_line or not wanted.quiet else ():
        show(line)


def _cells(figures: "Figures", sign: str = "") -> list[str]:
    return [_cell(interval, sign) for interval in figures.values()]


def _cell(interval: "Interval", sign: str) -> str:
    return f"{interval.mean:{sign}.2f} ({interval.low:{sign}.1f} to {interval.high:{sign}.1f})"
