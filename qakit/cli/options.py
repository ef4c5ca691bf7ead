"""The options that commands share, each described once."""

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from qakit.config import ReadConfig

_CONFIG, _MODEL, _OUTPUT = "Settings", "Models", "Output"

Context = Annotated[
    Path | None, typer.Option(help="ADL's context.json; found beside the data file when not given.", show_default=False)
]
Lenient = Annotated[bool, typer.Option("--lenient", help="Skip bad records instead of stopping, and say how many.")]
ConfigFile = Annotated[
    list[Path] | None,
    typer.Option(
        "--config",
        help="A YAML file of settings; repeatable, a later one wins setting by setting.",
        rich_help_panel=_CONFIG,
    ),
]
Set = Annotated[
    list[str] | None,
    typer.Option(
        "--set",
        metavar="KEY=VALUE",
        help="One setting, such as windows.max_length=512; repeatable.",
        rich_help_panel=_CONFIG,
    ),
]
Seed = Annotated[int | None, typer.Option(show_default="42", help="Seed of all random draws.", rich_help_panel=_CONFIG)]
Json = Annotated[
    bool, typer.Option("--json", help="Print one JSON document to standard output.", rich_help_panel=_OUTPUT)
]
Quiet = Annotated[bool, typer.Option("--quiet", help="Print nothing but results and errors.", rich_help_panel=_OUTPUT)]
Overlap = Annotated[
    int | None, typer.Option(help="Tokens that two neighbouring windows share.", rich_help_panel=_CONFIG)
]
Step = Annotated[
    int | None,
    typer.Option(help="Tokens from one window to the next; the other way to say --overlap.", rich_help_panel=_CONFIG),
]
MaxLength = Annotated[
    int | None,
    typer.Option(help="Tokens of a window, question included; 384, or as in training.", rich_help_panel=_CONFIG),
]
MatchLength = Annotated[
    int | None,
    typer.Option(
        show_default="as the model to start from, or 0",
        help="Token types tell which paragraph tokens the question has too, in runs of up to this many.",
        rich_help_panel=_CONFIG,
    ),
]
MaxAnswerLength = Annotated[
    int | None,
    typer.Option(help="Tokens of the longest answer; as in training when not given.", rich_help_panel=_CONFIG),
]
JointParagraphs = Annotated[
    int | None,
    typer.Option(
        show_default="as stored with --model, or 1",
        help="With --selector, read so many of the likeliest paragraphs and choose among their answers.",
        rich_help_panel=_CONFIG,
    ),
]
JointWeight = Annotated[
    float | None,
    typer.Option(
        show_default="as stored with --model, or 1",
        help="What the selector's log-probability weighs beside an answer's score.",
        rich_help_panel=_CONFIG,
    ),
]
BatchTokens = Annotated[
    int | None,
    typer.Option(help="Tokens per forward pass; 1,024 a thread on a CPU, 16,384 elsewhere.", rich_help_panel=_CONFIG),
]
NumThreads = Annotated[
    int | None,
    typer.Option(min=1, help="Threads of a CPU; as many as torch chooses by itself.", rich_help_panel=_CONFIG),
]
Precision = Annotated[
    str | None,
    typer.Option(metavar="fp32|bf16|fp16", help="Number format of the forward pass.", rich_help_panel=_CONFIG),
]
Model = Annotated[
    str | None,
    typer.Option(
        help="Span extraction, intent or slot model: a run folder, a folder or a hub name.", rich_help_panel=_MODEL
    ),
]
Backend = Annotated[
    str | None,
    typer.Option(
        metavar="torch|onnx|int8",
        help="What runs the models; what their folders have weights for when not given.",
        rich_help_panel=_MODEL,
    ),
]
Selector = Annotated[str | None, typer.Option(help="Paragraph selection model, likewise.", rich_help_panel=_MODEL)]
Format = Annotated[
    str | None,
    typer.Option(
        metavar="hw7|adl2022|adl2021|squad|csv|jsonl|parquet",
        help="Form of the predictions; the data's contest and the file's suffix decide when not given.",
        rich_help_panel=_OUTPUT,
    ),
]
NBest = Annotated[
    int | None,
    typer.Option(
        "--nbest",
        show_default="1",
        help="Answers per question, where they are shown or written.",
        rich_help_panel=_OUTPUT,
    ),
]
NBestOut = Annotated[Path | None, typer.Option(help="JSON file for the n-best lists.", rich_help_panel=_OUTPUT)]


def reading_config(
    files: "list[Path] | None", overrides: list[str] | None, flags: Mapping[str, object]
) -> "ReadConfig":
    """The settings of a command that runs models.

    Args:
        flags: settings that have a flag of their own, by their dotted names; None where it was not given.

    Raises:
        ConfigError: with all mistakes.
    """
    from qakit.config import ReadConfig
    from qakit.config.files import load_config

    return load_config(ReadConfig, files or (), overrides=overrides or (), flags=flags)
