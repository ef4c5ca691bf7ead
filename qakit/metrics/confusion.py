"""Confusions: counts of (right, predicted) pairs of classes, and the commonest errors among them."""

from collections import Counter
from collections.abc import Iterable
from typing import NamedTuple


class Confusion(NamedTuple):
    """Times that class `gold` was predicted as another one; `total` counts all records of that class."""

    gold: str
    predicted: str
    times: int
    total: int


Counts = Counter[tuple[str, str]]
"""The number of times that each (right, predicted) pair of classes occurred."""


def confusions(counts: Counts) -> list[Confusion]:
    """The errors, the commonest first; ties in alphabetical order."""
    totals: Counter[str] = Counter()
    for (gold, _), count in counts.items():
        totals[gold] += count
    wrong = [Confusion(*pair, count, totals[pair[0]]) for pair, count in counts.items() if pair[0] != pair[1]]
    return sorted(wrong, key=lambda one: (-one.times, one.gold, one.predicted))


def most_confused(counts: Counts, limit: int) -> list[str]:
    """The classes of the commonest confusions, at most `limit`, in alphabetical order."""
    names: dict[str, None] = {}
    for one in confusions(counts):
        both = names | dict.fromkeys((one.gold, one.predicted))
        if len(both) > limit:
            break
        names = both
    return sorted(names)


def count_pairs(golds: Iterable[str], predicted: Iterable[str]) -> Counts:
    """Count the pairs of right and predicted class, record by record."""
    return Counter(zip(golds, predicted, strict=True))
