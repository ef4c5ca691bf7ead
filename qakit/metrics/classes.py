"""Scores of predicted classes, one a text: accuracy, top-k accuracy and macro F1; and which are confused with which."""

from collections import Counter
from collections.abc import Iterable, Sequence
from typing import NamedTuple

from qakit.metrics.slots import percent

TOP = (3, 5)
"""Sizes of k for top-k accuracy, where a model ranks classes."""


def class_scores(golds: Sequence[str], ranked: Sequence[Sequence[str]]) -> dict[str, float]:
    """`accuracy`, `macro_f1` and, where all rankings are long enough, `top3` and `top5`, in percent.

    Args:
        golds: the right class of each text.
        ranked: the likeliest classes of each text, best first; an empty list counts as wrong.
    """
    first = [names[0] if names else "" for names in ranked]
    right = sum(one == gold for one, gold in zip(first, golds, strict=True))
    scores = {"accuracy": percent(right, len(golds)), "macro_f1": macro_f1(golds, first)}
    for count in TOP:
        if ranked and all(len(names) >= count for names in ranked):
            hits = [gold in names[:count] for gold, names in zip(golds, ranked, strict=True)]
            scores[f"top{count}"] = percent(sum(hits), len(hits))
    return scores


def scope_scores(golds: Sequence[str], predicted: Sequence[str], outside: str) -> dict[str, float]:
    """`in_scope_accuracy` and `oos_recall` in percent, as CLINC150 (Larson et al., 2019) is scored.

    Args:
        outside: the class of texts that are out of scope; without any among `golds` there are no scores.
    """
    right_inside = [one == gold for gold, one in zip(golds, predicted, strict=True) if gold != outside]
    refused = [one == outside for gold, one in zip(golds, predicted, strict=True) if gold == outside]
    if not refused:
        return {}
    return {
        "in_scope_accuracy": percent(sum(right_inside), len(right_inside)),
        "oos_recall": percent(sum(refused), len(refused)),
    }


def macro_f1(golds: Sequence[str], predicted: Sequence[str]) -> float:
    """Mean F1 in percent over all classes that are right or predicted somewhere, as scikit-learn's `f1_score`."""
    right = Counter(gold for gold, one in zip(golds, predicted, strict=True) if gold == one)
    sizes = Counter(golds) + Counter(predicted)
    return 100.0 * sum(2 * right[name] / size for name, size in sizes.items()) / len(sizes) if sizes else 0.0


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
