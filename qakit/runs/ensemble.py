"""`ensemble`: one set of answers from several models' scores files; runs without torch."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import islice
from pathlib import Path

import numpy as np

from qakit.config import EnsembleConfig
from qakit.data.formats import read_dataset
from qakit.data.predictions import Prediction, chosen_format, write_outputs
from qakit.metrics.presets import get_preset
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
from qakit.runs.evaluate import References, references_of
from qakit.spans.ensembling import Combined, Ensemble, combine
from qakit.spans.members import Members, open_members
from qakit.spans.scores import QuestionScores, ScoresInfo

_TOGETHER = 256  # questions: their arrays for ten members take some 20 MB
_Members = Members[QuestionScores, ScoresInfo]


@dataclass(frozen=True)
class EnsembleResult:
    """The combined predictions, in the order of the first scores file, and the files that were written.

    `weights` are those given or found, `report` what each member adds where answers are known.
    """

    predictions: tuple[Prediction, ...]
    format: str
    members: tuple[str, ...]
    files: tuple[Path, ...]
    weights: tuple[float, ...] = ()
    report: EnsembleReport | None = None


def ensemble(
    request: EnsembleRequest,
    config: EnsembleConfig,
    *,
    out: Path | None = None,
    format: str | None = None,
    nbest_out: Path | None = None,
) -> EnsembleResult:
    """Combine scores files of the same questions.

    Args:
        format: of the predictions; what the data's contest takes when not given.
        nbest_out: the n-best lists, one JSON object.

    Raises:
        ConfigError: an unknown format, or members or options that cannot be combined.
        DataError: a file that is no scores file, or one of other questions.
    """
    if config.metric:
        get_preset(config.metric)

    def labelled(data: Path, gold: Path | None, members: _Members) -> Labelled:
        return _labelled(request, data, gold, members, config)

    kind = Kind(open_members, labelled)
    members = open_checked(request, config, kind, [out, nbest_out])
    chosen = chosen_format(format, members.infos[0].schema, out)
    weights, report = choose_weights(request, config, members, kind)
    predictions = tuple(_combined(members, how_combined(config), weights))
    files = write_outputs(predictions, out=out, format=chosen, nbest_out=nbest_out)
    names = tuple(info.model for info in members.infos)
    return EnsembleResult(predictions, chosen, names, files, weights, report)


def _combined(members: _Members, how: Combined, weights: Sequence[float]) -> Iterator[Prediction]:
    """The combined answers, some questions at a time."""
    rows = iter(members)
    while questions := list(islice(rows, _TOGETHER)):
        yield from combine(questions, members.infos, how, weights)


def _labelled(
    request: EnsembleRequest, data: Path, gold: Path | None, members: _Members, config: EnsembleConfig
) -> Labelled:
    """The members' scores of a dataset's labelled questions."""
    dataset = read_dataset([data], context=request.context)
    references = references_of(dataset, gold)
    metric = config.metric or references.default_metric
    known = [record for record in dataset if record.id in references.golds]
    records = shared_records(members, known, dataset.files)
    ids = {record.id for record in records}
    best_only = replace(how_combined(config), nbest=1)
    return Labelled(
        names=tuple(map(str, request.scores)),
        records=records,
        metric=metric,
        columns=("em", "f1"),
        texts=tuple(record.paragraphs[record.relevant or 0].text for record in records),
        score=_Scorer(members, ids, references, metric, best_only),
        unscored=len(references.golds) - len(records),
    )


class _Scorer:
    """EM and F1 of the members' answers together, under any weights."""

    def __init__(self, members: _Members, ids: set[str], references: References, metric: str, how: Combined) -> None:
        rows = (row for row in members if row[0].id in ids)
        self._ensembles = []
        while questions := list(islice(rows, _TOGETHER)):
            self._ensembles.append(Ensemble(questions, members.infos, how))
        self._golds, self._preset = references.golds, get_preset(metric)
        self._of_texts: dict[tuple[str, str], tuple[float, float]] = {}

    def __call__(self, weights: Weights) -> Scored:
        found = [prediction for ensemble in self._ensembles for prediction in ensemble.predictions(weights)]
        return 100 * np.array([self._score(prediction) for prediction in found])

    def _score(self, prediction: Prediction) -> tuple[float, float]:
        key = (prediction.id, prediction.text)
        if key not in self._of_texts:
            self._of_texts[key] = self._preset.score(prediction.text, self._golds[prediction.id])
        return self._of_texts[key]
