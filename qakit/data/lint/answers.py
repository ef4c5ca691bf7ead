"""What is wrong with predictions as answers to the questions of a data set."""

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
"""Characters of the longest answer where no right answer is known; 10 of DRCD's 7,048 have more."""


@dataclass(frozen=True, slots=True)
class Rules:
    """What answers are held to.

    Attributes:
        longest: characters that the longest answer may have.
        without_commas: the contest deletes ASCII commas, from the answers as from the text that they are cut from.
        may_be_empty: an empty answer says that there is none.
    """

    longest: int = DEFAULT_LONGEST
    without_commas: bool = False
    may_be_empty: bool = False


@dataclass(frozen=True, slots=True)
class Entry:
    """One prediction as its file has it: where it stands, its id, and its answer, None for one that is no text."""

    place: str
    id: str
    answer: str | None


@dataclass(frozen=True, slots=True)
class LintQuestion:
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


def answer_findings(entries: Sequence[Entry], asked: Mapping[str, LintQuestion], rules: Rules) -> Iterator[Finding]:
    """What is wrong with the answers; those to unknown questions are looked at as far as that goes."""
    unknown = LintQuestion()
    for entry in entries:
        if entry.answer is not None:
            question = asked.get(entry.id, unknown)
            for kind, message in answer_faults(entry.answer, rules, question.paragraphs, question.golds):
                yield Finding(kind, message, *_at(entry))


def count_faults(answers: Collection[str], rules: Rules) -> Counter[str]:
    """How many of some answers, each cut from its text, have a fault, by kind."""
    return Counter(kind for answer in answers for kind, _ in answer_faults(answer, rules, (answer,)))


_EDGE_PUNCTUATION = "，。、；：！？…,;:!?"
_TOKENS = re.compile(r"\[(?:UNK|CLS|SEP|PAD|MASK)\]|</?s>|<(?:unk|pad|mask|cls|sep)>|##|▁|\ufffd", re.IGNORECASE)
_WAYS = ("white space", "ASCII commas", "letter case", "width")
"""How `tokenizer.decode` and what people do after it change a text; `width` is NFKC."""


def answer_faults(
    answer: str, rules: Rules, paragraphs: Sequence[str] = (), golds: Collection[str] = ()
) -> Iterator[tuple[str, str]]:
    """The faults of an answer, as (kind, what was found) pairs.

    Args:
        paragraphs: the texts that it may be cut from; none where they are not known.
        golds: right answers: what equals one has no fault.
    """
    if answer in (_plain(golds) if rules.without_commas else golds):
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
        text, paragraphs = text.replace(",", "").strip(), _plain(paragraphs)
    if not text:  # it was commas and nothing else
        return
    yield from _place_faults(text, paragraphs)
    yield from _look_faults(text, rules)


def _plain(texts: Collection[str]) -> list[str]:
    return [text.replace(",", "") for text in texts]


def _look_faults(text: str, rules: Rules) -> Iterator[tuple[str, str]]:
    """Faults that show without the paragraphs."""
    single = [text[place] for places in unpaired(text) for place in places]
    if single:
        yield "brackets", f"found {shorten(text)}, with {' and '.join(single)} alone"
    if len(text) > rules.longest:
        yield "too long", f"found {len(text)} characters, {shorten(text)}; expected at most {rules.longest}"
    if text[0] in _EDGE_PUNCTUATION or text[-1] in _EDGE_PUNCTUATION:
        yield "punctuation", f"found {shorten(text)}"


def _place_faults(text: str, paragraphs: Sequence[str]) -> Iterator[tuple[str, str]]:
    """Faults of a text that is no piece of any of the paragraphs."""
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


def find_original(text: str, paragraphs: Sequence[str]) -> tuple[str, tuple[str, ...]] | None:
    """The piece of a paragraph that a text was made from, and what was changed; the least change that explains it.

    Example:
        >>> original_of("ucla", ["在 UCLA 任教"])
        ('UCLA', ('letter case',))
    """
    for count in range(1, len(_WAYS) + 1):
        for ways in combinations(_WAYS, count):
            wanted, _ = fold_differences(text, ways)
            for paragraph in paragraphs:
                there, places = fold_differences(paragraph, ways)
                found = there.find(wanted) if wanted else -1
                if found >= 0:
                    return paragraph[places[found] : places[found + len(wanted) - 1] + 1], ways
    return None


@lru_cache(maxsize=256)
def fold_differences(text: str, ways: tuple[str, ...]) -> tuple[str, tuple[int, ...]]:
    """A text without some differences, and for each of its characters the place of the one that it came from."""
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
        places += [place] * len(new)
    return "".join(characters), tuple(places)


def faults_of(answers: Collection[str]) -> Counter[str]:
    """The number of answers with each kind of fault; empty ones are no fault here."""
    return count_faults(answers, Rules(may_be_empty=True))


def fault_note(faults: Counter[str]) -> str | None:
    """A sentence on answers that look wrong, by the number of each kind; None without any."""
    words = {
        "brackets": "with half a pair of brackets or quotation marks",
        "too long": f"longer than {DEFAULT_LONGEST} characters",
        "punctuation": "with a comma or full stop at the edge",
    }
    told = [f"{faults[kind]} {text}" for kind, text in words.items() if faults[kind]]
    return f"answers that may be wrong: {', '.join(told)}; see qakit evaluate --lint" if told else None
