"""The error reports of evaluations, of questions and of labels, each one HTML file that loads nothing.

`Page` holds the results of questions as the metrics know them. `render` puts its figures into the template, and the
questions as a block of JSON beside the script that shows them. `LabelPage` is a page of labels, without a script.

Scores are percent, probabilities shares in [0, 1], offsets half-open and in characters (code points) of a paragraph.
Texts may hold anything: the page shows it and runs none of it. They are escaped, invisible characters are marked, and a
content security policy blocks the rest.
"""

import json
import re
from base64 import b64encode
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property, partial
from hashlib import sha256
from importlib.resources import files
from itertools import zip_longest
from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined, Template
from markupsafe import Markup

from qakit.data.predictions import PredictedAnswer
from qakit.metrics.analysis import Slice
from qakit.metrics.calibration import Bin
from qakit.metrics.classes import Confusion
from qakit.metrics.comparison import Comparison, shown_name
from qakit.metrics.intervals import Interval
from qakit.metrics.questions import QuestionResult
from qakit.metrics.verdicts import VERDICTS

_RIGHT = 100.0
_DIGITS = 6  # of probabilities, behind the point
_SCRIPTS = ("text.js", "state.js", "detail.js", "table.js", "main.js")
_UNSAFE_IN_JSON = re.compile("[<>&\u2028\u2029\ud800-\udfff]")
# Characters that show nothing though Unicode calls them printable: fillers, variation selectors, the braille blank.
_INVISIBLE = re.compile(
    "[\u034f\u115f\u1160\u17b4\u17b5\u180b-\u180f\u2800\u3164\ufe00-\ufe0f\uffa0\U000e0100-\U000e01ef]"
)
_IDEOGRAPHIC_SPACE = "\u3000"


@dataclass(frozen=True, slots=True)
class Fact:
    """A line of the header: `Model` and `runs/qa`."""

    name: str
    value: str


@dataclass(frozen=True, slots=True)
class Card:
    """A number shown large, with its interval where that is known.

    The interval is drawn on a scale from 0 to 100 where `unit` is `%`.
    """

    name: str
    mean: float
    interval: Interval | None = None
    note: str = ""
    unit: str = "%"


@dataclass(frozen=True)
class Page:
    """A whole report.

    Attributes:
        facts: what was evaluated, and when.
        overall: EM of all questions, drawn as a line across the slices.
        slices: the slices of each dimension, one after the other.
        curves: the learning curves as an SVG document.
        comparisons: with other systems; each knows the other's score of every question.
        notes: sentences on how the numbers came about.
    """

    title: str
    questions: tuple[QuestionResult, ...]
    facts: tuple[Fact, ...] = ()
    cards: tuple[Card, ...] = ()
    overall: Interval | None = None
    slices: tuple[Slice, ...] = ()
    curves: str | None = None
    reliability: tuple[Bin, ...] = ()
    comparisons: tuple[Comparison, ...] = ()
    notes: tuple[str, ...] = ()

    @property
    def counts(self) -> dict[str, int]:
        """Number of questions with each verdict that occurs, in the order of `VERDICTS`."""
        verdicts = [question.verdict for question in self.questions]
        return {verdict: verdicts.count(verdict) for verdict in VERDICTS if verdict in verdicts}

    @cached_property
    def dimensions(self) -> dict[str, list[Slice]]:
        """The slices by dimension; a dimension with a single slice divides nothing and is left out."""
        groups: dict[str, list[Slice]] = {}
        for one in self.slices:
            groups.setdefault(one.dimension, []).append(one)
        return {name: rows for name, rows in groups.items() if len(rows) > 1}

    def shared(self, comparison: Comparison) -> dict[str, int]:
        """Number of questions that are right here only, there only, in both and in neither."""
        pairs = [(one.em >= _RIGHT, _other_em(one, comparison) >= _RIGHT) for one in self.questions]
        kinds = {"this": (True, False), "other": (False, True), "both": (True, True), "neither": (False, False)}
        return {name: pairs.count(pair) for name, pair in kinds.items()}


