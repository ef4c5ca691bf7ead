"""The official metric rules, stated a second time, to hold `qakit.metrics.presets` against.

Written from the rule texts alone, as plainly as they read and as slowly as that is: bags are compared by crossing out
one item after another, and the longest common run is found by trying all runs. Each function takes a prediction and the
reference texts of one question (none: the question has no answer) and gives exact match and F1 as fractions of 1.
"""

import string
import unicodedata
from collections.abc import Callable, Hashable, Mapping, Sequence
from itertools import groupby

import nltk

Score = tuple[float, float]
Rule = Callable[[str, list[str]], Score]

ARTICLES = ("a", "an", "the")
DRCD_PUNCTUATION = string.punctuation + "《》？，。、；："
CMRC_DROPPED = "-:_*^/\\~`+=，。：？！“”；’《》·、「」（）－～『』"


def f1_from_counts(same: int, prediction_size: int, gold_size: int) -> float:
    """The harmonic mean of `same` / `prediction_size` and `same` / `gold_size`; 0 when nothing is the same."""
    if same == 0:
        return 0.0
    precision = same / prediction_size
    recall = same / gold_size
    return 2 * precision * recall / (precision + recall)


def bag_f1(prediction: Sequence[str], gold: Sequence[str]) -> float:
    """F1 of two bags of items. Two empty bags share nothing, hence 0, as in evaluate-v1.1.py and ADL 2021's eval.py."""
    left_over = list(gold)
    same = 0
    for item in prediction:
        if item in left_over:
            left_over.remove(item)
            same += 1
    return f1_from_counts(same, len(prediction), len(gold))


def agreeing_bag_f1(prediction: Sequence[str], gold: Sequence[str]) -> float:
    """F1 of two bags, of which two empty ones agree (1), as in evaluate-v2.0.py."""
    if not prediction and not gold:
        return 1.0
    return bag_f1(prediction, gold)


def hw7(prediction: str, golds: list[str]) -> Score:
    """HW7 on Kaggle: the string as it is, without ASCII commas, against the first reference only.

    That contest has no F1: it is by characters here, and two empty strings agree.
    """
    left = "".join(prediction.split(","))
    right = "".join((golds or [""])[0].split(","))
    return float(left == right), agreeing_bag_f1(left, right)


def adl(prediction: str, golds: list[str]) -> Score:
    """ADL 2022 and later on Kaggle: the string as it is, against any reference. F1 as for `hw7`."""
    golds = golds or [""]
    return float(prediction in golds), max(agreeing_bag_f1(prediction, gold) for gold in golds)


def adl2021(prediction: str, golds: list[str]) -> Score:
    """ADL 2021: neither punctuation nor whitespace counts. F1 by characters of what is left.

    Its eval.py gives F1 0 wherever nothing is shared, so to two empty texts too.
    """
    left = _without_punctuation_and_space(prediction)
    rights = [_without_punctuation_and_space(gold) for gold in golds or [""]]
    return float(left in rights), max(bag_f1(left, right) for right in rights)


def _without_punctuation_and_space(text: str) -> str:
    joined = "".join(text.split())
    return "".join(character for character in joined if not unicodedata.category(character).startswith("P"))


def drcd(prediction: str, golds: list[str]) -> Score:
    """DRCD, by the answer to issue 6 of its repository.

    It is evaluate-v1.1.py with eight more punctuation marks, and with F1 over the normalised string itself, whose
    items are characters, spaces among them.
    """
    left = _normalise(prediction, DRCD_PUNCTUATION)
    rights = [_normalise(gold, DRCD_PUNCTUATION) for gold in golds or [""]]
    return float(left in rights), max(bag_f1(left, right) for right in rights)


def squad(prediction: str, golds: list[str]) -> Score:
    """SQuAD v1.1, evaluate-v1.1.py: normalised text for the exact match, its words for F1."""
    left = _normalise(prediction, string.punctuation)
    rights = [_normalise(gold, string.punctuation) for gold in golds or [""]]
    return float(left in rights), max(bag_f1(left.split(), right.split()) for right in rights)


