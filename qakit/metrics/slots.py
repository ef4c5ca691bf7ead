"""Scores of slot tags: whole sentences, words, and spans as seqeval counts them.

seqeval (Nakayama, 2018) follows CoNLL's script in its default mode, in which a span may begin with `I-`; in its strict
mode, with the scheme IOB2, spans begin with `B-` alone.
"""

from collections.abc import Sequence

Tags = Sequence[str]
Span = tuple[str, int, int]
"""The kind of a span, its first word and its last (inclusive)."""

_PREFIXES = "BIES"


def slot_scores(golds: Sequence[Tags], predicted: Sequence[Tags | None]) -> dict[str, float]:
    """`joint_accuracy` (sentences with all tags right), `token_accuracy`, and precision, recall and F1 of spans.

    All are in percent. `precision`, `recall` and `f1` are seqeval's default mode, `strict_...` its strict one; they are
    left out where tags have no prefix such as `B-`.

    Args:
        golds: a tag for each word of each sentence.
        predicted: as many, or None where nothing was predicted: then all of the sentence is wrong.

    Raises:
        ValueError: numbers of tags, or of sentences, differ.
    """
    pairs = [(gold, () if tags is None else tags) for gold, tags in zip(golds, predicted, strict=True)]
    joint = [list(gold) == list(tags) for gold, tags in pairs]
    words = [one == other for gold, tags in pairs for one, other in zip(gold, tags or [""] * len(gold), strict=True)]
    scores = {"joint_accuracy": percent(sum(joint), len(joint)), "token_accuracy": percent(sum(words), len(words))}
    if all(tag == "O" or (tag[:1] in _PREFIXES and tag[1:2] == "-") for pair in pairs for tags in pair for tag in tags):
        for prefix, spans_in in (("", spans), ("strict_", strict_spans)):
            found = [(set(spans_in(gold)), set(spans_in(tags))) for gold, tags in pairs]
            scores |= {prefix + name: value for name, value in _span_scores(found).items()}
    return scores


def spans(tags: Tags) -> list[Span]:
    """The spans of seqeval's default mode: `I-x` behind anything but `B-x` and `I-x` begins one too."""
    found: list[Span] = []
    first, before, kind_before = 0, "O", ""
    for place, tag in enumerate([*tags, "O"]):
        prefix, _, kind = tag.partition("-")
        changed = kind != kind_before
        if before != "O" and (before in "ES" or prefix in "BSO" or changed):
            found.append((kind_before, first, place - 1))
        if prefix in "BS" or (prefix in "IE" and (before in "ESO" or changed)):
            first = place
        before, kind_before = prefix, kind
    return found


def strict_spans(tags: Tags) -> list[Span]:
    """The spans of seqeval's strict mode in IOB2: each begins with `B-x`, and only `I-x` goes on with it."""
    found: list[Span] = []
    for place, tag in enumerate(tags):
        prefix, _, kind = tag.partition("-")
        if prefix == "B":
            found.append((kind, place, place))
        elif prefix == "I" and found and found[-1][0] == kind and found[-1][2] == place - 1:
            found[-1] = (kind, found[-1][1], place)
    return found


def tagged_spans(tags: Tags, words: Sequence[str]) -> list[dict[str, str | int]]:
    """The spans of a sentence as JSON: kind, text, and the numbers of the first and the last word (inclusive)."""
    return [
        {"kind": kind, "text": " ".join(words[first : last + 1]), "first": first, "last": last}
        for kind, first, last in spans(tags)
        if kind  # tags without a prefix make no spans
    ]


def _span_scores(found: Sequence[tuple[set[Span], set[Span]]]) -> dict[str, float]:
    """Precision, recall and F1 of spans over all sentences, in percent."""
    right = sum(len(gold & predicted) for gold, predicted in found)
    of_gold, of_predicted = (sum(len(pair[side]) for pair in found) for side in (0, 1))
    return {
        "precision": percent(right, of_predicted),
        "recall": percent(right, of_gold),
        "f1": percent(2 * right, of_gold + of_predicted),
    }


def percent(count: int, total: int) -> float:
    """A share in percent; 0 of nothing."""
    return 100.0 * count / total if total else 0.0
