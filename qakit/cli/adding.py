"""How the report of an ensemble looks: a row a member, and what each adds."""

from collections.abc import Iterator
from typing import TYPE_CHECKING

from qakit.cli.tables import aligned

if TYPE_CHECKING:
    from qakit.metrics.intervals import Interval
    from qakit.runs.ensemble import EnsembleResult
    from qakit.runs.ensemble_report import Figures

_HOW = {
    "fixed": "",
    "out-of-fold": "; the ensemble out of fold, each part by the weights of the others",
}


def report_lines(result: "EnsembleResult") -> Iterator[str]:
    """The report as a table, if there is one."""
    report = result.report
    if report is None:
        return
    missing = f" ({report.unscored} more have no scores)" if report.unscored else ""
    asked = f"{report.questions} questions{missing} on {report.paragraphs} paragraphs"
    yield f"metric {report.metric}, {asked}{_HOW[report.how]}"
    table = [["", "weight", "EM", "F1", "adds EM", "adds F1"]]
    for member in report.members:
        adds = _cells(member.adds, "+") if member.adds else ["-", "-"]
        table.append([member.name, f"{member.weight:.3g}", *_cells(member.alone), *adds])
    table.append(["ensemble", "", *_cells(report.ensemble), "", ""])
    if report.in_sample:
        table.append(["ensemble, on what chose its weights", "", *_cells(report.in_sample), "", ""])
    table.append([f"ensemble over {report.best}", "", "", "", *_cells(report.gain, "+")])
    yield from aligned(table)
    yield "with 95 % intervals, bootstrapped over paragraphs; differences are paired"
    yield "weights " + ",".join(f"{weight:g}" for weight in result.weights)


def _cells(figures: "Figures", sign: str = "") -> list[str]:
    return [_cell(figures.em, sign), _cell(figures.f1, sign)]


def _cell(interval: "Interval", sign: str) -> str:
    return f"{interval.mean:{sign}.2f} ({interval.low:{sign}.1f} to {interval.high:{sign}.1f})"
