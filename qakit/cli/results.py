"""How results look: on standard output the document, on standard error what it says in short."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from statistics import mean, stdev
from typing import TYPE_CHECKING, Any, Protocol

from qakit.cli.console import emit, emit_json, emit_line, say

if TYPE_CHECKING:
    from qakit.runs.dry_run import DryRun
    from qakit.runs.events import TrainResult
    from qakit.runs.folds import FoldsResult
    from qakit.spans.answers import Prediction


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
    from qakit.runs.lint import fault_note, faults_of
    from qakit.runs.outputs import document

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
