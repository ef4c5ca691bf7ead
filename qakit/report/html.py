"""The error report as one HTML file that needs nothing but a browser, and lets nothing in it run but its own script.

Three things keep hostile text inert: it gets into the markup through autoescape alone; the questions stand in a JSON
block that no text can end (`<`, `>` and `&` are escaped), of which the script makes text nodes only; and the content
security policy allows no request, and no style or script but the two whose hashes it names. The learning curves are an
image, in which a browser runs nothing and loads nothing.
"""

import json
import re
from base64 import b64encode
from collections.abc import Callable, Mapping
from dataclasses import fields, is_dataclass
from functools import partial
from hashlib import sha256
from importlib.resources import files
from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup

from qakit.metrics.verdicts import VERDICTS
from qakit.report.page import Candidate, Context, Other, Page, Question, Ranked

_SCRIPTS = ("text.js", "state.js", "detail.js", "table.js", "main.js")
_PACKED = {
    "context": Context,
    "candidate": Candidate,
    "ranked": Ranked,
    "other": Other,
    "question": Question,
}
_UNSAFE_IN_JSON = re.compile("[<>&\u2028\u2029\ud800-\udfff]")
# What shows nothing though it counts as printable: fillers, variation selectors, the braille blank.
_UNSEEN = re.compile(
    "[\u034f\u115f\u1160\u17b4\u17b5\u180b-\u180f\u2800\u3164\ufe00-\ufe0f\uffa0\U000e0100-\U000e01ef]"
)
_IDEOGRAPHIC_SPACE = "\u3000"


def render(page: Page) -> str:
    """The report as HTML, to be written as UTF-8. The same page gives the same text."""
    environment = Environment(
        loader=PackageLoader("qakit.report", "template"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters |= {"seen": seen, "plain": partial(seen, mark=_plainly), "score": _score}
    script, style = "".join(map(_template_text, _SCRIPTS)), _template_text("page.css")
    return environment.get_template("page.html.j2").render(
        page=page,
        verdicts=VERDICTS,
        data=Markup(json_block(page_data(page))),  # noqa: S704 -- nothing in it can end the block
        script=Markup(script),  # noqa: S704 -- our own
        style=Markup(style),  # noqa: S704 -- our own
        policy=_policy(script, style),
        curves=page.curves and f"data:image/svg+xml;base64,{b64encode(page.curves.encode('utf-8')).decode('ascii')}",
    )


def page_data(page: Page) -> dict[str, Any]:
    """What the table is made of, as JSON: each question, context, ... is a list in the order of `fields`."""
    return {
        "fields": {name: [field.name for field in fields(kind)] for name, kind in _PACKED.items()},
        "verdicts": list(page.counts),
        "slices": [{"name": group.name, "rows": [row.label for row in group.rows]} for group in page.slices],
        "others": [comparison.other for comparison in page.comparisons],
        "contexts": _packed(page.contexts),
        "questions": _packed(page.questions),
    }


def json_block(value: Any) -> str:
    """JSON that can stand in a script element, and in a UTF-8 file, whatever the texts in it; equal when parsed.

    Raises:
        ValueError: a number that is not finite.
    """
    text = json.dumps(value, ensure_ascii=False, allow_nan=False, separators=(",", ":"))
    return _UNSAFE_IN_JSON.sub(lambda match: f"\\u{ord(match[0]):04x}", text)


def seen(text: object, *, mark: Callable[[str], str] | None = None) -> Markup:
    """`text` escaped, with a mark in the place of each character that does not show: `U+202E` in a box."""
    marked = mark or _boxed
    return Markup("").join(marked(character) if _is_unseen(character) else character for character in str(text))


def _boxed(character: str) -> Markup:
    return Markup('<span class="unseen">U+{}</span>').format(f"{ord(character):04X}")


def _plainly(character: str) -> str:
    """The mark where no markup can stand, such as in an attribute."""
    return f"[U+{ord(character):04X}]"


def _is_unseen(character: str) -> bool:
    return _UNSEEN.match(character) is not None or not (character.isprintable() or character == _IDEOGRAPHIC_SPACE)


def _packed(value: Any) -> Any:
    """Tuples and dataclasses as lists, all the way down: what JSON gives back."""
    if isinstance(value, tuple):
        return [_packed(item) for item in value]
    return [_packed(getattr(value, field.name)) for field in fields(value)] if is_dataclass(value) else value


def _score(value: float) -> str:
    """`44.14`; a minus sign, and no `-0.00`."""
    return f"{value:.2f}".replace("-0.00", "0.00").replace("-", "−")


def _template_text(name: str) -> str:
    return (files("qakit.report") / "template" / name).read_text(encoding="utf-8")


def _policy(script: str, style: str) -> str:
    def source(text: str) -> str:
        return f"'sha256-{b64encode(sha256(text.encode('utf-8')).digest()).decode('ascii')}'"

    rules: Mapping[str, str] = {
        "default-src": "'none'",
        "script-src": source(script),
        "style-src": source(style),
        "img-src": "data:",
        "base-uri": "'none'",
        "form-action": "'none'",
    }
    return "; ".join(f"{name} {value}" for name, value in rules.items())
