"""What ensembles of the same members score on labelled records: any weights, quickly, and which are best."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from qakit.data.records import AnyRecord
from qakit.data.splits import split_by_article
from qakit.errors import ConfigError
from qakit.io import file_error
from qakit.metrics.forward_selection import Counts, forward_selection
from qakit.spans.members import Members

Scored = NDArray[np.float64]
"""Scores of each record in percent, shape (Q, columns)."""
Weights = tuple[float, ...]


@dataclass(frozen=True)
class Labelled:
    """Members' scores of records whose labels are known.

    Attributes:
        names: of the members.
        records: the Q records that have both, in the order of the first scores file.
        metric: how they are scored.
        columns: names of the scores, the most important one first.
        texts: of each record that over which intervals are bootstrapped: its paragraph, or its text.
        score: the scores of the members together, under any weights.
        unscored: labelled records that the scores files do not have.
    """

    names: tuple[str, ...]
    records: tuple[AnyRecord, ...]
    metric: str
    columns: tuple[str, ...]
    texts: tuple[str, ...]
    score: Callable[[Weights], Scored]
    unscored: int
    _scored: dict[Weights, Scored] = field(default_factory=dict)

    def alone(self, member: int) -> Scored:
        """The scores of one member."""
        return self.under(tuple(float(other == member) for other in range(len(self.names))))

    def under(self, weights: Weights) -> Scored:
        """The scores of the members together."""
        if weights not in self._scored:
            self._scored[weights] = self.score(weights)
        return self._scored[weights]

    def best_weights(self, rounds: int, records: NDArray[np.bool_] | None = None) -> Counts:
        """The weights of the highest scores, the first of which counts most, that greedy forward selection finds.

        Args:
            records: on which, shape (Q,); all when not given.
        """

        def score(counts: Counts) -> tuple[float, ...]:
            scored = self.under(tuple(map(float, counts)))
            return tuple((scored if records is None else scored[records]).mean(axis=0).tolist())

        return forward_selection(len(self.names), score, rounds=rounds)

    def folds(self, count: int) -> NDArray[np.int64]:
        """For each record one of `count` parts that share no article, shape (Q,).

        Raises:
            ConfigError: there are fewer articles.
        """
        articles = len({record.article for record in self.records})
        if articles < count:
            raise ConfigError(
                f"the labelled records are of {articles} articles, which cannot be split into {count} parts to score "
                "the weights fairly; give more of them, or --set folds=N"
            )
        parts = split_by_article(self.records, [1 / count] * count, seed=0)
        part_of = {record.id: number for number, part in enumerate(parts) for record in part}
        return np.array([part_of[record.id] for record in self.records])


def shared_records(members: Members[Any, Any], records: Sequence[AnyRecord], files: Sequence[Path]) -> tuple[Any, ...]:
    """The labelled records that scores files have too, in their order.

    Args:
        files: that the records are from, for the message.

    Raises:
        DataError: there is none.
    """
    known = {record.id: record for record in records}
    shared = tuple(known[name] for name in members.ids if name in known)
    if not shared:
        some = next(iter(members.ids), None), next(iter(known), None)
        file = ", ".join(map(str, files)) or "the data"
        message = f"no record has a label in {file}: it has {some[0]!r}, the data {some[1]!r}"
        raise file_error(Path(members.files[0].path), "id", message)
    return shared
