"""From log-probabilities of classes to labels: the likeliest class of a text, Viterbi's tags of a sentence."""

from collections.abc import Iterator, Sequence
from dataclasses import replace
from itertools import pairwise
from math import exp

import numpy as np
from numpy.typing import NDArray

from qakit.data.labels import OUT_OF_SCOPE, LabelPrediction
from qakit.spans.character_grid import LEAST, Average
from qakit.spans.ensembling import Combined, Weights, relative_weights
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


class LabelEnsemble:
    """The members' scores of some records, to be combined with any weights."""

    def __init__(
        self,
        rows: Sequence[Sequence[LabelScores]],
        infos: Sequence[LabelScoresInfo],
        how: Combined,
        decoder: type[LabelDecoder],
    ) -> None:
        """Take in the scores.

        Args:
            rows: for each record its scores of every member.
            infos: what each member's file says of itself.
            decoder: reads labels off scores.
        """
        self._decoder = decoder
        self._rows, self._infos, self._how = rows, tuple(infos), how
        # A vote has to know what each member thinks of every intent.
        self._decoders = [decoder(info, len(info.names) if how.method == "vote" else how.nbest) for info in infos]
        self._own: dict[int, list[LabelPrediction]] = {}
        self._bounds = np.append(0, np.cumsum([len(row[0].logs) for row in rows]))
        self._values = [self._values_of(member) for member in range(len(infos))] if how.method == "mean" else []

    def alone(self, member: int) -> list[LabelPrediction]:
        """The predictions of one member."""
        if member not in self._own:
            self._own[member] = [self._decoders[member].predict(row[member]) for row in self._rows]
        return self._own[member]

    def predictions(self, weights: Weights) -> list[LabelPrediction]:
        """The combined label of every record.

        Raises:
            ConfigError: weights that are none.
        """
        members, counting = _counting(weights)
        if len(members) == 1:
            return [self._shortened(one) for one in self.alone(members[0])]
        if self._how.method == "vote":
            ballots = zip(*map(self.alone, members), strict=True)
            return [self._shortened(vote_on_labels(row, counting)) for row in ballots]
        decoder = self._decoder(_together(self._of(members), counting, self._how.average), self._how.nbest)
        return list(map(decoder.predict, self._means(members, counting, decoder.info.names)))

    def _shortened(self, one: LabelPrediction) -> LabelPrediction:
        """The prediction with as many intents as are asked for."""
        return replace(one, ranked=one.ranked[: max(RANKED, self._how.nbest)])

    def _of(self, members: Sequence[int]) -> list[LabelScoresInfo]:
        return [self._infos[member] for member in members]

    def _values_of(self, member: int) -> Doubles:
        """The numbers of a member that are averaged, logs or probabilities of all places, shape (P, L)."""
        values = np.concatenate([row[member].logs for row in self._rows]).astype(np.float64)
        if self._how.average == "probability":
            decoder = self._decoders[member]
            own = [decoder.probabilities(row[member]) for row in self._rows]
            values[~np.isnan(values[:, 0])] = np.concatenate(own)
        return values

    def _means(self, members: Sequence[int], weights: Weights, names: Sequence[str]) -> Iterator[LabelScores]:
        """The mean of the members' scores of each record; at each word over those that have a token there."""
        values = np.stack([_under(names, self._values[member], self._infos[member].names) for member in members])
        shares = ~np.isnan(values[:, :, 0]) * np.array(weights)[:, None]
        with np.errstate(invalid="ignore"):  # a word that is nothing to all of them stays so
            means = np.nansum(values * shares[:, :, None], axis=0) / shares.sum(axis=0)[:, None]
        logs = means if self._how.average == "log" else np.log(np.maximum(means, LEAST))
        for row, (first, end) in zip(self._rows, pairwise(self._bounds.tolist()), strict=True):
            yield replace(row[0], logs=logs[first:end])


def _counting(weights: Weights) -> tuple[list[int], list[float]]:
    """The members that count, and their weights over the largest one."""
    relative = relative_weights(weights)
    members = [member for member, weight in enumerate(relative) if weight > 0]
    return members, [relative[member] for member in members]


def _together(infos: Sequence[LabelScoresInfo], weights: Weights, average: Average) -> LabelScoresInfo:
    """The head of the scores that a mean of members has.

    Classes are those of all; a threshold is the mean of theirs, if all have one; sequences are well-formed if those
    of one member are; and transitions are averaged where log-probabilities are.
    """
    names = tuple(dict.fromkeys(name for info in infos for name in info.names))
    thresholds = [info.oos_threshold for info in infos if info.oos_threshold is not None]
    together = replace(
        infos[0],
        names=names,
        follows_bio=any(info.follows_bio for info in infos),
        oos_threshold=float(np.average(thresholds, weights=weights)) if len(thresholds) == len(infos) else None,
        transitions=(),
    )
    if average == "probability" or not any(info.transitions for info in infos):
        return together
    learnt = np.average([_transitions(info, names) for info in infos], axis=0, weights=weights)
    return replace(together, transitions=tuple(map(tuple, learnt.tolist())))


def _transitions(info: LabelScoresInfo, names: Sequence[str]) -> Doubles:
    """The transitions between these classes; 0 where there are none."""
    if not info.transitions:
        return np.zeros((len(names) + 2, len(names)))
    learnt = _under(names, np.array(info.transitions), info.names)
    between = _under(names, learnt[:-2].T, info.names).T
    return np.concatenate([between, learnt[-2:]])


def _under(names: Sequence[str], values: Doubles, own: Sequence[str]) -> Doubles:
    """Columns in the order of other names; a name that is not there has the lowest value of its row."""
    if tuple(names) == tuple(own):
        return values
    place = {name: number for number, name in enumerate(own)}
    lowest = values.min(axis=1)
    return np.stack([values[:, place[name]] if name in place else lowest for name in names], axis=1)


def vote_on_labels(ballots: Sequence[LabelPrediction], weights: Weights) -> LabelPrediction:
    """The label of the most votes; ties go to the higher sum of probabilities, then to the earlier member.

    A label's probability is the weighted mean over all members; intents are ranked by it. One that a threshold put out
    of scope has none, so it loses ties; of other tags than the best a member tells none.
    """
    votes: dict[str, float] = {}
    means: dict[str, float] = {}
    for ballot, weight in zip(ballots, weights, strict=True):
        votes[ballot.label] = votes.get(ballot.label, 0.0) + weight
        for name, probability in ballot.ranked or [(ballot.label, ballot.probability or 0.0)]:
            means[name] = means.get(name, 0.0) + weight * probability / sum(weights)
    label = max(votes, key=lambda name: (votes[name], means.get(name, 0.0)))  # of equal ones the first
    ranked = sorted(means.items(), key=lambda one: -one[1]) if ballots[0].ranked else ()
    return LabelPrediction(ballots[0].id, label, tuple(ranked), means.get(label))