def render(page: Page) -> str:
    """The report as HTML, to be written as UTF-8. The same page gives the same text."""
    script, style = "".join(map(template_text, _SCRIPTS)), template_text("page.css")
    return template("page.html.j2", score=_score, score_name=shown_name, words=in_words).render(
        page=page,
        verdicts=VERDICTS,
        data=Markup(json_block(page_data(page))),  # noqa: S704 -- nothing in it can end the block
        script=Markup(script),  # noqa: S704 -- our own
        style=Markup(style),  # noqa: S704 -- our own
        policy=security_policy(style=style, script=script),
        curves=image_address(page.curves),
    )


def in_words(name: str) -> str:
    """`Answer length` for `answer_length`, `End to end` for `end-to-end`."""
    return name.replace("_", " ").replace("-", " ").capitalize()


def _score(value: float) -> str:
    """`44.14`; a minus sign, and no `-0.00`."""
    return f"{value:.2f}".replace("-0.00", "0.00").replace("-", "−")


_FIELDS: Mapping[str, Sequence[str]] = {
    "context": ("text", "title"),
    "candidate": ("context", "probability", "id"),
    "ranked": ("start", "end", "probability", "text"),
    "other": ("prediction", "em"),
    "question": (
        *("id", "question", "references", "prediction", "verdict", "em", "f1", "confidence", "slices", "candidates"),
        *("read", "relevant", "gold_spans", "span", "ranked", "windows", "others"),
    ),
}
"""What the script reads, by kind. Objects are packed as lists in this order: names would double the file."""


def page_data(page: Page) -> dict[str, Any]:
    """The table of questions as JSON.

    Paragraphs stand once, in `contexts`, however many questions are on them; candidates refer to them by index, and
    questions to their slices by the number of the row.
    """
    paragraphs = (paragraph for question in page.questions for paragraph in question.paragraphs)
    contexts = {key: number for number, key in enumerate(dict.fromkeys((one.text, one.title) for one in paragraphs))}
    rows = {name: {row.label: n for n, row in enumerate(group)} for name, group in page.dimensions.items()}
    return {
        "fields": {kind: list(names) for kind, names in _FIELDS.items()},
        "verdicts": list(page.counts),
        "slices": [{"name": in_words(name), "rows": list(labels)} for name, labels in rows.items()],
        "others": [comparison.name for comparison in page.comparisons],
        "contexts": [_packed("context", {"text": text, "title": title}) for text, title in contexts],
        "questions": [_question(one, contexts, rows, page.comparisons) for one in page.questions],
    }


def _packed(kind: str, values: Mapping[str, Any]) -> list[Any]:
    return [values[name] for name in _FIELDS[kind]]


def _question(
    question: QuestionResult,
    contexts: Mapping[tuple[str, str], int],
    rows: Mapping[str, Mapping[str, int]],
    comparisons: Iterable[Comparison],
) -> list[Any]:
    reading = question.reading
    values = {
        "id": question.id,
        "question": question.question or "",
        "references": list(question.references),
        "prediction": question.prediction,
        "verdict": question.verdict,
        "em": question.em,
        "f1": question.f1,
        "confidence": _rounded(question.probability),
        "slices": [labels.get(question.slices.get(name, "")) for name, labels in rows.items()],
        "candidates": _candidates(question, contexts),
        "read": question.read,
        "relevant": question.relevant,
        "gold_spans": [list(span) for span in question.gold_spans],
        "span": list(question.span) if question.span else None,
        "ranked": [_ranked(answer, reading.context) for answer in reading.answers] if reading else [],
        "windows": [list(window) for window in reading.windows] if reading else [],
        "others": [_other(question, comparison) for comparison in comparisons],
    }
    return _packed("question", values)


