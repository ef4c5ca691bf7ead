"""Load a config from defaults, YAML files, `--set` and flags; later sources win.

Unknown settings are refused with a suggestion, and all mistakes are reported at once.
"""

from collections.abc import Collection, Mapping, Sequence
from pathlib import Path
from typing import Any, TypeVar, get_args, get_origin

import yaml
from pydantic import BaseModel, ValidationError

from qakit.config.base import TASK_SUMMARIES, flagged_settings
from qakit.errors import ConfigError, DataError, suggestion
from qakit.io import read_text

Config = TypeVar("Config", bound=BaseModel)

_BREAKS = "\x85\u2028\u2029"


def load_config(
    kind: type[Config],
    files: Sequence[Path] = (),
    *,
    section: str | None = None,
    overrides: Sequence[str] = (),
    flags: Mapping[str, object] | None = None,
) -> Config:
    """Load a config of class `kind` from defaults, then `files`, then `overrides` (`a.b=c`), then `flags`.

    Args:
        files: YAML files; a later one wins over an earlier one, setting by setting.
        section: a task, such as `qa`: its part of each file wins over the rest of that file, and the parts of other
            tasks are ignored. When None, such parts are unknown settings.
        flags: values by dotted name, such as `{"training.epochs": 2}`; None means not given.

    Raises:
        ConfigError: one line for each mistake.
    """
    flags = flags or {}
    return _validated(kind, _gathered(files, section, overrides, flags), flags)


def preview_config(
    kind: type[Config],
    files: Sequence[Path] = (),
    *,
    section: str | None = None,
    overrides: Sequence[str] = (),
    flags: Mapping[str, object] | None = None,
) -> str:
    """The config that `load_config` would return, as YAML; missing settings are listed in comments at the top.

    Raises:
        ConfigError: something other than a missing setting is wrong.
    """
    flags = flags or {}
    values = _gathered(files, section, overrides, flags)
    missing = _missing(kind, values)
    # Placeholders let the other settings be validated; they are removed from the result again.
    for name in missing:
        _assign(values, name, _placeholder(kind, name))
    shown = _validated(kind, values, flags).model_dump(mode="json")
    for name in missing:
        _remove(shown, name)
    options = _options(kind, flags)
    needed = [f"# needed: {name}" + (f" ({options[name]})" if name in options else "") for name in missing]
    return "\n".join([*needed, _dump(shown)])


def to_yaml(config: BaseModel) -> str:
    """A config as YAML that `load_config` reads back as the same config."""
    return _dump(config.model_dump(mode="json"))


class _Dumper(yaml.SafeDumper):
    """PyYAML's safe dumper; it escapes Unicode line breaks too, which would be read back as spaces."""


def _represent_text(dumper: yaml.SafeDumper, text: str) -> yaml.ScalarNode:
    return dumper.represent_scalar("tag:yaml.org,2002:str", text, style='"' if set(text) & set(_BREAKS) else None)


_Dumper.add_representer(str, _represent_text)


def _dump(values: Mapping[str, Any]) -> str:
    return yaml.dump(values, Dumper=_Dumper, sort_keys=False, allow_unicode=True)


def _gathered(
    files: Sequence[Path], section: str | None, overrides: Sequence[str], flags: Mapping[str, object]
) -> dict[str, Any]:
    """Merge the values of all sources; later ones win."""
    values: dict[str, Any] = {}
    for file in files:
        _merge(values, _read_recipe(file, section))
    for override in overrides:
        key, equals, text = override.partition("=")
        if not equals or not key.strip():
            raise ConfigError(f"--set {override}: expected KEY=VALUE, such as training.learning_rate=2e-5")
        _assign(values, key.strip(), _parse_value(text, override))
    for key, value in flags.items():
        if value is not None:
            _assign(values, key, value)
    return values


def _validated(kind: type[Config], values: Mapping[str, Any], flags: Mapping[str, object]) -> Config:
    try:
        return kind.model_validate(values)
    except ValidationError as error:
        raise ConfigError(_render(error, kind, flags)) from None


def _read_recipe(file: Path, section: str | None) -> dict[str, Any]:
    """The settings of a file for one task: the common ones, overridden by the task's own."""
    values = _read_yaml(file)
    if section is None:
        return values
    parts = {name: values.pop(name) for name in TASK_SUMMARIES if name in values}
    part = parts.get(section, {})
    if not isinstance(part, dict):
        raise ConfigError(f"{file}: {section}: expected sections such as `training:`, found {type(part).__name__}")
    return _merge(values, part)


def _merge(below: dict[str, Any], above: Mapping[str, Any]) -> dict[str, Any]:
    """Merge `above` into `below` in place, section by section; values of `above` win."""
    for key, value in above.items():
        old = below.get(key)
        below[key] = _merge(old, value) if isinstance(old, dict) and isinstance(value, dict) else value
    return below


