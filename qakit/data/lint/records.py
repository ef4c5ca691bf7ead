"""What is wrong with predictions as answers to the questions of a data set."""

from collections import Counter
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass

from qakit.data.lint.findings import Finding
from qakit.data.lint.texts import Rules, answer_faults
from qakit.data.records import shorten


@dataclass(frozen=True, slots=True)
class Entry:
    """One prediction as its file has it: where it stands, its id, and its answer, None for one that is no text."""

    place: str
    id: str
    answer: str | None


@dataclass(frozen=True, slots=True)
class Asked:
    """A question as lint needs it: the texts that its answer may be in, and the right answers that are known."""

    paragraphs: tuple[str, ...] = ()
    golds: tuple[str, ...] = ()


def id_findings(entries: Sequence[Entry], ids: Collection[str]) -> Iterator[Finding]:
    """Ids that are missing, unknown or there more than once, and whether the order is another.

    Args:
        ids: those of the data, in its order; something in which they are found fast.
    """
    first: dict[str, Entry] = {}
    for entry in entries:
        if entry.id in first:
            earlier = first[entry.id]
            same = "the same answer" if entry.answer == earlier.answer else "another answer"
            yield Finding(
                "duplicate ids", f"{shorten(entry.id)} stands at {earlier.place} too, with {same}", *_at(entry)
            )
        first.setdefault(entry.id, entry)
        if entry.id not in ids:
            yield Finding("unknown ids", _unknown(entry.id, ids), *_at(entry))
    yield from (Finding("missing ids", shorten(id_), id=id_) for id_ in ids if id_ not in first)
    if len(entries) != len(ids):
        yield Finding("rows", f"found {len(entries)} for {len(ids)} questions")
    known = [id_ for id_ in first if id_ in ids]
    for found, expected in zip(known, (id_ for id_ in ids if id_ in first), strict=True):
        if found != expected:
            yield Finding("order", f"found {shorten(found)} where the data has {shorten(expected)}", *_at(first[found]))
            break


def _unknown(id_: str, ids: Collection[str]) -> str:
    near = next((text for text in (id_.strip(" \t\r'\""), id_.removesuffix(".0")) if text in ids), None)
    return f"{shorten(id_)} is none of the data's" + (f"; it has {shorten(near)}" if near is not None else "")


def _at(entry: Entry) -> tuple[str, str]:
    return entry.place, entry.id


def answer_findings(entries: Sequence[Entry], asked: Mapping[str, Asked], rules: Rules) -> Iterator[Finding]:
    """What is wrong with the answers; those to unknown questions are looked at as far as that goes."""
    unknown = Asked()
    for entry in entries:
        if entry.answer is not None:
            question = asked.get(entry.id, unknown)
            for kind, message in answer_faults(entry.answer, rules, question.paragraphs, question.golds):
                yield Finding(kind, message, *_at(entry))


def count_faults(answers: Collection[str], rules: Rules) -> Counter[str]:
    """How many of some answers, each cut from its text, have a fault, by kind."""
    return Counter(kind for answer in answers for kind, _ in answer_faults(answer, rules, (answer,)))
