"""Lint of ids and answers, against the questions that they belong to."""

import re
import unicodedata
from collections import Counter
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from itertools import combinations

from qakit.data.brackets import unpaired
from qakit.data.lint.findings import Finding
from qakit.data.records import shorten

DEFAULT_LONGEST = 30
"""Characters of the longest answer if no right answer is known; 10 of DRCD's 7,048 answers are longer."""


@dataclass(frozen=True, slots=True)
class Rules:
    """Rules that answers are checked against.

    Attributes:
        longest: characters of the longest answer, inclusive.
        without_commas: the contest deletes ASCII commas, from answers and from the text that they are cut from.
        may_be_empty: an empty answer says that the question has none.
    """

    longest: int = DEFAULT_LONGEST
    without_commas: bool = False
    may_be_empty: bool = False


@dataclass(frozen=True, slots=True)
class Entry:
    """One prediction of a file: its place, its id, and its answer; None if the answer is not text."""

    place: str
    id: str
    answer: str | None


@dataclass(frozen=True, slots=True)
class LintQuestion:
    """A question for lint: the texts that its answer may be in, and the right answers that are known."""

    paragraphs: tuple[str, ...] = ()
    golds: tuple[str, ...] = ()


def id_findings(entries: Sequence[Entry], ids: Collection[str]) -> Iterator[Finding]:
    """Find missing, unknown and duplicate ids, another number of rows, and another order.

    Args:
        ids: those of the data, in its order; membership should be fast (a dict or set).
    """
    first: dict[str, Entry] = {}
    for entry in entries:
        if entry.id in first:
            earlier = first[entry.id]
            answer = "the same answer" if entry.answer == earlier.answer else "another answer"
            message = f"{shorten(entry.id)} occurs at {earlier.place} too, with {answer}"
            yield Finding("duplicate ids", message, entry.place, entry.id)
        first.setdefault(entry.id, entry)
        if entry.id not in ids:
            yield Finding("unknown ids", _unknown_id(entry.id, ids), entry.place, entry.id)
    yield from (Finding("missing ids", shorten(id_), id=id_) for id_ in ids if id_ not in first)
    if len(entries) != len(ids):
        yield Finding("rows", f"found {len(entries)} for {len(ids)} questions")
    known = [id_ for id_ in first if id_ in ids]
    for found, expected in zip(known, (id_ for id_ in ids if id_ in first), strict=True):
        if found != expected:
            message = f"found {shorten(found)} where the data has {shorten(expected)}"
            yield Finding("order", message, first[found].place, found)
            break


def _unknown_id(id_: str, ids: Collection[str]) -> str:
    # Spreadsheets and pandas write an id 7 as 7.0 or with white space or quotes around it.
    near = next((text for text in (id_.strip(" \t\r'\""), id_.removesuffix(".0")) if text in ids), None)
    return f"{shorten(id_)} is not in the data" + (f", but {shorten(near)} is" if near is not None else "")


def answer_findings(entries: Sequence[Entry], questions: Mapping[str, LintQuestion], rules: Rules) -> Iterator[Finding]:
    """Find the faults of answers; those to unknown questions are checked without paragraphs."""
    unknown = LintQuestion()
    for entry in entries:
        if entry.answer is not None:
            question = questions.get(entry.id, unknown)
            for kind, message in answer_faults(entry.answer, rules, question.paragraphs, question.golds):
                yield Finding(kind, message, entry.place, entry.id)


def answer_faults(
    answer: str, rules: Rules, paragraphs: Sequence[str] = (), golds: Collection[str] = ()
) -> Iterator[tuple[str, str]]:
    """Find the faults of one answer, as (kind, message) pairs.

    Args:
        paragraphs: the texts that it may be cut from; empty if they are not known.
        golds: right answers; an answer that equals one has no faults.
    """
    if answer in (_drop_commas(golds) if rules.without_commas else golds):
        return
    text = answer.strip()
    if not text:
        if answer or not rules.may_be_empty:
            yield "empty", f"found {shorten(answer)}"
        return
    if text != answer:
        yield "white space", f"found {shorten(answer)}"
    if rules.without_commas:
        if "," in text:
            yield "commas", f"found {shorten(text)}; expected {shorten(text.replace(',', ''))}"
        text, paragraphs = text.replace(",", "").strip(), _drop_commas(paragraphs)
    if not text:  # nothing but commas, which are a fault already
        return
    yield from _source_faults(text, paragraphs)
    yield from _surface_faults(text, rules)


