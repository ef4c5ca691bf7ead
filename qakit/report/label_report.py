"""The error report of labels: scores, confusions and every wrong record on one page without a script."""

from collections.abc import Sequence
from dataclasses import dataclass

from markupsafe import Markup

from qakit.metrics.classes import Confusion
from qakit.report.safe_html import image_address, security_policy, template, template_text


@dataclass(frozen=True)
class WrongWord:
    """A word of a sentence with its right tag, and the predicted one; `None` where that is right."""

    text: str
    gold: str
    predicted: str | None


@dataclass(frozen=True)
class WrongRecord:
    """A record with a wrong prediction; slot records list their words."""

    id: str
    text: str
    gold: str
    predicted: str
    probability: float | None = None
    words: tuple[WrongWord, ...] = ()


@dataclass(frozen=True)
class LabelPage:
    """The content of the page; texts may come from anywhere.

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
    style = template_text("page.css")
    return template("labels.html.j2").render(
        page=page,
        style=Markup(style),  # noqa: S704 -- our own
        policy=security_policy(style=style),
        picture=image_address(page.picture),
    )
