"""Strict pydantic models for the records of a file, with errors that a person can act on."""

import difflib
from collections.abc import Collection, Iterable, Mapping
from typing import Annotated, Any, TypeVar

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, ValidationError
from pydantic_core import ErrorDetails, PydanticCustomError

from qakit.data.records import shorten
from qakit.io import surrogate_fault

_EXPECTED = {
    "string_type": "a string",
    "int_type": "a whole number",
    "bool_type": "true or false",
    "list_type": "a list",
    "model_type": "an object",
}
_SHOWN_KEYS = 8


class ShapeError(ValueError):
    """A value does not fit its schema; `faults` are (field, message) pairs."""

    def __init__(self, faults: Iterable[tuple[str, str]]) -> None:
        self.faults = tuple(faults)
        super().__init__("; ".join(f"{field}: {message}" for field, message in self.faults))


def _check_text(text: str) -> str:
    fault = surrogate_fault(text)
    if fault:
        raise PydanticCustomError("surrogate", "{fault}", {"fault": fault})
    return text


def _check_filled(text: str) -> str:
    if not text.strip():
        raise PydanticCustomError("blank", "is empty; expected a text")
    return text


def _id_text(value: Any) -> Any:
    if isinstance(value, int) and not isinstance(value, bool):
        return str(value)
    if not isinstance(value, str):
        found = describe(value)
        raise PydanticCustomError("id", "found {found}; expected a string or a whole number", {"found": found})
    return value


Text = Annotated[str, AfterValidator(_check_text)]
FilledText = Annotated[Text, AfterValidator(_check_filled)]
Id = Annotated[Text, BeforeValidator(_id_text)]


class Shape(BaseModel):
    """Base class: types are not converted, unknown keys are allowed."""

    model_config = ConfigDict(strict=True, frozen=True, extra="ignore")


ShapeType = TypeVar("ShapeType", bound=Shape)


def parse(shape: type[ShapeType], value: Any, *, required: Collection[str] = ()) -> ShapeType:
    """Validate `value` as a `shape`.

    Args:
        required: keys that must be present although the shape has defaults for them (see `keys_in_use`).

    Raises:
        ShapeError: with every mistake in the value.
    """
    faults = [(key, _missing(key, value)) for key in required if isinstance(value, dict) and key not in value]
    try:
        result = shape.model_validate(value)
    except ValidationError as error:
        faults += [_explain(details) for details in error.errors(include_url=False)]
        raise ShapeError(faults) from None
    if faults:
        raise ShapeError(faults)
    return result


def keys_in_use(values: Iterable[Any], keys: Iterable[str]) -> frozenset[str]:
    """The `keys` that at least one of `values` has: then every record of the file must have them.

    A test file has no answers at all; a single record without one is a mistake.
    """
    wanted = set(keys)
    found: set[str] = set()
    for value in values:
        if isinstance(value, dict):
            found |= wanted & value.keys()
    return frozenset(found)


def describe(value: Any) -> str:
    """Describe a JSON value in a few words, for a message."""
    match value:
        case None | bool():
            words = "null" if value is None else str(value).lower()
        case int() | float():
            words = f"the number {_cut(str(value))}"
        case str():
            words = f"the string {shorten(value)}"
        case list():
            words = f"a list of {len(value)}"
        case dict():
            words = f"an object with {_key_list(value)}"
        case _:  # parquet has more types than JSON, such as dates
            words = f"a value of type {type(value).__name__}"
    return words


def _field_path(location: Iterable[str | int]) -> str:
    """A pydantic location as a path: `answers[0].start`."""
    name = ""
    for part in location:
        name += f"[{part}]" if isinstance(part, int) else f".{part}"
    return name.removeprefix(".") or "value"


def _explain(details: ErrorDetails) -> tuple[str, str]:
    field = _field_path(details["loc"])
    kind, found = details["type"], details["input"]
    if kind == "missing":
        return field, _missing(str(details["loc"][-1]), found)
    if kind in _EXPECTED:
        return field, f"found {describe(found)}; expected {_EXPECTED[kind]}"
    return field, details["msg"]


def _missing(key: str, value: Mapping[str, Any]) -> str:
    close = difflib.get_close_matches(key, value, n=1)
    hint = f"; is {close[0]!r} a misspelling of it?" if close else ""
    return f"is missing; the object has {_key_list(value)}{hint}"


def _key_list(value: Mapping[str, Any]) -> str:
    if not value:
        return "no keys"
    names = [_cut(repr(key)) for key in list(value)[:_SHOWN_KEYS]]
    return ", ".join(names) + (", ..." if len(value) > _SHOWN_KEYS else "")


def _cut(text: str) -> str:
    return text if len(text) <= 40 else text[:40] + "…"
