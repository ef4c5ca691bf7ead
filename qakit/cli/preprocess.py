"""`qakit preprocess`."""

from pathlib import Path
from typing import Annotated

import typer

from qakit.cli import options as opt
from qakit.cli.console import guarded
from qakit.cli.data_report import show_preprocessing

Inputs = Annotated[
    list[Path],
    typer.Argument(
        metavar="INPUT...", help="Data files of any schema; plain text (.txt) too for --to cloze and tokenizer."
    ),
]
Out = Annotated[Path | None, typer.Option(help="Folder to write to; without it, files are only checked.")]
To = Annotated[
    str | None,
    typer.Option(
        metavar="SCHEMA",
        help="hw7, adl2021, adl2022, squad, squad2, drcd, cmrc, cmrc-flat, jsonl, csv or "
        "parquet; that of the input when not given. Or cloze: questions made from texts; or tokenizer: one made for "
        "them.",
    ),
]
Split = Annotated[
    str | None, typer.Option(metavar="TRAIN,DEV,TEST", help="Split by article into these shares, such as 0.8,0.1,0.1.")
]
Candidates = Annotated[int | None, typer.Option(help="Give questions with one paragraph this many to choose from.")]
Negatives = Annotated[
    str | None, typer.Option(metavar="bm25|article|random", show_default="bm25", help="Where the added ones come from.")
]
Questions = Annotated[int | None, typer.Option(help="Cloze questions on each paragraph.", show_default="20")]
Vocabulary = Annotated[int | None, typer.Option(help="Entries of the tokenizer, at most.", show_default="8000")]
FirstAnswer = Annotated[
    bool | None, typer.Option("--first-answer", help="Keep the first of several annotators' answers only.")
]
Script = Annotated[
    str | None,
    typer.Option(metavar="s2t|t2s|s2twp|...", help="Convert all texts by OpenCC; answers stay where they are in them."),
]
Repair = Annotated[
    bool | None,
    typer.Option("--repair", help="Put misplaced answers where their text stands, and list every change."),
]
Tokenizer = Annotated[
    str | None, typer.Option(help="Report windows in this model's tokens: a name, folder or vocab.txt.")
]
Reachability = Annotated[
    bool | None,
    typer.Option("--reachability", help="Report what windows of several lengths and overlaps hold; draw it too."),
]


@guarded
def preprocess(
    inputs: Inputs,
    out: Out = None,
    to: To = None,
    split: Split = None,
    candidates: Candidates = None,
    negatives: Negatives = None,
    first_answer: FirstAnswer = None,
    script: Script = None,
    repair: Repair = None,
    questions: Questions = None,
    vocabulary: Vocabulary = None,
    context: opt.Context = None,
    tokenizer: Tokenizer = None,
    reachability: Reachability = None,
    max_length: opt.MaxLength = None,
    overlap: opt.Overlap = None,
    step: opt.Step = None,
    seed: opt.Seed = None,
    lenient: opt.Lenient = False,
    config: opt.ConfigFile = None,
    set_: opt.Set = None,
    json: opt.Json = False,
    quiet: opt.Quiet = False,
) -> None:
    """Check data files, report what they hold, convert and split them, add candidates, make questions from texts."""
    from qakit.config import PreprocessConfig
    from qakit.config_files import load_config
    from qakit.runs import preprocess as run

    flags = {
        "to": to,
        "split": split.split(",") if split else None,
        "candidates": candidates,
        "negatives": negatives,
        "first_answer": first_answer,
        "script": script,
        "repair": repair,
        "cloze.questions": questions,
        "vocabulary": vocabulary,
        "seed": seed,
        "tokenizer": tokenizer,
        "reachability": reachability,
        "windows.max_length": max_length,
        "windows.overlap": overlap,
        "windows.step": step,
    }
    settings = load_config(PreprocessConfig, config or (), overrides=set_ or (), flags=flags)
    result = run.preprocess(inputs, settings, context=context, lenient=lenient, out=out)
    show_preprocessing(result, json=json, quiet=quiet)


def register(app: typer.Typer) -> None:
    """Add the command to `app`."""
    app.command("preprocess")(preprocess)
