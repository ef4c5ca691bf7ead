"""`qakit predict`."""

from collections import Counter
from collections.abc import Callable, Sequence
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from qakit.cli import labelled
from qakit.cli import options as opt
from qakit.cli import terminal as asking
from qakit.cli import terminal as searching
from qakit.cli.console import emit_json, guarded, say, say_if_remote
from qakit.cli.options import Asked, Wanted
from qakit.config import ReadConfig
from qakit.errors import ConfigError

if TYPE_CHECKING:
    from qakit.data.predictions import Prediction
    from qakit.tasks.questions.models import Models

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

    With a --model of intents or slots, label the texts of --data, or --text alone.
    """
    given = locals()
    settings = opt.reading_config(config, set_, flags)
    asked = Asked(data, context, question, text, tuple(corpus or ()), lenient=lenient)
    wanted = Wanted(out, format, scores, nbest_out, json=json, quiet=quiet)

    if schema := labelled.schema_asked(asked, model, interactive=interactive):
        from qakit.tasks.labels.base import refuse_what_questions_have

        of_questions = {name: given[name] for name in ("selector", "backend", "part_size")}
        of_questions |= {name: flags[f"decoding.{name}"] for name in ("null_threshold", *labelled.OPTIONS_OF_QUESTIONS)}
        refuse_what_questions_have({name.replace("_", "-"): value for name, value in of_questions.items()})
        labelled.predict(schema, model, asked, wanted, settings)
        return

    def load() -> "Models":
        from qakit.modeling.loading import BUNDLED_MODEL
        from qakit.tasks.questions.models import load_models

        say_if_remote(*([] if quiet else [model, selector]))
        return load_models(model or BUNDLED_MODEL, selector, backend=backend, inference=settings.inference)

    if part_size:
        answer_in_parts(asked, wanted, part_size, load, settings, interactive=interactive)
    elif corpus:
        answer = searching.keep_searching if interactive else searching.search
        answer(asked, wanted, load, settings)
    elif interactive:
        asking.keep_asking(asked, wanted, load, settings)
    else:
        asking.answer(asked, wanted, load, settings)


def register(app: typer.Typer) -> None:
    """Add the command to `app`."""
    app.command("predict")(predict)


_SHOWN = 10  # bad records


def check_parts(asked: Asked, wanted: Wanted, *, interactive: bool) -> tuple[Path, Path]:
    """The questions and the folder, where nothing is asked for that parts have no place for.

    Raises:
        ConfigError: naming the flag.
    """
    if asked.data is None or wanted.out is None:
        raise ConfigError("--part-size needs --data, a file or a folder of jsonl or parquet, and --out, a folder")
    others = {
        "question": asked.question,
        "text": asked.text,
        "corpus": asked.corpus,
        "interactive": interactive,
        "context": asked.context,
        "scores": wanted.scores,
        "nbest-out": wanted.nbest_out,
    }
    for name, value in others.items():
        if value:
            raise ConfigError(f"--part-size does not go with --{name}")
    return asked.data, wanted.out


def answer_in_parts(
    asked: Asked,
    wanted: Wanted,
    size: int,
    load: "Callable[[], Models]",
    settings: ReadConfig,
    *,
    interactive: bool,
) -> None:
    """Answer all parts that are not there yet; say after each how many answers there are, and last what may be wrong.

    Raises:
        ConfigError: something else is asked for that parts have no place for.
    """
    data, out = check_parts(asked, wanted, interactive=interactive)
    from qakit.data.formats.parts import filled_tables
    from qakit.runs.lint import fault_note, faults_of
    from qakit.runs.predict_parts import predict_parts

    filled_tables(data)  # before the models are loaded
    answered, faults = 0, Counter[str]()

    def tell(answers: "Sequence[Prediction]") -> None:
        nonlocal answered
        answered += len(answers)
        faults.update(faults_of(answers))
        if not wanted.quiet:
            say(f"{answered} questions answered")

    result = predict_parts(
        data, load(), settings, out=out, size=size, format=wanted.format, lenient=asked.lenient, progress=tell
    )
    if wanted.json:
        emit_json(result._asdict())
    if not wanted.quiet:
        kept = f", {result.kept} of them by an earlier run" if result.kept else ""
        say(f"{result.folder}: {result.parts} parts{kept}")
        if result.skipped_file:
            _tell_skipped(result.skipped_file, result.skipped)
        doubt = fault_note(faults)
        if doubt:
            say(doubt, "yellow")


def _tell_skipped(file: Path, count: int) -> None:
    """Say which records were left out: the first of them, and where all are listed."""
    from qakit.runs.predict_parts import read_skipped

    say(f"{count} bad records skipped, listed in {file}:", "yellow")
    for row in islice(read_skipped(file), _SHOWN):
        say(f"  {row['file']}: {row['record']}: {row['fault']}")
    if count > _SHOWN:
        say(f"  ... and {count - _SHOWN} more")
