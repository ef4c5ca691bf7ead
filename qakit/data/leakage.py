"""Data leakage: questions and paragraphs that parts of the data share, found by hash."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from hashlib import blake2b
from itertools import combinations
from typing import NamedTuple
from unicodedata import category, normalize

from qakit.data.records import Record

_IGNORED = ("P", "Z", "C")  # Unicode categories: punctuation, white space, control characters
_EXAMPLES = 3


class Example(NamedTuple):
    """A shared text, as the first part has it, and in each part the id of the first record that has it."""

    text: str
    first: str
    second: str


@dataclass(frozen=True, slots=True)
class Shared:
    """Texts of one kind that two parts share.

    Attributes:
        count: distinct texts in both parts.
        first, second: percent of the distinct texts of either part.
    """

    count: int
    first: float
    second: float
    examples: tuple[Example, ...]


@dataclass(frozen=True, slots=True)
class Leak:
    """The texts that two parts share; the parts are named in the order in which they were given."""

    first: str
    second: str
    questions: Shared
    paragraphs: Shared


@dataclass(frozen=True, slots=True)
class _Texts:
    """The texts of a part by hash, each with the id of the first record that has it."""

    questions: Mapping[bytes, tuple[str, str]]
    paragraphs: Mapping[bytes, tuple[str, str]]


def find_leaks(
    parts: Mapping[str, Sequence[Record]], *, simplify: Callable[[str], str] | None = None
) -> tuple[Leak, ...]:
    """Compare every two parts, in the order of the parts; pairs that share nothing are included.

    Texts are equal if `text_key` is: up to NFKC, letter case, punctuation and white space, and with `simplify` up to
    Traditional and Simplified script. The paragraphs of a part are the relevant ones; all candidates if unknown.
    """
    hashed = {name: _hash_texts(records, simplify) for name, records in parts.items()}
    return tuple(
        Leak(
            first,
            second,
            _shared(hashed[first].questions, hashed[second].questions),
            _shared(hashed[first].paragraphs, hashed[second].paragraphs),
        )
        for first, second in combinations(hashed, 2)
    )


def text_key(text: str, simplify: Callable[[str], str] | None = None) -> str:
    """Normalise a text for comparison; a text of nothing but punctuation stays as it is."""
    # Casefolding can undo NFKC, so it is applied again.
    folded = normalize("NFKC", normalize("NFKC", simplify(text) if simplify else text).casefold())
    return "".join(character for character in folded if category(character)[0] not in _IGNORED) or text


def _hash_texts(records: Sequence[Record], simplify: Callable[[str], str] | None) -> _Texts:
    questions = ((record.question, record.id) for record in records)
    paragraphs: dict[str, str] = {}
    for record in records:
        asked = record.paragraphs if record.relevant is None else (record.paragraphs[record.relevant],)
        for paragraph in asked:
            paragraphs.setdefault(paragraph.text, record.id)
    return _Texts(_by_hash(questions, simplify), _by_hash(paragraphs.items(), simplify))


def _by_hash(texts: Iterable[tuple[str, str]], simplify: Callable[[str], str] | None) -> dict[bytes, tuple[str, str]]:
    found: dict[bytes, tuple[str, str]] = {}
    for text, name in texts:
        key = blake2b(text_key(text, simplify).encode("utf-8", "surrogatepass"), digest_size=16).digest()
        found.setdefault(key, (text, name))
    return found


def _shared(first: Mapping[bytes, tuple[str, str]], second: Mapping[bytes, tuple[str, str]]) -> Shared:
    both = [key for key in first if key in second]
    examples = tuple(Example(first[key][0], first[key][1], second[key][1]) for key in both[:_EXAMPLES])
    return Shared(len(both), _percent(len(both), len(first)), _percent(len(both), len(second)), examples)


def _percent(count: int, total: int) -> float:
    return round(100 * count / total, 2) if total else 0.0
