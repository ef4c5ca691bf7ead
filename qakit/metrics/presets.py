"""The scoring rules of the field as named presets: pure functions on strings, each held to its official script.

A preset normalises prediction and reference and compares what is left for exact match (EM). For F1 it cuts what is
left into segments and takes the harmonic mean of precision and recall over the segments that the two share.

| preset  | normalisation                             | segments             | shared      | references |
|---------|-------------------------------------------|----------------------|-------------|------------|
| hw7     | ASCII commas deleted                      | characters           | bag         | the first  |
| adl     | none                                      | characters           | bag         | the best   |
| adl2021 | punctuation and whitespace deleted        | characters           | bag         | the best   |
| drcd    | as squad, with eight full-width marks     | characters           | bag         | the best   |
| cmrc    | lower case, stripped, some marks deleted  | characters and words | longest run | the best   |
| squad   | lower case; no punctuation, no articles   | words                | bag         | the best   |
| squad2  | as squad                                  | words                | bag         | the best   |
"""

import re
import string
import unicodedata
from collections import Counter, defaultdict
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from types import MappingProxyType
from typing import NamedTuple

from qakit.data.records import Dataset
from qakit.data.schemas.known import SCHEMAS
from qakit.errors import ConfigError, QakitError, suggestion

DRCD_PUNCTUATION = string.punctuation + "《》？，。、；："
# The script also lists "……", which it compares with single characters, so that "…" stays.
CMRC_DELETED = "-:_*^/\\~`+=，。：？！“”；’《》·、「」（）－～『』"

_ENGLISH_TABLE = str.maketrans("", "", string.punctuation)
_DRCD_TABLE = str.maketrans("", "", DRCD_PUNCTUATION)
_CMRC_TABLE = str.maketrans("", "", CMRC_DELETED)
_ARTICLES = re.compile(r"\b(a|an|the)\b")
_CMRC_PIECES = re.compile(r"[\u4e00-\u9fa5]|[^\u4e00-\u9fa5]+")


def unchanged(text: str) -> str:
    """The text itself."""
    return text


def without_commas(text: str) -> str:
    """The text without ASCII commas."""
    return text.replace(",", "")


def without_punctuation(text: str) -> str:
    """The text without whitespace and without the characters of the Unicode categories P*.

    Stands for the token filter of the ADL 2021 eval.py, which drops the spaCy tokens that are punctuation as a whole:
    punctuation inside a word (the point of "3.5") is kept there and deleted here.
    """
    return "".join(char for char in text if not char.isspace() and not unicodedata.category(char).startswith("P"))


def squad_english(text: str) -> str:
    """`normalize_answer` of SQuAD's evaluate-v1.1.py and evaluate-v2.0.py.

    Lower case; ASCII punctuation out; the words a, an and the out; runs of whitespace made one space, none at the ends.
    """
    return _without_articles(text.lower().translate(_ENGLISH_TABLE))


def squad_drcd(text: str) -> str:
    """`squad_english` that takes out 《》？，。、；： too: DRCD issue #6, where 「」 are not in the list."""
    return _without_articles(text.lower().translate(_DRCD_TABLE))


def _without_articles(text: str) -> str:
    return " ".join(_ARTICLES.sub(" ", text).split())


def cmrc_text(text: str) -> str:
    """`remove_punctuation` of cmrc2018_evaluate.py: lower case, stripped, then `CMRC_DELETED` out.

    In that order: a space that stood inside a deleted mark at the edge stays.
    """
    return text.lower().strip().translate(_CMRC_TABLE)


def cmrc_segments(text: str) -> list[str]:
    """`mixed_segmentation` of cmrc2018_evaluate.py, for a text that went through `cmrc_text`.

    Segments are the characters U+4E00..U+9FA5 and the words of the runs between them; a deleted mark does not end a
    run. The script cuts runs with `nltk.word_tokenize`, which first splits sentences with a model that nltk downloads.
    Here runs go to its word tokenizer at once: other segments come out only where a run holds several sentences.

    Example:
        >>> cmrc_segments("iphone 4s手机")
        ['iphone', '4s', '手', '机']
    """
    segments: list[str] = []
    for piece in _CMRC_PIECES.findall(text):
        if "\u4e00" <= piece[0] <= "\u9fa5":
            segments.append(piece)
        else:
            segments.extend(_words(piece))
    return segments


@lru_cache(maxsize=2**14)
def _words(run: str) -> tuple[str, ...]:
    from nltk.tokenize.destructive import NLTKWordTokenizer

    return tuple(NLTKWordTokenizer().tokenize(run))


def bag(predicted: Sequence[str], gold: Sequence[str]) -> int:
    """Number of shared segments, as multisets: each counts as often as both have it."""
    return sum((Counter(predicted) & Counter(gold)).values())


