"""The error report as one HTML file that needs nothing but a browser, and lets nothing in it run but its own script.

Three things keep hostile text inert: it gets into the markup through autoescape alone; the questions stand in a JSON
block that no text can end (`<`, `>` and `&` are escaped), of which the script makes text nodes only; and the content
security policy allows no request, and no style or script but the two whose hashes it names. The learning curves are an
image, in which a browser runs nothing and loads nothing.
"""

import json
import re
from dataclasses import fields, is_dataclass
from typing import Any

from markupsafe import Markup

from qakit.metrics.verdicts import VERDICTS
from qakit.report.inert import picture, policy, template, template_text
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


def render(page: Page) -> str:
    """The report as HTML, to be written as UTF-8. The same page gives the same text."""
    script, style = "".join(map(template_text, _SCRIPTS)), template_text("page.css")
    return template("page.html.j2", score=_score).render(
        page=page,
        verdicts=VERDICTS,
        data=Markup(json_block(page_data(page))),  # noqa: S704 -- nothing in it can end the block
        script=Markup(script),  # noqa: S704 -- our own
        style=Markup(style),  # noqa: S704 -- our own
        policy=policy(style=style, script=script),
        curves=picture(page.curves),
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


def _packed(value: Any) -> Any:
    """Tuples and dataclasses as lists, all the way down: what JSON gives back."""
    if isinstance(value, tuple):
        return [_packed(item) for item in value]
    return [_packed(getattr(value, field.name)) for field in fields(value)] if is_dataclass(value) else value


def _score(value: float) -> str:
    """`44.14`; a minus sign, and no `-0.00`."""
    return f"{value:.2f}".replace("-0.00", "0.00").replace("-", "−")
