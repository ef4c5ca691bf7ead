"""What ensembles of the same members score on labelled questions: any weights, quickly, and which are best."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cached_property
from itertools import islice
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from qakit.data.records import Dataset, Record
from qakit.data.splits import split_by_article
from qakit.errors import ConfigError
from qakit.io import file_error
from qakit.metrics.forward_selection import Counts, forward_selection
from qakit.metrics.presets import get_preset
from qakit.runs.evaluate import References
from qakit.spans.answers import Prediction
from qakit.spans.ensembling import Combined, Ensemble
from qakit.spans.members import Members

Scored = NDArray[np.float64]
"""EM and F1 of each question in percent, shape (Q, 2)."""
Weights = tuple[float, ...]
TOGETHER = 256  # questions: their arrays for ten members take some 20 MB


@dataclass(frozen=True)
class Labelled:
    """Members' scores of questions whose answers are known.

    Attributes:
        records: of the Q questions that have both, in the order of the first scores file.
        ensembles: of `TOGETHER` questions each.
        unscored: labelled questions that the scores files do not have.
    """

    names: tuple[str, ...]
    records: tuple[Record, ...]
    references: References
    metric: str
    ensembles: tuple[Ensemble, ...]
    unscored: int
    _scored: dict[Weights, Scored] = field(default_factory=dict)
    _of_texts: dict[tuple[str, str], tuple[float, float]] = field(default_factory=dict)

    def alone(self, member: int) -> Scored:
        """The scores of one member."""
        return self.under(tuple(float(other == member) for other in range(len(self.names))))

    def under(self, weights: Weights) -> Scored:
        """The scores of the members together."""
        if weights not in self._scored:
            found = [prediction for ensemble in self.ensembles for prediction in ensemble.predictions(weights)]
            self._scored[weights] = 100 * np.array([self._score(prediction) for prediction in found])
        return self._scored[weights]

    def _score(self, prediction: Prediction) -> tuple[float, float]:
        key = (prediction.id, prediction.text)
        if key not in self._of_texts:
            golds = self.references.golds[prediction.id]
            self._of_texts[key] = get_preset(self.metric).score(prediction.text, golds)
        return self._of_texts[key]

    @cached_property
    def paragraphs(self) -> list[str]:
        """Of each question the paragraph that it is asked about."""
        return [record.paragraphs[record.relevant or 0].text for record in self.records]

    def best_weights(self, rounds: int, questions: NDArray[np.bool_] | None = None) -> Counts:
        """The weights of highest EM, then F1, that greedy forward selection finds.

        Args:
            questions: on which, shape (Q,); all when not given.
        """

        def score(counts: Counts) -> tuple[float, ...]:
            scored = self.under(tuple(map(float, counts)))
            return tuple((scored if questions is None else scored[questions]).mean(axis=0).tolist())

        return forward_selection(len(self.names), score, rounds=rounds)

    def folds(self, count: int) -> NDArray[np.int64]:
        """For each question one of `count` parts that share no article, shape (Q,).

        Raises:
            ConfigError: there are fewer articles.
        """
        articles = len({record.article for record in self.records})
        if articles < count:
            raise ConfigError(
                f"the labelled questions are of {articles} articles, which cannot be split into {count} parts to score "
                "the weights fairly; give more questions, or --set folds=N"
            )
        parts = split_by_article(self.records, [1 / count] * count, seed=0)
        part_of = {record.id: number for number, part in enumerate(parts) for record in part}
        return np.array([part_of[record.id] for record in self.records])


def labelled(
    members: Members, names: Sequence[str], dataset: Dataset, references: References, how: Combined, metric: str | None
) -> Labelled:
    """The members' scores of a dataset's labelled questions.

    Raises:
        DataError: the scores files have none of them.
    """
    metric = metric or references.default_metric
    get_preset(metric)
    golds = references.golds
    records = {record.id: record for record in dataset if record.id in golds}
    shared = tuple(records[name] for name in members.ids if name in records)
    if not shared:
        file = ", ".join(map(str, dataset.files)) or "the data"
        some = next(iter(members.ids), None), next(iter(records), None)
        message = f"no question has an answer in {file}: it has {some[0]!r}, the data {some[1]!r}"
        raise file_error(Path(members.files[0].path), "id", message)
    rows = (row for row in members if row[0].id in records)
    ensembles = []
    while questions := list(islice(rows, TOGETHER)):
        ensembles.append(Ensemble(questions, members.infos, how))
    return Labelled(tuple(names), shared, references, metric, tuple(ensembles), len(golds) - len(shared))
