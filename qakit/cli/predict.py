"""`qakit predict`."""

from collections import Counter
from collections.abc import Callable, Sequence
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from qakit.cli import options as opt
from qakit.cli import terminal
from qakit.cli.console import emit_json, guarded, say, say_if_remote
from qakit.cli.printing import Output
from qakit.config import ReadConfig
from qakit.errors import ConfigError

if TYPE_CHECKING:
    from qakit.data.predictions import Prediction
    from qakit.tasks.base import Models
    from qakit.tasks.requests import PredictRequest

Data = Annotated[Path | None, typer.Option(help="The questions, in any schema; or the texts to be labelled.")]
Question = Annotated[str | None, typer.Option("--question", "-q", help="One question, instead of --data.")]
Text = Annotated[
    str | None,
    typer.Option(
        "--text", "-c", help="The text to find its answer in; @FILE reads it from a file, - from standard input."
    ),
]
Corpus = Annotated[
    list[Path] | None,
    typer.Option(help="Texts to find the answers in: a folder, or a file of plain text or data; repeatable."),
]
Interactive = Annotated[
    bool,
    typer.Option("--interactive", help="Go on asking about --text or --corpus: one question a line, until Ctrl-D."),
]
Out = Annotated[Path | None, typer.Option(help="File for the predictions; standard output when not given.")]
PartSize = Annotated[
    int | None,
    typer.Option(
        min=1,
        help="Fill the folder --out with files of this many questions; run again, it goes on where it was stopped.",
    ),
]
Scores = Annotated[Path | None, typer.Option(help="Scores file to write, for ensemble.")]


@opt.with_settings(ReadConfig, "decoding", "windows.max_length", "windows.overlap", "windows.step", "inference")
@guarded
def predict(
    *,
    model: opt.Model = None,
    selector: opt.Selector = None,
    backend: opt.Backend = None,
    data: Data = None,
    context: opt.Context = None,
    question: Question = None,
    text: Text = None,
    corpus: Corpus = None,
    interactive: Interactive = False,
    out: Out = None,
    part_size: PartSize = None,
    format: opt.Format = None,
    scores: Scores = None,
    flags: opt.Flags,
    nbest_out: opt.NBestOut = None,
    lenient: opt.Lenient = False,
    config: opt.ConfigFile = None,
    set_: opt.Set = None,
    json: opt.Json = False,
    quiet: opt.Quiet = False,
) -> None:
    """Answer questions: from their own paragraph, with --selector from the best of several, or from a --corpus.

    With a --model for labels, label the texts of --data, or --text alone.
    """
    from qakit.tasks.base import refuse_unused
    from qakit.tasks.registry import task_asked
    from qakit.tasks.requests import PredictRequest

    settings = opt.reading_config(config, set_, flags)
    request = PredictRequest(
        data=data,
        context=context,
        question=question,
        text=text,
        corpus=tuple(corpus or ()),
        interactive=interactive,
        lenient=lenient,
        model=model,
        selector=selector,
        backend=backend,
        out=out,
        format=format,
        scores=scores,
        nbest_out=nbest_out,
        part_size=part_size,
    )
    task, output = task_asked(request), Output(json, quiet)
    refuse_unused(task, "predict", request, settings.decoding)

    def load() -> "Models":
        say_if_remote(*([] if quiet else [model, selector]))
        return task.load(model or task.default_model, selector, settings, backend=backend)

    if part_size:
        answer_in_parts(request, part_size, load, settings, output)
    elif corpus:
        search = terminal.keep_searching if interactive else terminal.search
        search(task, request, load, settings, output)
    elif interactive:
        terminal.keep_asking(task, request, load, settings, output)
    else:
        terminal.predict(task, request, load, settings, output)


def register(app: typer.Typer) -> None:
    """Add the command to `app`."""
    app.command("predict")(predict)


_SHOWN = 10  # bad records


def _check_parts(request: "PredictRequest") -> tuple[Path, Path]:
    """The questions and the folder.

    Raises:
        ConfigError: one is missing, or an option is given that parts have no place for.
    """
    from qakit.tasks.requests import given_options

    if request.data is None or request.out is None:
        raise ConfigError("--part-size needs --data, a file or a folder of jsonl or parquet, and --out, a folder")
    unused = ("question", "text", "corpus", "interactive", "context", "scores", "nbest-out")
    for name in given_options(request):
        if name in unused:
            raise ConfigError(f"--part-size does not go with --{name}")
    return request.data, request.out


def answer_in_parts(
    request: "PredictRequest", size: int, load: "Callable[[], Models]", settings: ReadConfig, output: Output
) -> None:
    """Answer all parts that are not there yet; say after each how many answers there are, and last what may be wrong.

    Raises:
        ConfigError: something else is asked for that parts have no place for.
    """
    data, out = _check_parts(request)
    from qakit.data.lint.answers import count_faults, fault_note
    from qakit.data.schemas.parts import nonempty_tables
    from qakit.runs.predict import predict_parts

    nonempty_tables(data)  # before the models are loaded
    answered, faults = 0, Counter[str]()

    def tell(answers: "Sequence[Prediction]") -> None:
        nonlocal answered
        answered += len(answers)
        faults.update(count_faults([answer.text for answer in answers]))
        if not output.quiet:
            say(f"{answered} questions answered")

    result = predict_parts(
        data, load(), settings, out=out, size=size, format=request.format, lenient=request.lenient, progress=tell
    )
    if output.json:
        emit_json(result._asdict())
    if not output.quiet:
        kept = f", {result.kept} of them by an earlier run" if result.kept else ""
        say(f"{result.folder}: {result.parts} parts{kept}")
        if result.skipped_file:
            _tell_skipped(result.skipped_file, result.skipped)
        doubt = fault_note(faults)
        if doubt:
            say(doubt, "yellow")


def _tell_skipped(file: Path, count: int) -> None:
    """Say which records were left out: the first of them, and where all are listed."""
    from qakit.runs.predict import read_skipped

    say(f"{count} bad records skipped, listed in {file}:", "yellow")
    for row in islice(read_skipped(file), _SHOWN):
        say(f"  {row['file']}: {row['record']}: {row['fault']}")
    if count > _SHOWN:
        say(f"  ... and {count - _SHOWN} more")
