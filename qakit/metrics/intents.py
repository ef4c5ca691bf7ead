"""Scores of intents: accuracy, top-k accuracy, macro F1 and the recall of out-of-scope texts."""

from collections import Counter
from collections.abc import Sequence

from qakit.data.labels import OUT_OF_SCOPE
from qakit.metrics.slots import percent

TOP = (3, 5)
"""Sizes of k for top-k accuracy, where a model ranks intents."""


def intent_scores(golds: Sequence[str], ranked: Sequence[Sequence[str]]) -> dict[str, float]:
    """`accuracy`, `macro_f1` and, where all rankings are long enough, `top3` and `top5`, in percent.

    With out-of-scope texts among them also `in_scope_accuracy` and `oos_recall`, as CLINC150 (Larson et al., 2019) is
    scored.

    Args:
        golds: the right intent of each text.
        ranked: the likeliest intents of each text, best first; an empty list counts as wrong.
    """
    first = [names[0] if names else "" for names in ranked]
    right = [one == gold for one, gold in zip(first, golds, strict=True)]
    scores = {"accuracy": percent(sum(right), len(right)), "macro_f1": macro_f1(golds, first)}
    for count in TOP:
        if ranked and all(len(names) >= count for names in ranked):
            hits = [gold in names[:count] for gold, names in zip(golds, ranked, strict=True)]
            scores[f"top{count}"] = percent(sum(hits), len(hits))
    outside = [gold == OUT_OF_SCOPE for gold in golds]
    if any(outside):
        inside = [ok for ok, out in zip(right, outside, strict=True) if not out]
        refused = [ok for ok, out in zip(right, outside, strict=True) if out]
        scores["in_scope_accuracy"] = percent(sum(inside), len(inside))
        scores["oos_recall"] = percent(sum(refused), len(refused))
    return scores


def macro_f1(golds: Sequence[str], predicted: Sequence[str]) -> float:
    """Mean F1 in percent over all classes that are right or predicted somewhere, as scikit-learn's `f1_score`."""
    right = Counter(gold for gold, one in zip(golds, predicted, strict=True) if gold == one)
    sizes = Counter(golds) + Counter(predicted)
    return 100.0 * sum(2 * right[name] / size for name, size in sizes.items()) / len(sizes) if sizes else 0.0
