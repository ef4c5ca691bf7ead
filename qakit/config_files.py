"""Filling a config from defaults, then a YAML file, then `--set`, then flags.

Unknown keys are refused with a suggestion, and all mistakes are reported at once.
"""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, TypeVar, get_args

import yaml
from pydantic import BaseModel, ValidationError

from qakit.errors import ConfigError, DataError, suggestion
from qakit.io import read_text

Config = TypeVar("Config", bound=BaseModel)


def load_config(
    kind: type[Config],
    file: Path | None = None,
    *,
    overrides: Sequence[str] = (),
    flags: Mapping[str, Any] | None = None,
) -> Config:
    """A config of class `kind`: defaults, then `file`, then `overrides` (`a.b=c`), then `flags`.

    Args:
        flags: values by dotted name, such as `{"training.epochs": 2}`; None means not given.

    Raises:
        ConfigError: all that is wrong with the three together, one line each.
    """
    values = _read_yaml(file) if file else {}
    for override in overrides:
        key, equals, text = override.partition("=")
        if not equals or not key.strip():
            raise ConfigError(f"--set {override}: expected KEY=VALUE, such as training.learning_rate=2e-5")
        _assign(values, key.strip(), _parse_value(text, override))
    for key, value in (flags or {}).items():
        if value is not None:
            _assign(values, key, value)
    try:
        return kind.model_validate(values)
    except ValidationError as error:
        raise ConfigError(_render(error, kind, flags or {})) from None


def to_yaml(config: BaseModel) -> str:
    """A config as YAML that `load_config` reads back as the same config."""
    return yaml.safe_dump(config.model_dump(mode="json"), sort_keys=False, allow_unicode=True)


class _UniqueKeys(yaml.SafeLoader):
    """PyYAML's safe loader, which also refuses a key that stands twice: the first would be lost without a word."""

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Any, Any]:
        """The mapping of a node."""
        keys = [self.construct_object(key, deep=True) for key, _ in node.value]
        for number, key in enumerate(keys):
            if key in keys[:number]:
                raise yaml.MarkedYAMLError(
                    problem=f"{key!r} stands twice", problem_mark=node.value[number][0].start_mark
                )
        return super().construct_mapping(node, deep)


def _read_yaml(file: Path) -> dict[str, Any]:
    try:
        text = read_text(file)
    except DataError as error:
        raise ConfigError(str(error)) from None
    try:
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


def _render(error: ValidationError, kind: type[BaseModel], flags: Mapping[str, Any]) -> str:
    """One line a mistake: the setting, its flag where `flags` has one for it, what is wrong and what was found."""
    lines = []
    for mistake in error.errors(include_url=False):
        place = _spoken(".".join(map(str, mistake["loc"])), flags)
        if mistake["type"] == "extra_forbidden":
            *sections, key = map(str, mistake["loc"])
            lines.append(f"{place}: unknown setting{suggestion(key, _section(kind, sections).model_fields)}")
        elif mistake["type"] == "missing":
            lines += [f"{_spoken(name, flags)}: is needed" for name in _needed(kind, mistake["loc"])]
        else:
            found = "" if isinstance(mistake["input"], dict) else f", found {mistake['input']!r}"
            lines.append(f"{place}: {mistake['msg'].removeprefix('Value error, ')}{found}")
    return "\n".join(lines)


def _spoken(name: str, flags: Mapping[str, Any]) -> str:
    """A setting by its flag, where there is one, and by its dotted name."""
    if name not in flags:
        return name
    flag = "model" if name == "model.name" else name.rpartition(".")[2].replace("_", "-")
    return f"--{flag} ({name})"


def _needed(kind: type[BaseModel], place: Sequence[int | str]) -> list[str]:
    """A missing setting by its dotted name; for a missing section, those in it that have no default."""
    name = ".".join(map(str, place))
    section = _section(kind, place)
    if not hasattr(section, "model_fields"):
        return [name]
    return [f"{name}.{key}" for key, field in section.model_fields.items() if field.is_required()]


def _section(kind: type[BaseModel], place: Sequence[int | str]) -> Any:
    """The settings class, or the type of the setting, at a place of the config."""
    found: Any = kind
    for key in place:
        annotation = found.model_fields[key].annotation if hasattr(found, "model_fields") else None
        found = next((part for part in get_args(annotation) if part is not type(None)), annotation)
    return found
