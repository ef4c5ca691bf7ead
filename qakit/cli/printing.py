"""How results look: on standard output the document, on standard error what it says in short."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict
from itertools import groupby
from math import inf
from pathlib import Path
from statistics import mean, stdev
from typing import TYPE_CHECKING, Any, Protocol

from rich.cells import cell_len

from qakit.cli.console import emit, emit_json, emit_line, say
from qakit.cli.options import Wanted

if TYPE_CHECKING:
    from qakit.data.predictions import Prediction
    from qakit.metrics.analysis import Analysis
    from qakit.metrics.comparison import Comparison
    from qakit.metrics.intervals import Interval
    from qakit.runs.dry_run import DryRun
    from qakit.runs.ensemble_weights import EnsembleReport, Figures
    from qakit.runs.folds import FoldsResult
    from qakit.tasks.questions.evaluation import EvaluateResult
    from qakit.tasks.questions.tuning import Tuned
    from qakit.training.events import TrainResult


class HasPredictions(Protocol):
    """What `predict` and `ensemble` return."""

    @property
    def predictions(self) -> "Sequence[Prediction]":
        """In the order of the data."""
        ...

    @property
    def format(self) -> str:
        """A prediction format."""
        ...

    @property
    def files(self) -> Sequence[Path]:
        """The files written."""
        ...


def show_predictions(
    result: HasPredictions,
    *,
    json: bool,
    quiet: bool,
    notes: Sequence[str] = (),
    answers: "Mapping[str, Sequence[Mapping[str, Any]]] | None" = None,
    told: Mapping[str, Any] | None = None,
) -> None:
    """Name the files written; without any, print the predictions themselves.

    Args:
        answers: what JSON is to tell of them, by question; the predictions as they are when not given.
        told: what else JSON is to tell.
    """
    from qakit.data.predictions import document
    from qakit.runs.lint import fault_note, faults_of

    if json:
        plain = {
            prediction.id: [answer._asdict() for answer in prediction.answers] for prediction in result.predictions
        }
        shown = {"files": list(map(str, result.files)), "answers": plain if answers is None else answers}
        emit_json(shown | dict(told or {}))
    elif not result.files:
        emit(document(result.predictions, result.format))
    if not quiet:
        empty = sum(not prediction.text for prediction in result.predictions)
        for note in notes:
            say(note)
        say(f"{len(result.predictions)} questions answered" + (f", {empty} of them with nothing" if empty else ""))
        doubt = fault_note(faults_of(result.predictions))
        if doubt:
            say(doubt, "yellow")
        show_files(result.files)


def show_files(files: Sequence[Path]) -> None:
    """Name the files that a command wrote."""
    for file in files:
        say(f"wrote {file}")


def show_training(result: "TrainResult", *, json: bool, quiet: bool) -> None:
    """What the best model scored and where it is."""
    if json:
        emit_json(_training(result))
    if not quiet:
        scored = ", ".join(f"{name} {value:.2f}" for name, value in result.scores.items())
        say(f"{result.steps} steps in {result.seconds:.0f} s; best model: step {result.best_step} {scored}".rstrip())
        show_files([result.out / "best", result.out / "curves.svg", result.out / "curves.png"])


def _training(result: "TrainResult") -> dict[str, Any]:
    return {
        "out": str(result.out),
        "steps": result.steps,
        "best_step": result.best_step,
        "scores": dict(result.scores),
        "seconds": round(result.seconds, 1),
    }


def show_folds(result: "FoldsResult", *, json: bool, quiet: bool) -> None:
    """What each fold's best model scored, and the mean and standard deviation of these scores."""
    names = list(result.results[0].scores)
    columns = {name: [fold.scores[name] for fold in result.results] for name in names}
    files = [result.scores_file] if result.scores_file else []
    if json:
        spread = {name: {"mean": mean(column), "deviation": stdev(column)} for name, column in columns.items()}
        emit_json(
            {
                "out": str(result.out),
                "scores": spread,
                "folds": list(map(_training, result.results)),
                "files": list(map(str, files)),
                "seconds": round(result.seconds, 1),
            }
        )
    if not quiet:
        for fold in result.results:
            scored = ", ".join(f"{name} {value:.2f}" for name, value in fold.scores.items())
            say(f"{fold.out}: best model: step {fold.best_step} {scored}")
        spreads = [f"{name} {mean(column):.2f} ± {stdev(column):.2f}" for name, column in columns.items()]
        say(f"{len(result.results)} folds in {result.seconds:.0f} s; mean and deviation: {', '.join(spreads)}")
        show_files(files)


