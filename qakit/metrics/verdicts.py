"""Verdicts: the one cause why a question is right or lost."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from types import MappingProxyType

from qakit.metrics.places import Span, overlap

RIGHT = "right"
VERDICTS: Mapping[str, str] = MappingProxyType(
    {
        RIGHT: "counts as an exact match",
        "missing": "there is no prediction",
        "answered": "the question has no answer, and got one",
        "selection": "another paragraph was read than the one with the answer",
        "empty": "no answer was given, and there is one",
        "unreachable": "no span of a window is a right answer",
        "boundary": "the prediction overlaps a right answer, or one text holds the other",
        "wrong span": "the prediction is elsewhere",
    }
)
"""Verdicts with their meaning; where several hold, the first counts."""


@dataclass(frozen=True, slots=True)
class Evidence:
    """The facts that decide a verdict; attributes as in `QuestionResult`."""

    prediction: str | None
    references: tuple[str, ...]
    is_right: bool
    relevant: int | None
    read: int | None
    gold_spans: tuple[Span, ...]
    span: Span | None
    reachable: bool | None


def verdict_of(evidence: Evidence) -> str:
    """The first of `VERDICTS` that holds."""
    read, relevant = evidence.read, evidence.relevant
    holds = {
        RIGHT: evidence.is_right,
        "missing": evidence.prediction is None,
        "answered": not any(evidence.references),
        "selection": read is not None and relevant is not None and read != relevant,
        "empty": not evidence.prediction,
        "unreachable": _is_unreachable(evidence),
        "boundary": _is_near(evidence, evidence.prediction or ""),
    }
    return next((name for name in VERDICTS if holds.get(name)), "wrong span")


def _is_unreachable(evidence: Evidence) -> bool:
    """Whether no window holds a right answer, or the text has none."""
    return evidence.reachable is False or (evidence.relevant is not None and not evidence.gold_spans)


def _is_near(evidence: Evidence, prediction: str) -> bool:
    span = evidence.span
    if span and any(overlap(span, gold) > 0 for gold in evidence.gold_spans):
        return True
    return any(text in prediction or prediction in text for text in evidence.references if text)


def losses(verdicts: Iterable[str]) -> dict[str, float]:
    """The share of questions lost to each cause that occurs, in percent; with EM they add up to 100."""
    given = list(verdicts)
    counts = {name: given.count(name) for name in VERDICTS if name != RIGHT}
    return {name: 100.0 * count / len(given) for name, count in counts.items() if count}
