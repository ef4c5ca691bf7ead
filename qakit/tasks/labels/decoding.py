"""From log-probabilities of classes to labels: the likeliest class of a text, Viterbi's tags of a sentence."""

from math import exp

import numpy as np
from numpy.typing import NDArray

from qakit.data.labels import OUT_OF_SCOPE, LabelPrediction
from qakit.spans.viterbi import best_path, bio_rules, log_normaliser, marginals, path_score
from qakit.tasks.labels.scores import LabelScores, LabelScoresInfo

RANKED = 5
"""Classes that a prediction names at least, where there are so many."""

Doubles = NDArray[np.float64]
_OUTSIDE = "O"  # the tag of a word that no tokenizer makes anything of


class LabelDecoder:
    """Base of both decoders: the probability of each class at each place."""

    def __init__(self, info: LabelScoresInfo, ranked: int = RANKED) -> None:
        """`ranked` classes are named at least, where there are so many."""
        self.info = info
        self.ranked = max(RANKED, ranked)
        count = len(info.names)
        rules = bio_rules(info.names) if info.follows_bio else (np.zeros((count, count)), np.zeros(count))
        learnt = np.array(info.transitions) if info.transitions else np.zeros((count + 2, count))
        # Forbidden transitions are -inf in the rules, so that adding the learnt ones keeps them forbidden.
        self.steps = (rules[0] + learnt[:-2], rules[1] + learnt[-2], learnt[-1])

    def probabilities(self, row: LabelScores) -> Doubles:
        """The probability of each class at each place that has a token, shape (P', L)."""
        return np.exp(marginals(filled(row), *self.steps))

    def predict(self, row: LabelScores) -> LabelPrediction:
        """The best class of a text, and the likeliest ones besides; `oos` below the threshold, where there is one."""
        (probabilities,) = self.probabilities(row)
        order = np.argsort(-probabilities, kind="stable")[: self.ranked].tolist()
        ranked = tuple((self.info.names[number], float(probabilities[number])) for number in order)
        threshold = self.info.oos_threshold
        is_outside = threshold is not None and ranked[0][1] < threshold
        return LabelPrediction(row.id, OUT_OF_SCOPE if is_outside else ranked[0][0], ranked, ranked[0][1])


class TagDecoder(LabelDecoder):
    """The best sequence of tags, and the probability of all of it."""

    def predict(self, row: LabelScores) -> LabelPrediction:
        """The tags of a sentence, with spaces between them."""
        scores = filled(row)
        path = best_path(scores, *self.steps)
        tags = iter([self.info.names[label] for label in path])
        label = " ".join(next(tags) if one else _OUTSIDE for one in has_token(row))
        log = path_score(path, scores, *self.steps) - log_normaliser(scores, *self.steps)
        return LabelPrediction(row.id, label, probability=exp(min(log, 0.0)))  # sums may have been rounded up


def has_token(row: LabelScores) -> NDArray[np.bool_]:
    """Whether each place has a token, shape (P,)."""
    return ~np.isnan(row.logs[:, 0])


def filled(row: LabelScores) -> Doubles:
    """The scores of the places that have a token, shape (P', L)."""
    return row.logs[has_token(row)].astype(np.float64)
