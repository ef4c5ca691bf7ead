"""The error report of intents and slots: scores, confusions and every wrong record on one page without a script."""

from collections.abc import Sequence
from dataclasses import dataclass

from markupsafe import Markup

from qakit.metrics.confusion import Confusion
from qakit.report.safe_html import picture, policy, template, template_text


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
    style = template_text("page.css")
    return template("labels.html.j2").render(
        page=page,
        style=Markup(style),  # noqa: S704 -- our own
        policy=policy(style=style),
        picture=picture(page.picture),
    )
