"""Command-line options: those of settings, made from the models in `qakit.config`, and those that commands share."""

import functools
import inspect
from collections.abc import Callable, Mapping
from pathlib import Path
from types import NoneType
from typing import Annotated, Any, Literal, get_args, get_origin

import typer
from pydantic import BaseModel
from pydantic.fields import FieldInfo

from qakit.config import ReadConfig
from qakit.config.base import MODELS, OUTPUT, SETTINGS, ContextFlag, Flag, LenientFlag, flagged_settings

Flags = Mapping[str, object]
"""Values of settings by dotted name (`training.epochs`); None where the option was not given."""

Command = Callable[..., None]


def with_settings(kind: type[BaseModel], *names: str) -> Callable[[Command], Command]:
    """Decorator: replace the parameter `flags: Flags` of a command by one option for each of the named settings.

    A setting is written once, as a field of `kind` with a `Flag`; name, type, default and help of its option come from
    there. The command receives the values as `flags` and hands them to `load_config`.

    Args:
        names: settings by dotted name, and sections for all of their settings that have a flag, in the order of
            --help; a setting that is named twice stands at its first place.

    Raises:
        ValueError: `kind` has no such setting with a flag.
    """
    flagged = {name: (flag, field) for name, flag, field in flagged_settings(kind)}
    found = {wanted: [name for name in flagged if f"{name}.".startswith(f"{wanted}.")] for wanted in names}
    if missing := [wanted for wanted, settings in found.items() if not settings]:
        raise ValueError(f"{kind.__name__} has no flags for {', '.join(missing)}")
    chosen = dict.fromkeys(name for settings in found.values() for name in settings)
    # Typer wants identifiers: `data_train` for data.train. The key alone may clash with a parameter of the command.
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

        # Typer reads the parameters of a command from its signature, and get_type_hints from its annotations.
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
    """The annotation of a setting's option: the type that typer parses, and the texts of --help."""
    kinds = get_args(field.annotation)
    kind = kinds[0] if NoneType in kinds else field.annotation  # `int | None` is parsed as `int`
    metavar, callback = flag.metavar, None
    parsed: Any = kind
    if get_origin(kind) is Literal:
        # Parsed as text: the model refuses a wrong choice, in the same words for files, --set and flags.
        parsed, metavar = str, "|".join(get_args(kind))
    elif get_args(kind)[:1] == (Path,):
        parsed = list[Path]
    elif get_origin(kind) is tuple:
        parsed, callback = str, _split
    option = typer.Option(
        *flag.names,
        help=flag.help,
        metavar=metavar,
        rich_help_panel=flag.panel,
        show_default=_shown_default(field.default) if flag.default is None else flag.default,
        callback=callback,
    )
    # Without a default of its own, an option that is not given leaves the setting to --set and the files.
    return Annotated[parsed | None, option]


def _shown_default(default: object) -> str | bool:
    """The text of a default for --help; False, None and empty lists show none."""
    if isinstance(default, float):
        return f"{default:g}"
    return str(default) if isinstance(default, int | str) and not isinstance(default, bool) else False


def _split(value: str | None) -> list[str] | None:
    """The parts of `0.8,0.1,0.1`."""
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
        help="Model that reads answers or labels: a run folder, a folder or a hub name.", rich_help_panel=MODELS
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