def squad2(prediction: str, golds: list[str]) -> Score:
    """SQuAD 2.0, evaluate-v2.0.py: references of which normalising leaves nothing do not count.

    Where none is left, only an empty prediction is right.
    """
    left = _normalise(prediction, string.punctuation)
    rights = [_normalise(gold, string.punctuation) for gold in golds]
    rights = [right for right in rights if right] or [""]
    return float(left in rights), max(agreeing_bag_f1(left.split(), right.split()) for right in rights)


def _normalise(text: str, punctuation: str) -> str:
    """Lower case, then punctuation out, then articles out, then single spaces."""
    bare = "".join(character for character in text.lower() if character not in punctuation)
    return " ".join(_without_articles(bare).split())


def _without_articles(text: str) -> str:
    """A space in place of each article.

    An article must be a word of its own: a whole run of what regular expressions call word characters, Chinese ones
    included, so there is none in "a股".
    """
    runs = ["".join(run) for _, run in groupby(text, key=lambda character: character.isalnum() or character == "_")]
    return "".join(" " if run in ARTICLES else run for run in runs)


def cmrc(prediction: str, golds: list[str]) -> Score:
    """CMRC 2018, cmrc2018_evaluate.py, with words from nltk's word tokenizer without its sentence splitter.

    Exact match is on the characters that are kept; F1 is from the longest run of segments that both texts have.
    """
    golds = golds or [""]
    kept = _cmrc_kept(prediction)
    em = float(any(_cmrc_kept(gold) == kept for gold in golds))
    segments = cmrc_segments(prediction)
    return em, max(_longest_run_f1(segments, cmrc_segments(gold)) for gold in golds)


def _cmrc_kept(text: str) -> str:
    return "".join(character for character in text.lower().strip() if character not in CMRC_DROPPED)


def cmrc_segments(text: str) -> list[str]:
    """The segments of a text: each Chinese character (U+4E00 to U+9FA5), and the words of what stands between them.

    Dropped characters are taken out first, so they do not part the text on their two sides.
    """
    segments: list[str] = []
    for is_chinese, characters in groupby(_cmrc_kept(text), key=lambda character: "\u4e00" <= character <= "\u9fa5"):
        run = "".join(characters)
        segments += list(run) if is_chinese else nltk.word_tokenize(run, preserve_line=True)
    return segments


def _longest_run_f1(prediction: list[str], gold: list[str]) -> float:
    shorter = min(len(prediction), len(gold))
    lengths = [length for length in range(1, shorter + 1) if _runs(prediction, length) & _runs(gold, length)]
    return f1_from_counts(max(lengths, default=0), len(prediction), len(gold))


def _runs(segments: Sequence[Hashable], length: int) -> set[tuple[Hashable, ...]]:
    """All runs of `length` neighbouring segments."""
    return {tuple(segments[start : start + length]) for start in range(len(segments) - length + 1)}


RULES: dict[str, Rule] = {
    "hw7": hw7,
    "adl": adl,
    "adl2021": adl2021,
    "drcd": drcd,
    "cmrc": cmrc,
    "squad": squad,
    "squad2": squad2,
}


def file_scores(rule: Rule, predictions: Mapping[str, str], golds: Mapping[str, list[str]]) -> tuple[float, float, int]:
    """Exact match and F1 of a whole file in percent, and how many predictions it lacks.

    A question without a prediction scores 0 and counts like any other.
    """
    scores = [rule(predictions[key], golds[key]) if key in predictions else (0.0, 0.0) for key in golds]
    missing = sum(key not in predictions for key in golds)
    return _percent([em for em, _ in scores]), _percent([f1 for _, f1 in scores]), missing


def squad2_parts(predictions: Mapping[str, str], golds: Mapping[str, list[str]]) -> dict[str, float]:
    """What evaluate-v2.0.py reports for the questions with and without an answer, under its own names.

    A question has an answer when it has a reference text, be it one of which normalising leaves nothing. A part without
    questions is left out.
    """
    parts = {
        "HasAns": {key: texts for key, texts in golds.items() if texts},
        "NoAns": {key: texts for key, texts in golds.items() if not texts},
    }
    result: dict[str, float] = {}
    for name, part in parts.items():
        if part:
            em, f1, _ = file_scores(squad2, predictions, part)
            result |= {f"{name}_exact": em, f"{name}_f1": f1, f"{name}_total": len(part)}
    return result


def _percent(fractions: list[float]) -> float:
    return 100.0 * sum(fractions) / len(fractions)
