"""Print results: the document on standard output, a summary of it on standard error."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from statistics import mean, stdev
from typing import TYPE_CHECKING, Any, Protocol

from qakit.cli.console import emit, emit_json, emit_line, say
from qakit.report.text_tables import aligned

if TYPE_CHECKING:
    from qakit.metrics.intervals import Interval
    from qakit.modeling.trimming import TrimReport
    from qakit.runs.dry_run import DryRun
    from qakit.runs.ensemble import EnsembleReport, Figures
    from qakit.runs.folds import FoldsResult
    from qakit.tasks.base import Task
    from qakit.training.events import TrainResult


@dataclass(frozen=True)
class Output:
    """Output options of a command: `json`, one document; `quiet`, nothing but results and errors."""

    json: bool = False
    quiet: bool = False


class HasPredictions(Protocol):
    """The result of `predict` or `ensemble`."""

    @property
    def predictions(self) -> Sequence[Any]:
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
    task: "Task",
    result: HasPredictions,
    output: Output,
    *,
    notes: Sequence[str] = (),
    records: Sequence[Any] = (),
    told: Mapping[str, Any] | None = None,
) -> None:
    """Name the files written; without any, print the predictions themselves.

    Args:
        records: that were predicted, where JSON tells more of them.
        told: entries of the JSON document besides, or in the place of, the task's own.
    """
    if output.json:
        described = task.as_json(result.predictions, records)
        emit_json({"files": list(map(str, result.files))} | described | dict(told or {}))
    elif not result.files:
        emit(task.render(result.predictions, result.format))
    if not output.quiet:
        for note in notes:
            say(note)
        say(task.summarise(result.predictions))
        doubt = task.doubts(result.predictions)
        if doubt:
            say(doubt, "yellow")
        show_files(result.files)


def show_files(files: Sequence[Path]) -> None:
    """Name the files that a command wrote."""
    for file in files:
        say(f"wrote {file}")


def show_trimming(report: "TrimReport") -> None:
    """What trimming a vocabulary left of a model."""
    say(f"pieces: {report.pieces_before:,} before, {report.pieces_after:,} after")
    say(f"parameters: {report.parameters_before:,} before, {report.parameters_after:,} after")
    say(f"bytes of weights: {report.bytes_before:,} before, {report.bytes_after:,} after")
    if report.added:
        unrelated = len(report.unrelated)
        rows = f"{len(report.added) - unrelated} with the row of a relative, {unrelated} with the unknown token's"
        say(f"added Chinese characters: {rows}")
    if report.in_bytes:
        say(f"{len(report.in_bytes)} Chinese characters of the texts stay several pieces, spelled in bytes")


def show_training(result: "TrainResult", *, json: bool, quiet: bool) -> None:
    """Print the scores of the best model, and the files of the run."""
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
    """Print the scores of each fold's best model, their mean and standard deviation."""
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
    """Print the plan of a training as a table or as JSON; both go to standard output."""
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


def show_evaluation(result: Any, output: Output, *, slices: bool = False) -> None:
    """An `Evaluation` as tables, or as JSON; both are results and go to standard output.

    Args:
        slices: with more tables, which JSON always has.
    """
    if output.json:
        emit_json(result.summary())
    else:
        for line in result.lines(slices=slices):
            emit_line(line)
    for note in () if output.quiet else result.notes:
        say(note)


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


def ensemble_json(report: "EnsembleReport | None", weights: Sequence[float]) -> dict[str, Any]:
    """Weights and report, as JSON."""
    return {"weights": weights} | ({"report": report.summary()} if report else {})


def show_report(report: "EnsembleReport | None", weights: Sequence[float], output: Output, *, has_files: bool) -> None:
    """Print the report, if there is one: it is a result, and goes where no other one does."""
    show = emit_line if has_files and not output.json else say
    for line in report_lines(report, weights) if show is emit_line or not output.quiet else ():
        show(line)


def _cells(figures: "Figures", sign: str = "") -> list[str]:
    return [_cell(interval, sign) for interval in figures.values()]


def _cell(interval: "Interval", sign: str) -> str:
    return f"{interval.mean:{sign}.2f} ({interval.low:{sign}.1f} to {interval.high:{sign}.1f})"