def longest_run(predicted: Sequence[str], gold: Sequence[str]) -> int:
    """The length of the longest contiguous run of segments that both have (`find_lcs` of cmrc2018_evaluate.py)."""
    places: defaultdict[str, list[int]] = defaultdict(list)
    for position, segment in enumerate(gold):
        places[segment].append(position)
    longest = 0
    lengths: dict[int, int] = {}  # by position in gold: the run that ends there and at the segment in hand
    for segment in predicted:
        lengths = {position: lengths.get(position - 1, 0) + 1 for position in places.get(segment, ())}
        longest = max(longest, *lengths.values()) if lengths else longest
    return longest


class QuestionScore(NamedTuple):
    """The score of one question, as fractions in [0, 1]."""

    em: float
    f1: float


_HAN = re.compile("[\u4e00-\u9fff]")
_MISSING = QuestionScore(0.0, 0.0)
_PerQuestion = Mapping[str, QuestionScore]
_Golds = Mapping[str, Sequence[str]]


def _no_totals(per_question: _PerQuestion, golds: _Golds) -> dict[str, float]:
    return {}


@dataclass(frozen=True, slots=True)
class Preset:
    """One scoring rule.

    Attributes:
        name: the value of `--metric`.
        description: one line for the user; names the official rule and where this one differs.
        normalise: the part of a text that is compared.
        segments: cuts a normalised text into the units of F1.
        shared: the number of segments that two lists share.
        first_only: only the first reference counts, instead of the best one.
        empties_agree: F1 is 1 where neither side has a segment; the older scripts give 0, as nothing is shared.
        drops_empty: references that are empty once normalised are ignored where another one is left.
        totals: what else the script reports (`Scores.extra`), from the scores of the questions and their references.
    """

    name: str
    description: str
    normalise: Callable[[str], str]
    segments: Callable[[str], Sequence[str]]
    shared: Callable[[Sequence[str], Sequence[str]], int]
    first_only: bool = False
    empties_agree: bool = False
    drops_empty: bool = False
    totals: Callable[[_PerQuestion, _Golds], dict[str, float]] = _no_totals

    def score(self, prediction: str, golds: Sequence[str]) -> QuestionScore:
        """The score of one answer.

        Args:
            prediction: the answer; empty for "there is none".
            golds: the reference answers. None of them says that the question has no answer, and is scored as one
                empty reference. The scripts of `adl2021`, `drcd`, `cmrc` and `squad` know no such questions: a right
                "there is none" has EM 1 there but F1 0. Use `squad2` on data that has them.

        Raises:
            TypeError: `golds` is a string, which would be taken for a list of one-character references.
        """
        if isinstance(golds, str):
            raise TypeError(f"golds must be a sequence of strings, not the string {golds!r}")
        predicted = self.normalise(prediction)
        references = [self.normalise(gold) for gold in golds[: 1 if self.first_only else None]]
        if self.drops_empty:
            references = [reference for reference in references if reference]
        references = references or [""]
        segments = self.segments(predicted)
        return QuestionScore(
            em=float(predicted in references),
            f1=max(self._f1(segments, self.segments(reference)) for reference in references),
        )

    def _f1(self, predicted: Sequence[str], gold: Sequence[str]) -> float:
        if not predicted and not gold:
            return float(self.empties_agree)
        shared = self.shared(predicted, gold)
        if shared == 0:
            return 0.0
        precision = shared / len(predicted)
        recall = shared / len(gold)
        return 2 * precision * recall / (precision + recall)


@dataclass(frozen=True, slots=True)
class Scores:
    """The score of a set of predictions.

    Attributes:
        em: exact match, in percent of all questions.
        f1: mean F1 of all questions, in percent.
        total: the number of questions, those without a prediction included.
        missing: the number of questions without a prediction; each scores 0.
        extra: what else the official script reports, under its names. cmrc: `average`, the mean of EM and F1 in
            percent. squad2: `HasAns_exact`, `HasAns_f1` (percent) and `HasAns_total` (a count) over the questions
            with an answer, `NoAns_...` over those without; a group without questions is left out.
        per_question: the score of each question, as fractions, in the order of the references.
    """

    em: float
    f1: float
    total: int
    missing: int
    extra: Mapping[str, float]
    per_question: Mapping[str, QuestionScore]


def get_preset(metric: str) -> Preset:
    """The preset with that name.

    Raises:
        ConfigError: no preset has it; the message lists the names.
    """
    if metric in PRESETS:
        return PRESETS[metric]
    raise ConfigError(f"unknown metric {metric!r}{suggestion(metric, PRESETS)}; expected one of {', '.join(PRESETS)}")


