"""What parts of the data share, so that one gives away what another asks: questions and paragraphs, by their hash."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from hashlib import blake2b
from itertools import combinations
from typing import NamedTuple
from unicodedata import category, normalize

from qakit.data.records import Record

_IGNORED = ("P", "Z", "C")  # punctuation, white space, controls
_EXAMPLES = 3


class Example(NamedTuple):
    """A text that two parts have, as the first has it, and the ids of the first records that have it."""

    text: str
    first: str
    second: str


@dataclass(frozen=True, slots=True)
class Shared:
    """Texts of one kind that two parts share.

    `count` is the number of distinct ones; `first` and `second` are the shares, in percent, that they are of the
    distinct ones of either part.
    """

    count: int
    first: float
    second: float
    examples: tuple[Example, ...]


@dataclass(frozen=True, slots=True)
class Leak:
    """What two parts, named in the order in which they were given, share."""

    first: str
    second: str
    questions: Shared
    paragraphs: Shared


@dataclass(frozen=True, slots=True)
class _Texts:
    """The texts of a part by their hash, each with the id of the first record that has it."""

    questions: Mapping[bytes, tuple[str, str]]
    paragraphs: Mapping[bytes, tuple[str, str]]


def find_leaks(
    parts: Mapping[str, Sequence[Record]], *, simplify: Callable[[str], str] | None = None
) -> tuple[Leak, ...]:
    """What each two of the parts share, in the order of the parts; also of those that share nothing.

    Texts are alike when they are after NFKC, without regard to capitals, punctuation and white space and, where
    `simplify` turns Traditional characters into Simplified ones, script. A part's paragraphs are those with answers;
    all candidates where it does not tell which these are.
    """
    hashed = {name: _hashed(records, simplify) for name, records in parts.items()}
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
    """What of a text counts when it is compared; a text of nothing but punctuation stays as it is."""
    folded = normalize("NFKC", normalize("NFKC", simplify(text) if simplify else text).casefold())
    return "".join(character for character in folded if category(character)[0] not in _IGNORED) or text


def _hashed(records: Sequence[Record], simplify: Callable[[str], str] | None) -> _Texts:
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
