"""Which classes are taken for which others."""

from collections import Counter
from collections.abc import Iterable
from typing import NamedTuple


class Confusion(NamedTuple):
    """How often one class was taken for another; `total` is how often it is right, predicted or not."""

    gold: str
    predicted: str
    times: int
    total: int


Counts = Counter[tuple[str, str]]
"""How often each (right, predicted) pair of classes was seen."""


def confusions(counts: Counts) -> list[Confusion]:
    """The pairs of different classes, the commonest first; of equals the one that comes first in the alphabet."""
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
    """The pairs of classes at the same places."""
    return Counter(zip(golds, predicted, strict=True))
