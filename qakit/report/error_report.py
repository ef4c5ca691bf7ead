"""What an error report shows, said in plain values; `qakit.report.error_report` makes the page of it.

Scores are percent, probabilities shares in [0, 1], offsets half-open and in characters (code points) of a context.
All numbers are finite. Texts may hold anything: the page shows it and runs none of it.
"""

import json
import re
from dataclasses import dataclass, fields, is_dataclass
from typing import Any

from markupsafe import Markup

from qakit.metrics.calibration import Bin
from qakit.metrics.places import Span
from qakit.metrics.verdicts import VERDICTS
from qakit.report.safe_html import picture, policy, template, template_text

_RIGHT = 100.0


@dataclass(frozen=True, slots=True)
class Estimate:
    """A mean and, where known, the ends of its 95 % interval."""

    mean: float
    low: float | None = None
    high: float | None = None


@dataclass(frozen=True, slots=True)
class Fact:
    """A line of the header: `Model` and `runs/qa`."""

    name: str
    value: str


@dataclass(frozen=True, slots=True)
class Card:
    """A number shown large. The interval is drawn on a scale from 0 to 100 where `unit` is `%`."""

    name: str
    estimate: Estimate
    note: str = ""
    unit: str = "%"


@dataclass(frozen=True, slots=True)
class SliceRow:
    """The questions of one slice; `em` and `f1` in percent."""

    label: str
    count: int
    em: Estimate
    f1: float


@dataclass(frozen=True, slots=True)
class SliceGroup:
    """One way to divide the questions, such as by the length of the answer."""

    name: str
    rows: tuple[SliceRow, ...]


@dataclass(frozen=True, slots=True)
class Difference:
    """How far a score is above (or, negative, below) that of the other system, in points; `p` where it was tested."""

    name: str
    estimate: Estimate
    p: float | None = None


@dataclass(frozen=True, slots=True)
class Comparison:
    """This system against `other` on the same questions; `meaning` says in a sentence what came out."""

    other: str
    differences: tuple[Difference, ...]
    meaning: str = ""


@dataclass(frozen=True, slots=True)
class Other:
    """What another system answered, None where it has no answer, and its EM."""

    prediction: str | None
    em: float


@dataclass(frozen=True, slots=True)
class Context:
    """A paragraph; each stands once in the page, however many questions are on it."""

    text: str
    title: str = ""


@dataclass(frozen=True, slots=True)
class Candidate:
    """A paragraph of a question.

    Attributes:
        context: its index in `Page.contexts`.
        probability: the selector's, where there is one.
        id: what the data calls it; empty where it is the only one.
    """

    context: int
    probability: float | None = None
    id: str = ""


@dataclass(frozen=True, slots=True)
class Ranked:
    """An answer of the n-best list: a span of the paragraph that was read, or `text` where given."""

    start: int
    end: int
    probability: float | None = None
    text: str | None = None


@dataclass(frozen=True, slots=True)
class Question:
    """A question and what came of it.

    Attributes:
        question: empty where it is not known.
        references: the texts that count as right; none for a question without an answer.
        prediction: None where it is missing, an empty text where "no answer" was predicted.
        verdict: a name in `qakit.metrics.verdicts.VERDICTS`.
        confidence: probability of the prediction, where known.
        slices: for each of `Page.slices` the number of the row that the question belongs to, None for no row.
        candidates: its paragraphs, none where they are not known.
        read, relevant: positions in `candidates` of the paragraph that was read and of that with the answer.
        gold_spans: places of right answers in the relevant paragraph.
        span: place of the prediction in the paragraph that was read, where known.
        ranked: the n-best list, best first, from the paragraph that was read.
        windows: parts of that paragraph that were read at once.
        others: for each of `Page.comparisons` what the other system made of it.
    """

    id: str
    question: str
    references: tuple[str, ...]
    prediction: str | None
    verdict: str
    em: float
    f1: float
    confidence: float | None = None
    slices: tuple[int | None, ...] = ()
    candidates: tuple[Candidate, ...] = ()
    read: int | None = None
    relevant: int | None = None
    gold_spans: tuple[Span, ...] = ()
    span: Span | None = None
    ranked: tuple[Ranked, ...] = ()
    windows: tuple[Span, ...] = ()
    others: tuple[Other, ...] = ()


@dataclass(frozen=True, slots=True)
class Page:
    """A whole report.

    Attributes:
        facts: what was evaluated, and when.
        overall: EM of all questions, which the slices are seen against.
        curves: the learning curves as an SVG document.
        notes: sentences on how the numbers came about.

    Raises:
        ValueError: a question names a verdict, a slice, a context or a candidate that there is not.
    """

    title: str
    questions: tuple[Question, ...]
    contexts: tuple[Context, ...] = ()
    facts: tuple[Fact, ...] = ()
    cards: tuple[Card, ...] = ()
    overall: Estimate | None = None
    slices: tuple[SliceGroup, ...] = ()
    curves: str | None = None
    reliability: tuple[Bin, ...] = ()
    comparisons: tuple[Comparison, ...] = ()
    notes: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        for question in self.questions:
            for name, is_known in self._references(question):
                if not is_known:
                    raise ValueError(f"question {question.id!r}: {name} refers to nothing on the page")

    def _references(self, question: Question) -> list[tuple[str, bool]]:
        rows = zip(question.slices, self.slices, strict=False)
        places = [place for place in (question.read, question.relevant) if place is not None]
        return [
            ("verdict", question.verdict in VERDICTS),
            ("slices", len(question.slices) == len(self.slices)),
            ("slices", all(row is None or 0 <= row < len(group.rows) for row, group in rows)),
            ("candidates", all(0 <= one.context < len(self.contexts) for one in question.candidates)),
            ("read or relevant", all(0 <= place < len(question.candidates) for place in places)),
            ("others", len(question.others) == len(self.comparisons)),
        ]

    @property
    def counts(self) -> dict[str, int]:
        """How many questions came to each verdict, in the order of `VERDICTS`, those that none came to left out."""
        verdicts = [question.verdict for question in self.questions]
        return {verdict: verdicts.count(verdict) for verdict in VERDICTS if verdict in verdicts}

    def shared(self, number: int) -> dict[str, int]:
        """How many questions are right here only, there only, in both and in neither, by comparison."""
        pairs = [(one.em >= _RIGHT, one.others[number].em >= _RIGHT) for one in self.questions]
        kinds = {"this": (True, False), "other": (False, True), "both": (True, True), "neither": (False, False)}
        return {name: pairs.count(pair) for name, pair in kinds.items()}


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