def _candidates(question: QuestionResult, contexts: Mapping[tuple[str, str], int]) -> list[list[Any]]:
    """The paragraphs of a question; ids and probabilities tell several of them apart."""
    paragraphs = question.paragraphs
    are_several = len(paragraphs) > 1
    selection = question.reading.selection if question.reading and are_several else ()
    if len(selection) != len(paragraphs):
        selection = ()
    return [
        _packed(
            "candidate",
            {
                "context": contexts[paragraph.text, paragraph.title],
                "probability": _rounded(probability),
                "id": paragraph.id if are_several else "",
            },
        )
        for paragraph, probability in zip_longest(paragraphs, selection)
    ]


def _ranked(answer: PredictedAnswer, context: str) -> list[Any]:
    """An answer of the n-best list; its text only where it is not that of its span, as of "no answer"."""
    text = None if answer.text == context[answer.start : answer.end] else answer.text
    place = {"start": answer.start, "end": answer.end}
    return _packed("ranked", {**place, "probability": _rounded(answer.probability), "text": text})


def _other(question: QuestionResult, comparison: Comparison) -> list[Any]:
    prediction = comparison.predictions.get(question.id)
    return _packed("other", {"prediction": prediction, "em": _other_em(question, comparison)})


def _other_em(question: QuestionResult, comparison: Comparison) -> float:
    return 100.0 * comparison.per_question[question.id].em


def _rounded(probability: float | None) -> float | None:
    return None if probability is None else round(probability, _DIGITS)


def json_block(value: Any) -> str:
    """JSON that can stand in a script element, and in a UTF-8 file, whatever the texts in it; equal when parsed.

    Raises:
        ValueError: a number that is not finite.
    """
    text = json.dumps(value, ensure_ascii=False, allow_nan=False, separators=(",", ":"))
    return _UNSAFE_IN_JSON.sub(lambda match: f"\\u{ord(match[0]):04x}", text)


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


def template(name: str, **filters: Callable[[Any], Any]) -> Template:
    """A template with autoescaping and the filters `seen`, `plain` and `filters`."""
    environment = Environment(
        loader=PackageLoader("qakit.report", "template"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters |= {"seen": escape, "plain": partial(escape, mark=_bracketed), **filters}
    return environment.get_template(name)


def template_text(name: str) -> str:
    """The text of a file beside the templates."""
    return (files("qakit.report") / "template" / name).read_text(encoding="utf-8")


def security_policy(*, style: str, script: str | None = None) -> str:
    """The content security policy that allows this style and this script, and nothing else."""
    rules = {"default-src": "'none'"} | ({} if script is None else {"script-src": _hash(script)})
    rules |= {"style-src": _hash(style), "img-src": "data:", "base-uri": "'none'", "form-action": "'none'"}
    return "; ".join(f"{name} {value}" for name, value in rules.items())


def _hash(text: str) -> str:
    return f"'sha256-{b64encode(sha256(text.encode('utf-8')).digest()).decode('ascii')}'"


def image_address(svg: str | None) -> str:
    """An SVG as a `data:` address for `<img>`, where a browser runs no script and loads nothing; empty for None."""
    return "" if not svg else f"data:image/svg+xml;base64,{b64encode(svg.encode('utf-8')).decode('ascii')}"


def escape(text: object, *, mark: Callable[[str], str] | None = None) -> Markup:
    """Escape a text; each invisible character becomes a mark, such as `U+202E` in a box."""
    marked = mark or _boxed
    return Markup("").join(marked(character) if _is_invisible(character) else character for character in str(text))


def _boxed(character: str) -> Markup:
    return Markup('<span class="unseen">U+{}</span>').format(f"{ord(character):04X}")


def _bracketed(character: str) -> str:
    """The mark for places without markup, such as attributes."""
    return f"[U+{ord(character):04X}]"


def _is_invisible(character: str) -> bool:
    return _INVISIBLE.match(character) is not None or not (character.isprintable() or character == _IDEOGRAPHIC_SPACE)