def evaluate(predictions: Mapping[str, str], golds: Mapping[str, Sequence[str]], metric: str) -> Scores:
    """Score predictions on all questions in `golds`.

    A question without a prediction scores 0 and counts. So it is in evaluate-v1.1.py and cmrc2018_evaluate.py; the
    ADL 2021 eval.py leaves such a question out of the mean, and evaluate-v2.0.py leaves it out or fails. Predictions
    for other questions are ignored, as in all scripts.

    Args:
        predictions: question id to answer; an empty answer says that there is none.
        golds: question id to reference answers; an empty list for a question *known* to have no answer. Leave
            unlabelled questions out.
        metric: a name in `PRESETS`.

    Raises:
        ConfigError: no such metric.
        QakitError: `golds` is empty.
    """
    preset = get_preset(metric)
    if not golds:
        raise QakitError("there is no question to score: no record has a known answer")
    per_question = {
        question: preset.score(predictions[question], references) if question in predictions else _MISSING
        for question, references in golds.items()
    }
    em, f1 = _means(per_question.values())
    return Scores(
        em=em,
        f1=f1,
        total=len(golds),
        missing=len(golds.keys() - predictions.keys()),
        extra=preset.totals(per_question, golds),
        per_question=per_question,
    )


def _means(scores: Collection[QuestionScore]) -> tuple[float, float]:
    """Mean EM and F1 in percent, summed in order as the scripts do."""
    return 100 * sum(score.em for score in scores) / len(scores), 100 * sum(score.f1 for score in scores) / len(scores)


def _cmrc_average(per_question: _PerQuestion, golds: _Golds) -> dict[str, float]:
    em, f1 = _means(per_question.values())
    return {"average": (em + f1) / 2}


def _squad2_groups(per_question: _PerQuestion, golds: _Golds) -> dict[str, float]:
    groups: dict[str, list[QuestionScore]] = {"HasAns": [], "NoAns": []}
    for question, score in per_question.items():
        groups["HasAns" if golds[question] else "NoAns"].append(score)
    totals: dict[str, float] = {}
    for name, scores in groups.items():
        if scores:
            totals[f"{name}_exact"], totals[f"{name}_f1"] = _means(scores)
            totals[f"{name}_total"] = len(scores)
    return totals


PRESETS: Mapping[str, Preset] = MappingProxyType(
    {
        preset.name: preset
        for preset in (
            Preset(
                name="hw7",
                description="ML HW7 Kaggle: equality with the first reference, ASCII commas deleted on both sides; "
                "HW7 has no F1, this one is by characters",
                normalise=without_commas,
                segments=list,
                shared=bag,
                first_only=True,
                empties_agree=True,
            ),
            Preset(
                name="adl",
                description="ADL 2022 and later, Kaggle: plain equality; F1, which Kaggle has not, is by characters",
                normalise=unchanged,
                segments=list,
                shared=bag,
                empties_agree=True,
            ),
            Preset(
                name="adl2021",
                description="ADL 2021 eval.py: punctuation and whitespace ignored; F1 by characters (eval.py: by the "
                "words of a spaCy model); a missing answer scores 0 (eval.py: is skipped)",
                normalise=without_punctuation,
                segments=list,
                shared=bag,
            ),
            Preset(
                name="drcd",
                description="DRCD issue #6: evaluate-v1.1.py of SQuAD that also ignores 《》？，。、；： and has F1 by "
                "characters (a space counts as one)",
                normalise=squad_drcd,
                segments=list,
                shared=bag,
            ),
            Preset(
                name="cmrc",
                description="CMRC 2018 cmrc2018_evaluate.py: F1 by the longest common run of characters and words",
                normalise=cmrc_text,
                segments=cmrc_segments,
                shared=longest_run,
                totals=_cmrc_average,
            ),
            Preset(
                name="squad",
                description="SQuAD 1.1 evaluate-v1.1.py: case, punctuation and English articles ignored; F1 by words",
                normalise=squad_english,
                segments=str.split,
                shared=bag,
            ),
            Preset(
                name="squad2",
                description="SQuAD 2.0 evaluate-v2.0.py: as squad, with questions without an answer; a missing "
                "answer scores 0 (the script leaves it out, or fails)",
                normalise=squad_english,
                segments=str.split,
                shared=bag,
                empties_agree=True,
                drops_empty=True,
                totals=_squad2_groups,
            ),
        )
    }
)


def default_preset(dataset: Dataset) -> str:
    """The preset for a dataset when the user names none.

    It is its schema's; `squad2` where some question has no answer; and `cmrc` for data in SQuAD's layout that is
    mostly Chinese, as SQuAD's own rule splits at spaces and so takes a Chinese answer for a single word.
    """
    if any(record.impossible for record in dataset):
        return "squad2"
    preset = SCHEMAS[dataset.schema].metric
    if preset != "squad":
        return preset
    chinese = sum(_HAN.search(record.question) is not None for record in dataset)
    return "cmrc" if 2 * chinese > len(dataset) else preset
