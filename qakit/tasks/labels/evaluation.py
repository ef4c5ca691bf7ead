"""Scores of predicted labels: evaluation, comparison with another system, and the page of it. Needs no torch."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from qakit import __version__
from qakit.data.labels import OUT_OF_SCOPE, LabelledRecord, LabelPrediction, TextRecord, WordsRecord
from qakit.io import write_text
from qakit.metrics.classes import Counts, confusions
from qakit.metrics.comparison import Comparison
from qakit.metrics.intervals import Interval
from qakit.report.error_report import LabelPage, WrongRecord, WrongWord, render_labels
from qakit.report.pictures import MOST_CLASSES, draw_confusion
from qakit.report.text_tables import comparison_lines
from qakit.tasks.labels.scores import LabelScoresInfo

Labels = Mapping[str, LabelPrediction]
_SHOWN = 10  # confusions on the terminal
_LISTED = 30  # confusions on the page


@dataclass(frozen=True)
class LabelReferences:
    """Labelled records by id, and the ids of all records of their file; scores are 0 or 100: all of a record or not."""

    records: Mapping[str, LabelledRecord]
    metric: str
    known: frozenset[str]

    @property
    def labelled(self) -> list[LabelledRecord]:
        """The records."""
        return list(self.records.values())

    @property
    def total(self) -> int:
        """The number of records."""
        return len(self.records)

    @property
    def columns(self) -> tuple[str, ...]:
        """The one score."""
        return (self.metric,)

    def score(self, prediction: LabelPrediction) -> tuple[float, ...]:
        """100 where all of the label is right."""
        return (100.0 * (prediction.label == self.records[prediction.id].label),)

    def group(self, record: LabelledRecord) -> str:
        """The text: equal ones are drawn together."""
        return record.text

    def judged(self, infos: Sequence[LabelScoresInfo]) -> "LabelReferences":
        """The records as models that know of a scope are to answer them: labels that they lack are out of it."""
        if all(info.oos_threshold is None for info in infos):
            return self
        known = {name for info in infos for name in info.names}
        return replace(
            self,
            records={
                name: record if record.label in known else TextRecord(record.id, record.text, OUT_OF_SCOPE)
                for name, record in self.records.items()
            },
        )


@dataclass(frozen=True)
class OosThreshold:
    """A threshold of scope, and the accuracy, in percent, on the texts it was found on, without it and with it."""

    threshold: float
    outside: int
    total: int
    before: float
    after: float

    @property
    def sentence(self) -> str:
        """The result in words."""
        return (
            f"out of scope below a probability of {self.threshold:.4g}, kept with the model: accuracy "
            f"{self.before:.2f} "
            f"without, {self.after:.2f} with; {self.outside} of {self.total} texts are outside"
        )

    def summary(self) -> dict[str, Any]:
        """As JSON."""
        return {name: getattr(self, name) for name in self.__dataclass_fields__}


@dataclass(frozen=True)
class LabelEvaluation:
    """Scores of predicted labels.

    Attributes:
        scores: in percent, by name; the first is `main`, that of whole records.
        main: the share of the records that are right, in percent, with its 95 % interval.
        missing, unknown: records without a prediction, which are wrong, and predictions without a record.
        counts: pairs of right and predicted classes: labels, or tags of words.
        rows: a record each, as JSON.
        tuned: the threshold of scope that was found, where it was asked for.
        comparisons: with each of `EvaluateRequest.compare`.
        notes: sentences on labels that the model cannot predict.
    """

    task: str
    source: str
    scores: Mapping[str, float]
    main: Interval
    missing: int
    unknown: int
    counts: Counts
    rows: tuple[Mapping[str, Any], ...]
    tuned: OosThreshold | None = None
    comparisons: tuple[Comparison, ...] = ()
    notes: tuple[str, ...] = ()

    def summary(self) -> dict[str, Any]:
        """The result without its rows, as JSON."""
        return {
            "task": self.task,
            "source": self.source,
            "total": len(self.rows),
            **self.scores,
            "interval": [self.main.low, self.main.high],
            "missing": self.missing,
            "unknown": self.unknown,
            **({"scope": self.tuned.summary()} if self.tuned else {}),
            **({"comparisons": [one.summary() for one in self.comparisons]} if self.comparisons else {}),
        }

    def lines(self, *, slices: bool = False) -> Iterator[str]:
        """The scores, the commonest confusions and the comparisons."""
        if self.tuned:
            yield self.tuned.sentence
        unknown = f", {self.unknown} predictions for other records" if self.unknown else ""
        yield f"{self.source}, {len(self.rows)} records, {self.missing} without a prediction{unknown}"
        width = max(map(len, self.scores))
        for number, (name, value) in enumerate(self.scores.items()):
            interval = "" if number else f"  95 % interval {self.main.low:.2f} to {self.main.high:.2f}"
            yield f"{name.replace('_', ' '):<{width}}  {value:7.3f}{interval}"
        if pairs := confusions(self.counts):
            wrong = sum(one.times for one in pairs)
            yield f"most confused ({wrong} errors in {len(pairs)} pairs):"
            names = [f"{one.gold} as {one.predicted}" for one in pairs[:_SHOWN]]
            for name, one in zip(names, pairs, strict=False):
                yield f"  {name:<{max(map(len, names))}}  {one.times} of {one.total}"
        for comparison in self.comparisons:
            yield from comparison_lines(comparison)


def record_row(record: LabelledRecord, one: LabelPrediction | None) -> dict[str, Any]:
    """A record and its prediction as one row, as JSON."""
    row: dict[str, Any] = {
        "id": record.id,
        "text": record.text,
        "gold": record.label,
        "predicted": one.label if one else None,
    }
    row["right"] = row["gold"] == row["predicted"]
    if isinstance(record, WordsRecord):
        row["words"] = list(record.words)
    return row | ({"probability": one.probability} if one and one.probability is not None else {})


def are_right(records: Sequence[LabelledRecord], found: Labels) -> list[float]:
    """1 for each record whose label was predicted, all tags of it, and 0 for the others."""
    return [float(record.id in found and found[record.id].label == record.label) for record in records]


def write_label_report(
    result: LabelEvaluation, path: Path, *, title: str, facts: Sequence[tuple[str, object]]
) -> tuple[Path, ...]:
    """Write the page, and where something is confused its picture as `NAME.confusion.svg` and `.png`.

    Args:
        facts: what was given, for the page's head; those without a value are left out.
    """
    picture, files = "", tuple[Path, ...]()
    pairs = confusions(result.counts)
    if pairs and all(name.isascii() for pair in result.counts for name in pair):  # the font of pictures has no Chinese
        files = draw_confusion(result.counts, path.with_suffix(".confusion"))
        picture = files[0].read_text(encoding="utf-8")
    wrong = tuple(_wrong(result))
    page = LabelPage(
        title=f"{title}: {len(result.rows) - len(wrong):,} of {len(result.rows):,} right",
        facts=[
            *((name, str(value)) for name, value in facts if value),
            ("qakit", __version__),
        ],
        scores=[(name.replace("_", " "), value) for name, value in result.scores.items()],
        note=f"The first score has the 95 % interval {result.main.low:.2f} to {result.main.high:.2f}. "
        f"{''.join(f'It is {one.sentence}. ' for one in result.comparisons)}"
        f"The picture shows at most {MOST_CLASSES} classes, the list {_LISTED} pairs.",
        picture=picture,
        confusions=pairs[:_LISTED],
        records=wrong,
    )
    write_text(path, render_labels(page))
    return (path, *files)


def _wrong(result: LabelEvaluation) -> Iterator[WrongRecord]:
    for row in result.rows:
        if row["right"]:
            continue
        predicted = row["predicted"] or ""
        words: tuple[WrongWord, ...] = ()
        if "words" in row and predicted:
            parts = zip(row["words"], row["gold"].split(" "), predicted.split(" "), strict=True)
            words = tuple(WrongWord(word, gold, tag if tag != gold else None) for word, gold, tag in parts)
        yield WrongRecord(row["id"], row["text"], row["gold"], predicted, row.get("probability"), words)
