"""What an error report shows, said in plain values; `qakit.report.html` makes the page of it.

Scores are percent, probabilities shares in [0, 1], offsets half-open and in characters (code points) of a context.
All numbers are finite. Texts may hold anything: the page shows it and runs none of it.
"""

from dataclasses import dataclass
from types import MappingProxyType

VERDICTS = MappingProxyType(
    {
        "right": "exact match with a reference",
        "boundary": "the place is right, the edges are not",
        "wrong span": "the right paragraph was read, the answer stands elsewhere in it",
        "selection": "another paragraph than the relevant one was read",
        "unreachable": "no span that the model may give is a reference",
        "empty": "no answer was given where there is one",
        "answered": "an answer was given where there is none",
        "missing": "the predictions lack the question",
    }
)
"""What a question can come to, in the order in which the page lists it, and what each means."""


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
class Bin:
    """Answers whose probability lies in (low, high]: how many, its mean, and the share of them that are right."""

    low: float
    high: float
    count: int
    probability: float
    right: float


@dataclass(frozen=True, slots=True)
class Difference:
    """How far a score is above (or, negative, below) that of the other system, in points; `p` where it was tested."""

    name: str
    estimate: Estimate
    p: float | None = None


@dataclass(frozen=True, slots=True)
class Comparison:
    """This system against `other` on the same questions, and how many each alone has right."""

    other: str
    differences: tuple[Difference, ...]
    only_this: int
    only_other: int
    both: int
    neither: int


@dataclass(frozen=True, slots=True)
class Context:
    """A paragraph; each stands once in the page, however many questions are on it."""

    text: str
    title: str = ""


@dataclass(frozen=True, slots=True)
class Candidate:
    """A paragraph of a question: its index in `Page.contexts`, and the selector's probability where there is one."""

    context: int
    probability: float | None = None


@dataclass(frozen=True, slots=True)
class Gold:
    """A reference, and where it starts in the relevant paragraph; None for one that is no span of it."""

    text: str
    start: int | None = None


@dataclass(frozen=True, slots=True)
class Ranked:
    """An answer of the n-best list: a span of the question's candidate of that position, or `text` where given."""

    candidate: int
    start: int
    end: int
    probability: float | None = None
    text: str | None = None


@dataclass(frozen=True, slots=True)
class Window:
    """Characters of a candidate that the model read at once."""

    candidate: int
    start: int
    end: int


@dataclass(frozen=True, slots=True)
class Question:
    """A question and what came of it.

    Attributes:
        golds: the references; none for a question without an answer.
        prediction: None where it is missing, an empty text where "no answer" was predicted.
        verdict: a name in `VERDICTS`.
        confidence: probability of the prediction, where known.
        slices: for each of `Page.slices` the number of the row that the question belongs to, None for no row.
        candidates: its paragraphs, none where they are not known.
        chosen, relevant: positions in `candidates` of the paragraph that was read and of that with the answer.
        start, end: place of the prediction in the chosen paragraph, where known.
        ranked: the n-best list, best first.
        windows: what was read at once.
        other: the prediction of the other system of `Page.comparison`, and `other_em` its EM.
    """

    id: str
    question: str
    golds: tuple[Gold, ...]
    prediction: str | None
    verdict: str
    em: float
    f1: float
    confidence: float | None = None
    slices: tuple[int | None, ...] = ()
    candidates: tuple[Candidate, ...] = ()
    chosen: int | None = None
    relevant: int | None = None
    start: int | None = None
    end: int | None = None
    ranked: tuple[Ranked, ...] = ()
    windows: tuple[Window, ...] = ()
    other: str | None = None
    other_em: float | None = None


@dataclass(frozen=True, slots=True)
class Page:
    """A whole report.

    Attributes:
        facts: what was evaluated, and when.
        overall: EM of all questions, which the slices are seen against.
        curves: the learning curves as an SVG document.
        reliability: bins of ascending probability.
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
    comparison: Comparison | None = None
    notes: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        for question in self.questions:
            for name, is_known in self._references(question):
                if not is_known:
                    raise ValueError(f"question {question.id!r}: {name} refers to nothing on the page")

    def _references(self, question: Question) -> list[tuple[str, bool]]:
        positions = range(len(question.candidates))
        rows = zip(question.slices, self.slices, strict=False)
        places = [question.chosen, question.relevant, *(one.candidate for one in question.ranked)]
        places += [one.candidate for one in question.windows]
        return [
            ("verdict", question.verdict in VERDICTS),
            ("slices", len(question.slices) == len(self.slices)),
            ("slices", all(row is None or 0 <= row < len(group.rows) for row, group in rows)),
            ("candidates", all(0 <= one.context < len(self.contexts) for one in question.candidates)),
            ("chosen, relevant, ranked or windows", all(place is None or place in positions for place in places)),
        ]

    @property
    def counts(self) -> dict[str, int]:
        """How many questions came to each verdict, in the order of `VERDICTS`, those that none came to left out."""
        verdicts = [question.verdict for question in self.questions]
        return {verdict: verdicts.count(verdict) for verdict in VERDICTS if verdict in verdicts}
