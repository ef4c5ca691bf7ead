"""`ensemble` of intents and slots: one set of labels from several models' scores files; runs without torch."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import islice
from pathlib import Path

import numpy as np

from qakit.config import EnsembleConfig
from qakit.data.labels import LabelledRecord, LabelPrediction, Schema, read_labelled
from qakit.io import file_error
from qakit.runs.ensemble_weights import (
    EnsembleReport,
    EnsembleRequest,
    Kind,
    Labelled,
    Scored,
    Weights,
    choose_weights,
    how_combined,
    open_checked,
    shared_records,
)
from qakit.spans.members import Members
from qakit.tasks.labels.base import (
    check_label_outputs,
    in_scope_of,
    refuse_what_questions_have,
    scope_threshold,
    write_label_outputs,
)
from qakit.tasks.labels.ensembling import LabelEnsemble
from qakit.tasks.labels.scores import LabelScores, LabelScoresInfo, open_label_members, open_label_scores

_TOGETHER = 1024  # records whose scores are in memory at once


_Members = Members[LabelScores, LabelScoresInfo]


_METRICS: dict[Schema, str] = {"intent": "accuracy", "slots": "joint_accuracy"}


@dataclass(frozen=True)
class LabelEnsembleResult:
    """The combined labels, in the order of the first scores file, and the files that were written.

    `weights` are those given or found, `report` what each member adds where labels are known.
    """

    schema: Schema
    predictions: tuple[LabelPrediction, ...]
    files: tuple[Path, ...]
    weights: tuple[float, ...]
    report: EnsembleReport | None = None


def ensemble_labels(
    request: EnsembleRequest, config: EnsembleConfig, *, out: Path | None = None, nbest_out: Path | None = None
) -> LabelEnsembleResult:
    """Combine scores files of the same texts.

    Args:
        out: the predictions, CSV `id,intent` or `id,tags`.
        nbest_out: the likeliest intents of each text with their probabilities, one JSON object.

    Raises:
        ConfigError: members or options that cannot be combined, or that only questions have.
        DataError: a file that is no scores file of these tasks, or one of other texts.
    """
    refuse_what_questions_have({"gold": request.gold, "context": request.context, "metric": config.metric})

    def labelled(data: Path, gold: Path | None, members: _Members) -> Labelled:
        return _labelled(request, data, members, config)

    kind = Kind(open_label_members, labelled)
    check_label_outputs(open_label_scores(request.scores[0]).info.task, out, nbest_out)
    members = open_checked(request, config, kind, [out, nbest_out])
    weights, report = choose_weights(request, config, members, kind)
    schema = members.infos[0].task
    predictions = tuple(_combined(members, config, weights))
    write_label_outputs(predictions, schema, out=out, nbest_out=nbest_out)
    return LabelEnsembleResult(schema, predictions, tuple(filter(None, (out, nbest_out))), weights, report)


def _combined(members: _Members, config: EnsembleConfig, weights: Sequence[float]) -> Iterator[LabelPrediction]:
    """The combined labels, some records at a time."""
    rows, infos = iter(members), _infos(members, config)
    while share := list(islice(rows, _TOGETHER)):
        yield from LabelEnsemble(share, infos, how_combined(config)).predictions(weights)


def _infos(members: _Members, config: EnsembleConfig) -> list[LabelScoresInfo]:
    """What each file says of itself, with the threshold of scope that is asked for."""
    thresholds = [scope_threshold(one.task, one.oos_threshold, config.oos_threshold) for one in members.infos]
    return [replace(one, oos_threshold=value) for one, value in zip(members.infos, thresholds, strict=True)]


def _labelled(request: EnsembleRequest, data: Path, members: _Members, config: EnsembleConfig) -> Labelled:
    """The members' scores of a dataset's labelled records: of each whether all of it is right."""
    schema = members.infos[0].task
    dataset = read_labelled([data], schema)
    known = [record for record in dataset if record.label is not None]
    records: tuple[LabelledRecord, ...] = shared_records(members, known, dataset.files)
    ids = {record.id for record in records}
    rows = [row for row in members if row[0].id in ids]
    for record, (row, *_) in zip(records, rows, strict=True):
        if record.text != row.text:
            raise file_error(data, "text", f"that of {record.id} is another one than in {request.scores[0]}")
    ensemble = LabelEnsemble(rows, _infos(members, config), how_combined(config))
    golds = [record.label for record in in_scope_of(ensemble.info, records)]

    def score(weights: Weights) -> Scored:
        found = ensemble.predictions(weights)
        right = [one.label == gold for one, gold in zip(found, golds, strict=True)]
        return 100 * np.array(right, dtype=np.float64)[:, None]

    return Labelled(
        names=tuple(map(str, request.scores)),
        records=records,
        metric=_METRICS[schema],
        columns=(_METRICS[schema],),
        texts=tuple(record.text for record in records),
        score=score,
        unscored=len(known) - len(records),
    )
