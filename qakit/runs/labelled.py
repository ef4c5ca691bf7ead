"""`evaluate` of intents and slots. Scoring predictions needs no torch."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from qakit.config import ReadConfig
from qakit.data.labelled import OUT_OF_SCOPE, LabelledRecord, Schema, SlotRecord, note_on_unknown, read_labelled
from qakit.data.predicted_labels import LabelPrediction
from qakit.errors import ConfigError
from qakit.metrics.comparing import Comparison
from qakit.metrics.confusion import Counts, count_pairs
from qakit.metrics.intents import intent_scores
from qakit.metrics.intervals import Interval, bootstrap
from qakit.metrics.slots import slot_scores
from qakit.runs.comparing import check_compared
from qakit.runs.comparing_labels import Labels, are_right, compare_labels, read_predicted
from qakit.runs.details import check_details, write_details
from qakit.runs.labeller import in_scope_of, label_records, load_labeller
from qakit.runs.outputs import check_outputs
from qakit.spans.label_scores import LabelScoresInfo

if TYPE_CHECKING:
    from qakit.runs.scope import Scope


@dataclass(frozen=True)
class LabelRequest:
    """What to score (`pred` or `model`) on the labelled records of `data`.

    `compare` are predictions or scores files of the same records to compare with. `details` is the file for the rows of
    the result, `report` the page to write. `tune_scope` looks for the threshold below which a text is out of scope, and
    keeps it with the model.
    """

    data: Path
    schema: Schema
    pred: Path | None = None
    model: str | None = None
    compare: tuple[Path, ...] = ()
    details: Path | None = None
    report: Path | None = None
    tune_scope: bool = False
    lenient: bool = False


@dataclass(frozen=True)
class LabelResult:
    """Scores of predicted intents or tags.

    Attributes:
        scores: in percent, by name; the first is `main`, that of whole records.
        main: the share of the records that are right, in percent, with its 95 % interval.
        missing, unknown: records without a prediction, which are wrong, and predictions without a record.
        counts: pairs of right and predicted classes: intents, or tags of words.
        rows: a record each, as JSON.
        scope: what was found where a threshold was asked for.
        comparisons: with each of `LabelRequest.compare`.
        notes: sentences on labels that the model cannot predict.
        files: the report and its pictures, where it was asked for.
    """

    schema: Schema
    source: str
    scores: Mapping[str, float]
    main: Interval
    missing: int
    unknown: int
    counts: Counts
    rows: tuple[Mapping[str, Any], ...]
    scope: "Scope | None" = None
    comparisons: tuple[Comparison, ...] = ()
    notes: tuple[str, ...] = ()
    files: tuple[Path, ...] = ()

    def summary(self) -> dict[str, Any]:
        """The result without its rows, as JSON."""
        return {
            "task": self.schema,
            "source": self.source,
            "total": len(self.rows),
            **self.scores,
            "interval": [self.main.low, self.main.high],
            "missing": self.missing,
            "unknown": self.unknown,
            **({"scope": self.scope.summary()} if self.scope else {}),
            **({"comparisons": [one.summary() for one in self.comparisons]} if self.comparisons else {}),
        }


def evaluate_labels(request: LabelRequest, config: ReadConfig) -> LabelResult:
    """Score predictions, or what a model predicts.

    Raises:
        ConfigError: not one thing to score, no record with a label to score it against, or a threshold of scope where
            none is looked at.
        DataError: a file that cannot be read, predictions of another number of tags than words, or of other records
            where they are to be compared.
    """
    if (request.pred is None) == (request.model is None):
        raise ConfigError("give one thing to score: --pred or --model")
    _check_files(request)
    _check_threshold(request, config)
    data = read_labelled([request.data], request.schema, lenient=request.lenient)
    records: Sequence[LabelledRecord] = [record for record in data if record.label is not None]
    if not records:
        raise ConfigError(f"--data {request.data}: no record has a label to score against")
    scope = None
    if request.pred:
        found = read_predicted(request.pred, request.schema, records)
        known = {record.id for record in data}
        result = _scored(
            request.schema, "predictions", records, found, unknown=sum(name not in known for name in found)
        )
    else:
        from qakit.tasks.labelled import scores_info

        loaded = load_labeller(request.model or "", request.schema, config)
        if request.tune_scope:
            from qakit.runs.scope import tune_scope

            loaded, scope = tune_scope(loaded, records, config)
        info = scores_info(loaded)
        notes = _notes(info, records)
        judged = in_scope_of(info, records)
        found = {one.id: one for one in label_records(loaded, judged, config)}
        result = replace(_scored(request.schema, "model", judged, found), scope=scope, notes=notes)
    score, right = next(iter(result.scores)), [float(row["right"]) for row in result.rows]
    compared = (compare_labels(path, score, request.schema, records, right) for path in request.compare)
    result = replace(result, comparisons=tuple(compared))
    return replace(result, files=_write(request, result))


def _notes(info: LabelScoresInfo, records: Sequence[LabelledRecord]) -> tuple[str, ...]:
    """A sentence where labels are none of the model's; with a threshold they are out of scope, as `oos` is."""
    has_scope = info.oos_threshold is not None
    note = note_on_unknown(records, {*info.names, OUT_OF_SCOPE} if has_scope else info.names)
    return (note + ("; they count as out of scope" if has_scope else ""),) if note else ()


