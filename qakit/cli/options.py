"""Command-line options: those of settings, made from the models in `qakit.config`, and those that commands share."""

import functools
import inspect
from collections.abc import Callable, Mapping
from pathlib import Path
from types import NoneType
from typing import Annotated, Any, get_args, get_origin

import typer
from pydantic import BaseModel
from pydantic.fields import FieldInfo

from qakit.config import ReadConfig
from qakit.config.base import MODELS, OUTPUT, SETTINGS, ContextFlag, Flag, LenientFlag, flagged_settings

Flags = Mapping[str, object]
"""Values of settings by dotted name (`training.epochs`); None where the option was not given."""

Command = Callable[..., None]


def with_settings(kind: type[BaseModel], *names: str) -> Callable[[Command], Command]:
    """Give a command an option for each of some settings, in the place of its parameter `flags: Flags`.

    A setting is written once, as a field of `kind` with a `Flag`: its option takes name, type, default and help from
    there. The command gets the values of all of them as `flags`, which `load_config` takes as they are.

    Args:
        names: settings by dotted name, or sections for all settings with a flag in them, in the order of --help; the
            first mention counts.
    """
    flagged = {name: (flag, field) for name, flag, field in flagged_settings(kind)}
    chosen = dict.fromkeys(name for wanted in names for name in flagged if f"{name}.".startswith(f"{wanted}."))
    # Typer wants identifiers; whole names, as two sections may have a key in common (training and inference precision).
    setting_of = {name.replace(".", "_"): name for name in chosen}
    options = [
        inspect.Parameter(
            parameter, inspect.Parameter.KEYWORD_ONLY, default=None, annotation=_annotation(*flagged[setting])
        )
        for parameter, setting in setting_of.items()
    ]

    def decorate(command: Command) -> Command:
        @functools.wraps(command)
        def run(**given: object) -> None:
            flags = {setting: given.pop(parameter) for parameter, setting in setting_of.items()}
            command(**given, flags=flags)

        # Typer reads the parameters of a command from its signature, and their types from the annotations too.
        signature = inspect.signature(command)
        spliced = [
            parameter
            for own in signature.parameters.values()
            for parameter in (options if own.name == "flags" else [own])
        ]
        vars(run)["__signature__"] = signature.replace(parameters=spliced)
        run.__annotations__ = {parameter.name: parameter.annotation for parameter in spliced}
        return run

    return decorate


def _annotation(flag: Flag, field: FieldInfo) -> Any:
    """The type of a setting's option as typer knows it, and what --help shows."""
    kind = next((part for part in get_args(field.annotation) if part is not NoneType), None)
    kind = kind if NoneType in get_args(field.annotation) else field.annotation  # `int | None` is `int`
    is_tuple, is_repeatable = get_origin(kind) is tuple, get_args(kind)[:1] == (Path,)
    # Choices are text here: the model refuses the wrong ones, whether they come from a file or from an option.
    parsed = list[Path] if is_repeatable else kind if isinstance(kind, type) and not is_tuple else str
    option = typer.Option(
        *flag.names,
        help=flag.help,
        metavar=flag.metavar,
        rich_help_panel=flag.panel,
        show_default=_shown_default(field.default) if flag.default is None else flag.default,
        callback=_split if is_tuple and not is_repeatable else None,
    )
    return Annotated[parsed | None, option]


def _shown_default(default: object) -> str | bool:
    """A default for --help; what is off or absent by default shows none."""
    if isinstance(default, float):
        return f"{default:g}"
    return str(default) if isinstance(default, int | str) and not isinstance(default, bool) else False


def _split(value: str | None) -> list[str] | None:
    """`0.8,0.1,0.1` as its parts."""
    return value.split(",") if value else None


Context = Annotated[Path | None, typer.Option(help=ContextFlag.help)]
Lenient = Annotated[bool, typer.Option("--lenient", help=LenientFlag.help)]
ConfigFile = Annotated[
    list[Path] | None,
    typer.Option(
        "--config",
        help="A YAML file of settings; repeatable, a later one wins setting by setting.",
        rich_help_panel=SETTINGS,
    ),
]
Set = Annotated[
    list[str] | None,
    typer.Option(
        "--set",
        metavar="KEY=VALUE",
        help="One setting, such as windows.max_length=512; repeatable.",
        rich_help_panel=SETTINGS,
    ),
]
Json = Annotated[
    bool, typer.Option("--json", help="Print one JSON document to standard output.", rich_help_panel=OUTPUT)
]
Quiet = Annotated[bool, typer.Option("--quiet", help="Print nothing but results and errors.", rich_help_panel=OUTPUT)]
Model = Annotated[
    str | None,
    typer.Option(
        help="Span extraction, intent or slot model: a run folder, a folder or a hub name.", rich_help_panel=MODELS
    ),
]
Backend = Annotated[
    str | None,
    typer.Option(
        metavar="torch|onnx|int8",
        help="Runtime of the models; the one that their folders have weights for when not given.",
        rich_help_panel=MODELS,
    ),
]
Selector = Annotated[
    str | None,
    typer.Option(
        help="Model that chooses the paragraph: a run folder, a folder or a hub name.", rich_help_panel=MODELS
    ),
]
Format = Annotated[
    str | None,
    typer.Option(
        metavar="hw7|adl2022|adl2021|squad|csv|jsonl|parquet",
        help="Format of the predictions; by default that of --out's suffix or of the data's contest.",
        rich_help_panel=OUTPUT,
    ),
]
NBestOut = Annotated[Path | None, typer.Option(help="JSON file for the n-best lists.", rich_help_panel=OUTPUT)]


def reading_config(files: list[Path] | None, overrides: list[str] | None, flags: Flags) -> ReadConfig:
    """The settings of a command that runs trained models.

    Raises:
        ConfigError: with all mistakes.
    """
    from qakit.config.files import load_config

    return load_config(ReadConfig, files or (), overrides=overrides or (), flags=flags)
