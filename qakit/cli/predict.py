"""`qakit predict`."""

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from qakit.cli import asking
from qakit.cli import options as opt
from qakit.cli.console import guarded, say_if_remote
from qakit.cli.parts import answer_in_parts, check_parts
from qakit.cli.results import show_predictions

if TYPE_CHECKING:
    from qakit.runs.predict import Models

Data = Annotated[Path | None, typer.Option(help="The questions, in any schema.")]
Question = Annotated[str | None, typer.Option("--question", "-q", help="One question, instead of --data.")]
Text = Annotated[
    str | None,
    typer.Option(
        "--text", "-c", help="The text to find its answer in; @FILE reads it from a file, - from standard input."
    ),
]
Interactive = Annotated[
    bool, typer.Option("--interactive", help="Go on asking about --text: one question a line, until Ctrl-D.")
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
NullThreshold = Annotated[float | None, typer.Option(help="Say that there is no answer when it leads by more.")]


@guarded
def predict(
    model: opt.Model = None,
    selector: opt.Selector = None,
    backend: opt.Backend = None,
    data: Data = None,
    context: opt.Context = None,
    question: Question = None,
    text: Text = None,
    interactive: Interactive = False,
    out: Out = None,
    part_size: PartSize = None,
    format: opt.Format = None,
    scores: Scores = None,
    nbest: opt.NBest = None,
    nbest_out: opt.NBestOut = None,
    joint_paragraphs: opt.JointParagraphs = None,
    joint_weight: opt.JointWeight = None,
    max_length: opt.MaxLength = None,
    overlap: opt.Overlap = None,
    step: opt.Step = None,
    max_answer_length: opt.MaxAnswerLength = None,
    null_threshold: NullThreshold = None,
    batch_tokens: opt.BatchTokens = None,
    precision: opt.Precision = None,
    lenient: opt.Lenient = False,
    config: opt.ConfigFile = None,
    set_: opt.Set = None,
    json: opt.Json = False,
    quiet: opt.Quiet = False,
) -> None:
    """Answer questions: from their own paragraph, or with --selector from the best of several."""
    from qakit.config import ReadConfig
    from qakit.config_files import load_config

    flags = opt.reading_flags(
        max_length=max_length,
        overlap=overlap,
        step=step,
        max_answer_length=max_answer_length,
        batch_tokens=batch_tokens,
        precision=precision,
        joint_paragraphs=joint_paragraphs,
        joint_weight=joint_weight,
    )
    flags |= {"decoding.null_threshold": null_threshold, "decoding.nbest": nbest}
    settings = load_config(ReadConfig, config or (), overrides=set_ or (), flags=flags)
    others = (data, out, format, scores, nbest_out, json)
    if part_size:
        check_parts(data, out, question=question, text=text, interactive=interactive, context=context)
        check_parts(data, out, scores=scores, nbest_out=nbest_out)
    if interactive:
        text = asking.check_interactive(text, alone=not any(others))
    files: tuple[Path, ...] = ()
    if text and data is None and (interactive or question is not None):
        text, files = asking.read_given(text)
    from qakit.cli.progress import answer_progress
    from qakit.modeling.bundled import BUNDLED_MODEL
    from qakit.runs import predict as run

    def load() -> "Models":
        say_if_remote(*([] if quiet else [model, selector]))
        return run.load_models(model or BUNDLED_MODEL, selector, backend=backend)

    if part_size and data and out:
        answer_in_parts(data, out, part_size, load, settings, format=format, lenient=lenient, json=json, quiet=quiet)
        return
    if interactive and text:
        asking.keep_asking(text, load, settings, first=question, quiet=quiet)
        return
    dataset = run.read_questions(data, question=question, text=text, context=context, lenient=lenient)
    dataset = replace(dataset, files=dataset.files + files)
    models = load()
    with answer_progress(len(dataset), quiet=quiet or data is None) as progress:
        result = run.predict(
            dataset, models, settings, out=out, format=format, scores=scores, nbest_out=nbest_out, progress=progress
        )
    if text and not any(others):
        asking.show_answer(result.predictions[0].answers[: settings.decoding.nbest], text, quiet=quiet)
    else:
        show_predictions(result, json=json, quiet=quiet, notes=result.notes)


def register(app: typer.Typer) -> None:
    """Add the command to `app`."""
    app.command("predict")(predict)
