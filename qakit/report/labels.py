"""The error report of intents and slots: scores, confusions and every wrong record on one page without a script."""

from base64 import b64encode
from collections.abc import Sequence
from dataclasses import dataclass
from hashlib import sha256
from importlib.resources import files

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup

from qakit.metrics.confusion import Confusion
from qakit.report.html import seen


@dataclass(frozen=True)
class WrongWord:
    """A word of a sentence, its right tag and what was predicted in its place, `None` where it is right."""

    text: str
    gold: str
    predicted: str | None


@dataclass(frozen=True)
class WrongRecord:
    """A record that is not right, as a whole or word by word."""

    id: str
    text: str
    gold: str
    predicted: str
    probability: float | None = None
    words: tuple[WrongWord, ...] = ()


@dataclass(frozen=True)
class LabelPage:
    """What the page shows; texts are of any origin.

    Attributes:
        facts: names and values for the head.
        scores: names and percents.
        picture: an SVG, or nothing.
    """

    title: str
    facts: Sequence[tuple[str, str]]
    scores: Sequence[tuple[str, float]]
    note: str
    picture: str
    confusions: Sequence[Confusion]
    records: Sequence[WrongRecord]


def render_labels(page: LabelPage) -> str:
    """The page as HTML, to be written as UTF-8; all texts are escaped, and nothing in it runs or loads."""
    environment = Environment(
        loader=PackageLoader("qakit.report", "template"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters["seen"] = seen
    style = (files("qakit.report") / "template" / "page.css").read_text(encoding="utf-8")
    allowed = b64encode(sha256(style.encode("utf-8")).digest()).decode("ascii")
    return environment.get_template("labels.html.j2").render(
        page=page,
        style=Markup(style),  # noqa: S704 -- our own
        policy=f"default-src 'none'; style-src 'sha256-{allowed}'; img-src data:; base-uri 'none'; form-action 'none'",
        picture=page.picture and f"data:image/svg+xml;base64,{b64encode(page.picture.encode('utf-8')).decode('ascii')}",
    )