class _UniqueKeys(yaml.SafeLoader):
    """PyYAML's safe loader; it refuses duplicate keys too, of which PyYAML would silently drop the first."""

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Any, Any]:
        """The mapping of a node."""
        keys = [self.construct_object(key, deep=True) for key, _ in node.value]
        for number, key in enumerate(keys):
            if key in keys[:number]:
                raise yaml.MarkedYAMLError(
                    problem=f"duplicate key {key!r}", problem_mark=node.value[number][0].start_mark
                )
        return super().construct_mapping(node, deep)


def _read_yaml(file: Path) -> dict[str, Any]:
    try:
        text = read_text(file)
    except DataError as error:
        raise ConfigError(str(error)) from None
    try:
        # Nested aliases grow exponentially when expanded ("billion laughs"), so a file must do without them.
        if any(isinstance(token, yaml.AliasToken) for token in yaml.scan(text)):
            raise ConfigError(f"{file}: write values out instead of using YAML aliases (*name)")
        values = yaml.load(text, _UniqueKeys)  # noqa: S506 - a safe loader
    except (yaml.YAMLError, RecursionError) as error:
        raise ConfigError(f"{file}: not YAML: {' '.join(str(error).split())}") from None
    if not isinstance(values, dict):
        raise ConfigError(f"{file}: expected sections such as `training:`, found {type(values).__name__}")
    return values


def _parse_value(text: str, override: str) -> Any:
    try:
        return yaml.safe_load(text)
    except yaml.YAMLError:
        raise ConfigError(f"--set {override}: the value is not YAML; quote it") from None


def _assign(values: dict[str, Any], dotted: str, value: Any) -> None:
    *sections, key = dotted.split(".")
    for section in sections:
        values = values.setdefault(section, {})
        if not isinstance(values, dict):
            raise ConfigError(f"{dotted}: {section} holds a value, not a section")
    values[key] = value


def _remove(values: dict[str, Any], dotted: str) -> None:
    *sections, key = dotted.split(".")
    for section in sections:
        values = values[section]
    del values[key]


def _missing(kind: type[BaseModel], values: Mapping[str, Any]) -> list[str]:
    """Dotted names of the required settings that `values` lacks."""
    try:
        kind.model_validate(values)
    except ValidationError as error:
        mistakes = error.errors(include_url=False)
        return [name for mistake in mistakes if mistake["type"] == "missing" for name in _needed(kind, mistake["loc"])]
    return []


def _placeholder(kind: type[BaseModel], name: str) -> Any:
    """A dummy value for a required setting; all of these are names, files, or tuples of files."""
    *sections, key = name.split(".")
    is_tuple = get_origin(_section(kind, sections).model_fields[key].annotation) is tuple
    return ["?"] if is_tuple else "?"


def _render(error: ValidationError, kind: type[BaseModel], flags: Collection[str]) -> str:
    """One line per mistake: the setting with its option, the fault, and the value found."""
    options, lines = _options(kind, flags), []
    for mistake in error.errors(include_url=False):
        place = _spoken(".".join(map(str, mistake["loc"])), options)
        if mistake["type"] == "extra_forbidden":
            *sections, key = map(str, mistake["loc"])
            lines.append(f"{place}: unknown setting{suggestion(key, _section(kind, sections).model_fields)}")
        elif mistake["type"] == "missing":
            lines += [f"{_spoken(name, options)}: is needed" for name in _needed(kind, mistake["loc"])]
        else:
            found = "" if isinstance(mistake["input"], dict) else f", found {mistake['input']!r}"
            message = mistake["msg"].removeprefix("Value error, ") + found
            lines.append(f"{place}: {message}" if place else message)  # a validator of the whole config has no place
    return "\n".join(lines)


def _options(kind: type[BaseModel], flags: Collection[str]) -> dict[str, str]:
    """The option of each setting in `flags`, such as `--model` for model.name. A command offers some of all flags."""
    return {name: flag.names[0] for name, flag, _ in flagged_settings(kind) if name in flags}


def _spoken(name: str, options: Mapping[str, str]) -> str:
    """A setting by its option, where the command has one, and by its dotted name."""
    return f"{options[name]} ({name})" if name in options else name


def _needed(kind: type[BaseModel], place: Sequence[int | str]) -> list[str]:
    """The dotted name of a missing setting; for a missing section, those of its required settings."""
    name = ".".join(map(str, place))
    section = _section(kind, place)
    if not hasattr(section, "model_fields"):
        return [name]
    return [f"{name}.{key}" for key, field in section.model_fields.items() if field.is_required()]


def _section(kind: type[BaseModel], place: Sequence[int | str]) -> Any:
    """The settings class or type at a place of the config, such as `WindowSettings` at `windows`."""
    found: Any = kind
    for key in place:
        annotation = found.model_fields[key].annotation if hasattr(found, "model_fields") else None
        found = next((part for part in get_args(annotation) if part is not type(None)), annotation)
    return found