def show_dry_run(result: "DryRun", *, json: bool) -> None:
    """What a training would be, as a table or as JSON; both go to standard output."""
    if json:
        emit_json(asdict(result))
        return
    trained = "all" if result.trained == result.parameters else f"{result.trained / 1e6:.2f} M"
    processes = f"{result.processes} process{'es' if result.processes > 1 else ''}"
    rows = {
        "parameters": f"{result.parameters / 1e6:.2f} M, {trained} of them trained",
        "device": f"{result.device}, {result.precision}, {processes}",
        "epoch": f"{result.questions} questions in {result.windows} windows",
        "tokens of an epoch": f"{result.tokens}, and {100 * result.padding:.1f} % of padding",
        "steps": f"{result.steps_per_epoch} an epoch, {result.total_steps} in all, {result.warmup_steps} of warm-up",
        "questions of a step": str(result.questions_per_step),
        "time of a step": f"{result.seconds_per_step:.3g} s (median; {result.steps_made} made)",
        "time of all steps": f"about {_duration(result.training_seconds)}, evaluations not counted",
        "peak memory": _size(result.peak_memory_bytes),
        "checkpoint": _size(result.checkpoint_bytes),
        "disk needed": f"up to {_size(result.disk_bytes)}",
    }
    width = max(map(len, rows))
    for name, value in rows.items():
        emit_line(f"{name:<{width}}  {value}")


def _duration(seconds: float) -> str:
    minutes = round(seconds / 60)
    if not minutes:
        return f"{seconds:.0f} s"
    return f"{minutes // 60} h {minutes % 60} min" if minutes >= 60 else f"{minutes} min"


def _size(count: int) -> str:
    """Bytes in decimal units, as disks are sold."""
    return f"{count / 1e9:.2f} GB" if count >= 1e9 else f"{count / 1e6:.1f} MB"


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


_INFINITE = {("joint", inf): "selector alone", ("null", inf): "never none", ("null", -inf): "always none"}
_NAMES = {
    "length": "weight of the length",
    "temperature": "temperature",
    "joint": "weight of the selector",
    "null": "threshold of no answer",
}


def tuning_lines(tuned: "Sequence[Tuned]") -> Iterator[str]:
    """One table a setting: a row for each value, a star at the one that was kept."""
    for one in tuned:
        figures = list(one.chosen.figures)
        titles = [_NAMES[one.what], "EM", "F1", *(name.replace("_", " ") for name in figures)]
        table = [titles]
        for trial in one.trials:
            value = _INFINITE.get((one.what, trial.value)) or f"{trial.value:.4g}"
            numbers = (trial.em, trial.f1, *(trial.figures[name] for name in figures))
            table.append([value, *(f"{number:.3f}" for number in numbers)])
        marks = [" ", *("*" if trial == one.chosen else " " for trial in one.trials)]
        yield from (f"{mark} {line}" for mark, line in zip(marks, aligned(table), strict=True))
        yield ""


def aligned(rows: Sequence[Sequence[str]]) -> Iterator[str]:
    """A line for each row, its cells padded to the widest of their column: the first to the left, others to the right.

    Args:
        rows: at least one, all of one length.
    """
    widths = [max(map(cell_len, column)) for column in zip(*rows, strict=True)]
    for first, *cells in rows:
        padded = [" " * (width - cell_len(cell)) + cell for cell, width in zip(cells, widths[1:], strict=True)]
        yield "  ".join([first + " " * (widths[0] - cell_len(first)), *padded]).rstrip()
