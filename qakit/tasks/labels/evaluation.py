"""`evaluate` of intents and slots. Scoring predictions needs no torch."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from math import exp, log
from pathlib import Path
from typing import TYPE_CHECKING, Any

from qakit import __version__
from qakit.config import ReadConfig
from qakit.data.labels import (
    OUT_OF_SCOPE,
    LabelledRecord,
    LabelPrediction,
    Schema,
    SlotRecord,
    note_on_unknown,
    read_labelled,
    read_labels,
)
from qakit.errors import ConfigError, DataError, Problem
from qakit.io import check_details, check_outputs, file_error, write_details, write_json, write_text
from qakit.metrics.comparison import Comparison, compare
from qakit.metrics.confusion import Counts, confusions, count_pairs
from qakit.metrics.intents import intent_scores
from qakit.metrics.intervals import Interval, bootstrap
from qakit.metrics.slots import slot_scores
from qakit.modeling.info import INFO_FILE
from qakit.modeling.models import LoadedModel
from qakit.report.confusion import MOST_CLASSES, draw_confusion
from qakit.report.label_report import LabelPage, WrongRecord, WrongWord, render_labels
from qakit.spans.character_grid import LEAST
from qakit.spans.fitting import fit_null_threshold
from qakit.spans.scores import is_scores_file
from qakit.tasks.labels.base import decoded, in_scope_of, label_records, load_labeller
from qakit.tasks.labels.decoding import LabelDecoder
from qakit.tasks.labels.intent import score_texts
from qakit.tasks.labels.scores import LabelScoresFile, LabelScoresInfo, is_label_scores_file, open_label_scores
from qakit.tasks.questions.evaluation import check_compared
from qakit.tasks.questions.tuning import own_folder

if TYPE_CHECKING:
    pass

Labels = Mapping[str, LabelPrediction]


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
        from qakit.tasks.labels.base import scores_info

        loaded = load_labeller(request.model or "", request.schema, config)
        if request.tune_scope:
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
        from qakit.tasks.questions.report import check_report

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


def read_predicted(path: Path, schema: Schema, records: Sequence[LabelledRecord]) -> Labels:
    """The predictions of a file, by id.

    Raises:
        DataError: the file cannot be read, or has another number of tags than a record has words; all are named.
    """
    found = read_labels(path, schema)
    problems = []
    for record in records:
        one, right = found.get(record.id), (record.label or "").split(" ")
        if isinstance(record, SlotRecord) and one and len(one.label.split(" ")) != len(right):
            message = f"has {len(one.label.split(' '))} tags for {len(right)} words; expected one a word"
            problems.append(Problem(str(path), f"id {record.id}", "tags", message))
    if problems:
        raise DataError(problems)
    return found


def are_right(records: Sequence[LabelledRecord], found: Labels) -> list[float]:
    """1 for each record whose label was predicted, all tags of it, and 0 for the others."""
    return [float(record.id in found and found[record.id].label == record.label) for record in records]


def compare_labels(
    path: Path, score: str, schema: Schema, records: Sequence[LabelledRecord], right: Sequence[float]
) -> Comparison:
    """Compare what was predicted with the predictions, or the scores file, of another system.

    Args:
        score: what the share of right records is called.
        records: as the data have them: where systems have a threshold of scope, each is judged by its own.
        right: what `are_right` says of the one that is scored.

    Raises:
        DataError: the file cannot be read, is of other texts, or shares no id with the records.
    """
    if is_scores_file(path):
        raise file_error(path, "file", f"has scores of questions, and the data are of {schema}")
    judged: Sequence[LabelledRecord] = records
    if is_label_scores_file(path):
        file = open_label_scores(path)
        judged, other = in_scope_of(file.info, records), _decoded(file, schema, records)
    else:
        other = read_predicted(path, schema, records)
    missing = sum(record.id not in other for record in records)
    if missing == len(records):
        theirs = next(iter(other), None)
        raise file_error(path, "id", f"no id is one of the data's: it has {theirs!r}, the data {records[0].id!r}")
    groups = [record.text for record in records]
    return compare(str(path), {score: right}, {score: are_right(judged, other)}, groups, missing=missing)


def _decoded(file: LabelScoresFile, schema: Schema, records: Sequence[LabelledRecord]) -> Labels:
    if file.info.task != schema:
        raise file_error(file.path, "task", f"has scores of the task {file.info.task}, and the data are of {schema}")
    texts = {record.id: record.text for record in records}
    decoder, found = LabelDecoder(file.info), dict[str, LabelPrediction]()
    for row in file.rows():
        if row.id in found:
            raise file_error(file.path, "id", f"{row.id!r} stands twice")
        if row.text != texts.get(row.id, row.text):
            raise file_error(file.path, "text", f"that of {row.id} is another one than in the data")
        found[row.id] = decoder.predict(row)
    return found


@dataclass(frozen=True)
class Scope:
    """A threshold, and the accuracy, in percent, on the texts that it was found on, without it and with it."""

    threshold: float
    outside: int
    total: int
    before: float
    after: float

    def summary(self) -> dict[str, Any]:
        """As JSON."""
        return {name: getattr(self, name) for name in self.__dataclass_fields__}


def tune_scope(loaded: LoadedModel, records: Sequence[Any], config: ReadConfig) -> tuple[LoadedModel, Scope]:
    """Find the threshold of the highest accuracy over all texts, in scope and out of it, and keep it with the model.

    Out of scope are the texts with the intent `oos`, and those with an intent that the model does not have.

    Raises:
        ConfigError: the data has no such text, or nothing else; or the model is in no folder of the user's.
    """
    folder = own_folder(loaded.source)
    known = set(loaded.model.config.label2id) - {OUT_OF_SCOPE}
    outside = [record.label not in known for record in records]
    if all(outside) or not any(outside):
        raise ConfigError(
            "--tune oos: the data needs texts of intents that the model has, and others: of the intent oos, or of "
            "intents that were left out of its training"
        )
    # With a threshold of 0 nothing is out of scope that the model does not find so by itself.
    plain = replace(loaded, info=loaded.info.model_copy(update={"oos_threshold": None}))
    found = list(decoded(plain, score_texts(plain, records, config)))
    leads = [-log(max(one.ranked[0][1], LEAST)) for one in found]
    golds = [OUT_OF_SCOPE if out else record.label for out, record in zip(outside, records, strict=True)]
    answered = [float(one.label == gold) for one, gold in zip(found, golds, strict=True)]
    empty = [float(out) for out in outside]
    lead = fit_null_threshold(leads, [(one, one) for one in answered], [(one, one) for one in empty])
    threshold = min(1.0, exp(-lead))
    after = [none if value > lead else one for value, one, none in zip(leads, answered, empty, strict=True)]
    info = loaded.info.model_copy(update={"oos_threshold": threshold})
    write_json(folder / INFO_FILE, info.model_dump(mode="json"))
    scope = Scope(threshold, sum(outside), len(records), _percent(answered), _percent(after))
    return replace(loaded, info=info), scope


def _percent(values: Sequence[float]) -> float:
    return 100.0 * sum(values) / len(values)


_LISTED = 30  # confusions
_NAMES = {"intent": "Intents", "slots": "Slots"}


def write_label_report(result: LabelResult, path: Path, *, facts: Mapping[str, Any]) -> tuple[Path, ...]:
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
        title=f"{_NAMES[result.schema]}: {len(result.rows) - len(wrong):,} of {len(result.rows):,} right",
        facts=[
            *((name, str(value)) for name, value in facts.items() if value),
            ("Date", str(datetime.now().astimezone().date())),
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


def _wrong(result: LabelResult) -> Iterator[WrongRecord]:
    for row in result.rows:
        if row["right"]:
            continue
        predicted = row["predicted"] or ""
        words: tuple[WrongWord, ...] = ()
        if result.schema == "slots" and predicted:
            parts = zip(row["words"], row["gold"].split(" "), predicted.split(" "), strict=True)
            words = tuple(WrongWord(word, gold, tag if tag != gold else None) for word, gold, tag in parts)
        yield WrongRecord(row["id"], row["text"], row["gold"], predicted, row.get("probability"), words)