def _check_files(request: LabelRequest) -> None:
    if request.tune_scope and not (request.model and request.schema == "intent"):
        raise ConfigError("--tune oos: is for a --model of intents")
    if request.details:
        check_details(request.details)
    if request.report:
        from qakit.runs.report import check_report

        check_report(request.report)
    check_compared(request.compare)
    check_outputs([request.details, request.report], filter(None, (request.pred, request.data, *request.compare)))


def _check_threshold(request: LabelRequest, config: ReadConfig) -> None:
    if config.decoding.oos_threshold is None:
        return
    if request.pred:
        raise ConfigError("decoding.oos_threshold: is for a --model; the labels of --pred are given")
    if request.tune_scope:
        raise ConfigError("decoding.oos_threshold: is what --tune oos finds; give one of them")


def _write(request: LabelRequest, result: LabelResult) -> tuple[Path, ...]:
    """Write details and report where they are asked for; gives the files of the report."""
    if request.details:
        write_details(result.rows, request.details)
    if not request.report:
        return ()
    from qakit.runs.label_report import write_label_report

    facts = {"Model": request.model, "Predictions": request.pred, "Data": request.data}
    return write_label_report(result, request.report, facts=facts)


def _scored(
    schema: Schema,
    source: str,
    records: Sequence[LabelledRecord],
    found: Labels,
    *,
    unknown: int = 0,
) -> LabelResult:
    golds = [record.label or "" for record in records]
    given = [found.get(record.id) for record in records]
    labels = [one.label if one else None for one in given]
    if schema == "intent":
        scores = intent_scores(golds, [one.names if one else () for one in given])
        known = [(gold, label) for gold, label in zip(golds, labels, strict=True) if label is not None]
    else:
        tags = [
            (gold.split(" "), None if label is None else label.split(" "))
            for gold, label in zip(golds, labels, strict=True)
        ]
        scores = slot_scores(*zip(*tags, strict=True))
        known = [pair for gold, label in tags if label is not None for pair in zip(gold, label, strict=True)]
    return LabelResult(
        schema=schema,
        source=source,
        scores=scores,
        main=Interval(
            *(100.0 * value for value in bootstrap(are_right(records, found), [record.text for record in records]))
        ),
        missing=labels.count(None),
        unknown=unknown,
        counts=count_pairs(*zip(*known, strict=True)) if known else count_pairs((), ()),
        rows=tuple(_row(record, one) for record, one in zip(records, given, strict=True)),
    )


def _row(record: LabelledRecord, one: LabelPrediction | None) -> dict[str, Any]:
    row: dict[str, Any] = {
        "id": record.id,
        "text": record.text,
        "gold": record.label,
        "predicted": one.label if one else None,
    }
    row["right"] = row["gold"] == row["predicted"]
    if isinstance(record, SlotRecord):
        row["words"] = list(record.words)
    return row | ({"probability": one.probability} if one and one.probability is not None else {})
