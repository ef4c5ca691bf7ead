"""How an evaluation looks: a short table of scores with their intervals, and longer ones where they are asked for."""

from collections.abc import Iterator
from itertools import groupby
from typing import TYPE_CHECKING

from qakit.cli.console import emit_json, emit_line
from qakit.cli.tables import aligned
from qakit.cli.tuning import tuning_lines

if TYPE_CHECKING:
    from qakit.metrics.analysis import Analysis
    from qakit.metrics.comparing import Comparison
    from qakit.metrics.intervals import Interval
    from qakit.runs.evaluation import EvaluateResult

_INTERVAL = "95 % interval"


def show_evaluation(result: "EvaluateResult", *, json: bool, slices: bool = False) -> None:
    """The scores as a table, or as JSON; both are results and go to standard output.

    Args:
        slices: with the scores of each slice and the reliability curve, which JSON always has.
    """
    if json:
        emit_json(result.summary())
        return
    for line in tuning_lines(result.tuned):
        emit_line(line)
    missing = f", {result.scores.missing} without a prediction" if result.scores else ""
    missing += f", {result.unknown} predictions for other questions" if result.unknown else ""
    emit_line(f"{result.source}, metric {result.metric}, {len(result.rows)} questions{missing}")
    for line in aligned([["", "score", _INTERVAL], *_score_rows(result)]):
        emit_line(line)
    for name, analysis in (("lost", result.analysis), ("lost with the gold paragraph", result.gold_analysis)):
        if analysis and analysis.losses:
            emit_line(f"{name}: {', '.join(f'{cause} {share:.2f}' for cause, share in analysis.losses.items())}")
    for comparison in result.comparisons:
        for line in comparison_lines(comparison):
            emit_line(line)
    if slices and result.analysis:
        for line in _slice_lines(result.analysis):
            emit_line(line)


def _score_rows(result: "EvaluateResult") -> Iterator[list[str]]:
    for prefix, analysis in (("", result.analysis), ("gold paragraph ", result.gold_analysis)):
        if analysis:
            em, f1 = analysis.intervals
            yield from ([f"{prefix}em", *_interval(em)], [f"{prefix}f1", *_interval(f1)])
            for name, value in analysis.scores.extra.items():
                shown = f"{value:.0f}" if name.endswith("_total") else f"{value:.3f}"  # a count, or a score
                yield [prefix + name.replace("_", " "), shown, ""]
            if analysis.calibration:
                yield [f"{prefix}calibration error", f"{analysis.calibration.error:.3f}", ""]
    if result.selection:
        yield ["selection accuracy", *_interval(result.selection)]
    if result.analysis and (human := result.analysis.human):
        yield from (["human em", *_interval(human.em)], ["human f1", *_interval(human.f1)])


def _interval(interval: "Interval") -> list[str]:
    mean, low, high = interval
    return [f"{mean:.3f}", f"{low:.2f} to {high:.2f}"]


def comparison_lines(comparison: "Comparison") -> Iterator[str]:
    """A comparison as a small table, and what it means."""
    missing = f", {comparison.missing} without a prediction" if comparison.missing else ""
    yield ""
    yield f"compared with {comparison.name}{missing}"
    rows = [["", "other", "difference", _INTERVAL, "p"]]
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


def _slice_lines(analysis: "Analysis") -> Iterator[str]:
    for dimension, slices in groupby(analysis.slices, key=lambda one: one.dimension):
        yield ""
        title = [dimension.replace("_", " "), "questions", "em", _INTERVAL, "f1", _INTERVAL]
        rows = [[one.label, str(one.total), *_interval(one.em), *_interval(one.f1)] for one in slices]
        yield from aligned([title, *rows])
    if analysis.calibration:
        yield ""
        title = ["probability", "answers", "mean", "right"]
        curve = analysis.calibration.curve
        bins = [
            [
                f"{100 * one.low:.1f} to {100 * one.high:.1f}",
                str(one.total),
                f"{one.probability:.2f}",
                f"{one.right:.2f}",
            ]
            for one in curve
        ]
        yield from aligned([title, *bins])
