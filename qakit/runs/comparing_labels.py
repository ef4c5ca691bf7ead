"""`evaluate --compare` of intents and slots, and the prediction files that are scored."""

from collections.abc import Mapping, Sequence
from pathlib import Path

from qakit.data.labelled import LabelledRecord, Schema, SlotRecord
from qakit.data.predicted_labels import LabelPrediction, read_labels
from qakit.errors import DataError, Problem
from qakit.io import file_error
from qakit.metrics.comparing import Comparison, compare
from qakit.runs.labeller import in_scope_of
from qakit.spans.label_scores import LabelScoresFile, is_label_scores_file, open_label_scores
from qakit.spans.labelling import LabelDecoder
from qakit.spans.scores import is_scores_file

Labels = Mapping[str, LabelPrediction]


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
