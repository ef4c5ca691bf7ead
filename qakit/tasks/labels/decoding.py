"""From scores of classes to labels: the likeliest intent of a text, the best tags of a sentence."""

from math import exp

import numpy as np
from numpy.typing import NDArray

from qakit.data.labels import OUT_OF_SCOPE, LabelPrediction
from qakit.spans.viterbi import best_path, bio_rules, log_normaliser, marginals, path_score
from qakit.tasks.labels.scores import LabelScores, LabelScoresInfo

RANKED = 5
"""Intents that a prediction names at least, where there are so many."""

Doubles = NDArray[np.float64]
_OUTSIDE = "O"  # the tag of a word that no tokenizer makes anything of


class LabelDecoder:
    """Reads the labels off scores."""

    def __init__(self, info: LabelScoresInfo, ranked: int = RANKED) -> None:
        """`ranked` intents are named at least, where there are so many."""
        self.info = info
        self._ranked = max(RANKED, ranked)
        count = len(info.names)
        rules = bio_rules(info.names) if info.follows_bio else (np.zeros((count, count)), np.zeros(count))
        learnt = np.array(info.transitions) if info.transitions else np.zeros((count + 2, count))
        self._steps = (rules[0] + learnt[:-2], rules[1] + learnt[-2], learnt[-1])

    def predict(self, row: LabelScores) -> LabelPrediction:
        """The best label of a record; of an intent the likeliest ones besides."""
        return self._intent(row) if self.info.task == "intent" else self._tags(row)

    def probabilities(self, row: LabelScores) -> Doubles:
        """The probability of each class at each place that has a token, shape (P', L)."""
        return np.exp(marginals(_filled(row), *self._steps))

    def _intent(self, row: LabelScores) -> LabelPrediction:
        (probabilities,) = self.probabilities(row)
        order = np.argsort(-probabilities, kind="stable")[: self._ranked].tolist()
        ranked = tuple((self.info.names[number], float(probabilities[number])) for number in order)
        threshold = self.info.oos_threshold
        is_outside = threshold is not None and ranked[0][1] < threshold
        return LabelPrediction(row.id, OUT_OF_SCOPE if is_outside else ranked[0][0], ranked, ranked[0][1])

    def _tags(self, row: LabelScores) -> LabelPrediction:
        scores = _filled(row)
        path = best_path(scores, *self._steps)
        tags = iter([self.info.names[label] for label in path])
        label = " ".join(next(tags) if one else _OUTSIDE for one in _has_token(row))
        log = path_score(path, scores, *self._steps) - log_normaliser(scores, *self._steps)
        return LabelPrediction(row.id, label, probability=exp(min(log, 0.0)))  # sums may have been rounded up


def _has_token(row: LabelScores) -> NDArray[np.bool_]:
    return ~np.isnan(row.logs[:, 0])


def _filled(row: LabelScores) -> Doubles:
    """The scores of the places that have a token."""
    return row.logs[_has_token(row)].astype(np.float64)