def _drop_commas(texts: Collection[str]) -> list[str]:
    return [text.replace(",", "") for text in texts]


_EDGE_PUNCTUATION = "，。、；：！？…,;:!?"
_TOKENS = re.compile(r"\[(?:UNK|CLS|SEP|PAD|MASK)\]|</?s>|<(?:unk|pad|mask|cls|sep)>|##|▁|\ufffd", re.IGNORECASE)


def _surface_faults(text: str, rules: Rules) -> Iterator[tuple[str, str]]:
    """Faults that show without the paragraphs."""
    single = [text[place] for places in unpaired(text) for place in places]
    if single:
        yield "brackets", f"found {shorten(text)}, with {' and '.join(single)} unpaired"
    if len(text) > rules.longest:
        yield "too long", f"found {len(text)} characters, {shorten(text)}; expected at most {rules.longest}"
    if text[0] in _EDGE_PUNCTUATION or text[-1] in _EDGE_PUNCTUATION:
        yield "punctuation", f"found {shorten(text)}"


def _source_faults(text: str, paragraphs: Sequence[str]) -> Iterator[tuple[str, str]]:
    """Faults of a text that occurs in none of the paragraphs, and the likely reason."""
    if any(text in paragraph for paragraph in paragraphs):
        return
    token = _TOKENS.search(text)
    if token:
        yield "tokens", f"found {shorten(text)}, with {token.group()!r}"
        return
    if not paragraphs:
        return
    original = find_original(text, paragraphs)
    if original:
        piece, ways = original
        yield "altered", f"found {shorten(text)}; expected {shorten(piece)}, which differs in {' and '.join(ways)}"
    else:
        yield "not in the text", f"found {shorten(text)}"


_DIFFERENCES = ("white space", "ASCII commas", "letter case", "width")
"""Changes that `tokenizer.decode` and cleaning up after it make to a text; `width` is NFKC."""


def find_original(text: str, paragraphs: Sequence[str]) -> tuple[str, tuple[str, ...]] | None:
    """The piece of a paragraph that an altered text comes from, and the fewest differences that explain it.

    Example:
        >>> find_original("ucla", ["在 UCLA 任教"])
        ('UCLA', ('letter case',))
    """
    for count in range(1, len(_DIFFERENCES) + 1):
        for ways in combinations(_DIFFERENCES, count):
            wanted, _ = fold_differences(text, ways)
            for paragraph in paragraphs:
                folded, origins = fold_differences(paragraph, ways)
                found = folded.find(wanted) if wanted else -1
                if found >= 0:
                    return paragraph[origins[found] : origins[found + len(wanted) - 1] + 1], ways
    return None


@lru_cache(maxsize=256)
def fold_differences(text: str, ways: tuple[str, ...]) -> tuple[str, tuple[int, ...]]:
    """A text without some differences, and for each of its characters the place in `text` that it comes from."""
    characters: list[str] = []
    places: list[int] = []
    for place, character in enumerate(text):
        new = unicodedata.normalize("NFKC", character) if "width" in ways else character
        new = new.lower() if "letter case" in ways else new
        if "white space" in ways:
            new = "".join(new.split())
        if "ASCII commas" in ways:
            new = new.replace(",", "")
        characters.append(new)
        places += [place] * len(new)  # one character may become several (㈱ is (株)) or none
    return "".join(characters), tuple(places)


def count_faults(answers: Collection[str]) -> Counter[str]:
    """Count new answers with each kind of fault. Each is cut from its text, and being empty is no fault here."""
    rules = Rules(may_be_empty=True)
    return Counter(kind for answer in answers for kind, _ in answer_faults(answer, rules, (answer,)))


def fault_note(faults: Counter[str]) -> str | None:
    """A sentence on answers that look wrong, by the number of each kind; None without any."""
    words = {
        "brackets": "with half a pair of brackets or quotation marks",
        "too long": f"longer than {DEFAULT_LONGEST} characters",
        "punctuation": "with a comma or full stop at the edge",
    }
    told = [f"{faults[kind]} {text}" for kind, text in words.items() if faults[kind]]
    return f"answers that may be wrong: {', '.join(told)}; see qakit evaluate --lint" if told else None
