"""Ensembles of models for questions, whatever their tokenizers, through the one decoder.

`mean` averages by character position: log-probabilities (a geometric mean, in which every member may forbid), or
probabilities (in which any member may propose). What length priors add to a span is averaged too. `vote` lets each
member's best text count once. Members may have weights; one whose weight is 0 is left out.
"""

from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Generic, Literal, TypeVar

import numpy as np
from numpy.typing import NDArray

from qakit.data.predictions import Prediction
from qakit.errors import ConfigError
from qakit.io import file_error
from qakit.spans.character_grid import Average, CharacterGrid, build_grid
from qakit.spans.decoder import cut_answers
from qakit.spans.decoding import Spans, decode_batch
from qakit.spans.scores import HasId, HasModel, QuestionScores, ScoresInfo, ScoresSource, read_ids
from qakit.spans.token_lengths import LengthRule, Ruler
from qakit.spans.token_scores import TokenScores

Method = Literal["mean", "vote"]
Weights = Sequence[float]
Rows = Sequence[Sequence[QuestionScores]]


@dataclass(frozen=True)
class Combined:
    """The method of an ensemble: see `qakit.config.EnsembleConfig`."""

    method: Method = "mean"
    average: Average = "log"
    nbest: int = 1


def combine(
    questions: Rows, infos: Sequence[ScoresInfo], how: Combined = Combined(), weights: Weights | None = None
) -> list[Prediction]:
    """The combined answers of each question, with equal weights when none are given; see `Ensemble`."""
    return Ensemble(questions, infos, how).predictions([1.0] * len(infos) if weights is None else weights)


def decode_scores(question: QuestionScores, info: ScoresInfo, nbest: int) -> Prediction:
    """The answers of one question of one scores file: those that its model predicted."""
    return decode_questions([question], info, nbest)[0]


def decode_questions(questions: Sequence[QuestionScores], info: ScoresInfo, nbest: int) -> list[Prediction]:
    """The same of many questions of one file, which takes a fraction of the time."""
    found = decode_batch(
        [question.tokens for question in questions],
        max_length=info.max_answer_length,
        nbest=nbest,
        temperature=info.temperature,
        bonus=info.length_bonus,
    )
    return [
        Prediction(
            question.id,
            question.candidate,
            cut_answers(question.context, spans, null=question.tokens.null, null_threshold=info.null_threshold),
        )
        for question, spans in zip(questions, found, strict=True)
    ]


class Ensemble:
    """The members' scores of some questions, to be combined with any weights."""

    def __init__(self, questions: Rows, infos: Sequence[ScoresInfo], how: Combined) -> None:
        """Lay out the questions.

        Args:
            questions: for each its scores of every member.
            infos: what each member's file says of itself.
        """
        self._how = how
        self._questions = questions
        self._infos = tuple(infos)
        self._ids = [row[0].id for row in questions]
        self._grid = build_grid(questions, infos, how.average) if how.method == "mean" else None
        self._own: dict[int, list[Prediction]] = {}

    def alone(self, member: int) -> list[Prediction]:
        """The predictions of one member."""
        if member not in self._own:
            nbest = self._how.nbest if self._how.method == "mean" else 1
            own = [row[member] for row in self._questions]
            self._own[member] = decode_questions(own, self._infos[member], nbest)
        return self._own[member]

    def predictions(self, weights: Weights) -> list[Prediction]:
        """The combined answers of every question.

        Raises:
            ConfigError: weights that are none, or members that read different paragraphs without selection scores.
        """
        relative = relative_weights(weights)
        members = [member for member, weight in enumerate(relative) if weight > 0]
        counting = [relative[member] for member in members]
        if len(members) == 1:
            return self.alone(members[0])
        if self._grid is None:
            ballots = zip(*map(self.alone, members), strict=True)
            return [vote(row, counting, self._how.nbest) for row in ballots]
        return self._means(self._grid, members, counting)

    def _means(self, grid: CharacterGrid, members: list[int], weights: list[float]) -> list[Prediction]:
        chosen = _choose_paragraphs(grid, members, weights, self._ids)
        readers = grid.reads[members][:, chosen]
        averaged = grid.averaged(members, weights)
        # Questions whose chosen paragraph was read by the same members have the same thresholds and length rules, so
        # each such pattern, a column of (M, Q), is decoded as one batch.
        patterns, pattern_of = np.unique(readers, axis=1, return_inverse=True)
        found: dict[int, Prediction] = {}
        for pattern in np.flatnonzero(patterns.sum(axis=0) > 1).tolist():
            reads = patterns[:, pattern]
            own = {member: self._infos[member] for member in np.array(members)[reads].tolist()}
            shares = _shares(list(own.values()), np.array(weights)[reads])
            threshold = float(shares @ [info.null_threshold for info in own.values()])
            group = np.flatnonzero(pattern_of.ravel() == pattern).tolist()
            scores = {chosen[question]: averaged[chosen[question]] for question in group}
            spans = _best_spans(grid, scores, _rules(grid, own, shares), self._how.nbest)
            for question, (paragraph, one), best in zip(group, scores.items(), spans, strict=True):
                answers = cut_answers(grid.paragraphs[paragraph].context, best, null=one.null, null_threshold=threshold)
                found[question] = Prediction(self._ids[question], grid.paragraphs[paragraph].candidate, answers)
        # A paragraph that one member alone read has that member's own answers: nothing is averaged.
        first = np.array(members)[readers.argmax(axis=0)].tolist()
        return [found.get(question) or self.alone(member)[question] for question, member in enumerate(first)]


def relative_weights(weights: Weights) -> tuple[float, ...]:
    """The weights over the largest one: equal ones are 1 exactly, whatever they were.

    Raises:
        ConfigError: one is negative, or none is above 0.
    """
    if min(weights) < 0 or not max(weights) > 0:
        listed = ",".join(f"{weight:g}" for weight in weights)
        raise ConfigError(f"weights {listed}: expected numbers of 0 or more, one of them at least above 0")
    return tuple(weight / max(weights) for weight in weights)


def _shares(infos: Sequence[ScoresInfo], weights: NDArray[np.float64]) -> NDArray[np.float64]:
    """The share of each member's settings in those of the average.

    A bonus or threshold is on the scale of a member's logits; averaged log-probabilities are logits over temperature.
    """
    temperatures = np.array([info.temperature for info in infos], dtype=np.float64)
    return np.asarray(weights / weights.sum() / temperatures)


def _rules(grid: CharacterGrid, own: Mapping[int, ScoresInfo], shares: NDArray[np.float64]) -> dict[int, LengthRule]:
    """The lengths that members allow, and what these add, by the first of the members that have the same tokens.

    A span may be as long as the longest of any member, and has the weighted mean of what they add.
    """
    same: dict[int, list[tuple[ScoresInfo, float]]] = {}
    for (member, info), share in zip(own.items(), shares.tolist(), strict=True):
        first = next((other for other in same if grid.numbers[other] is grid.numbers[member]), member)
        same.setdefault(first, []).append((info, share))
    return {member: _rule(told) for member, told in same.items()}


def _rule(told: Sequence[tuple[ScoresInfo, float]]) -> LengthRule:
    """The common rule of members with the same tokens: the longest length, and the weighted sum of their bonuses."""
    # Priors of different sizes: a shorter one goes on with its last entry, as in decoding.
    size = max(len(info.length_bonus) for info, _ in told)
    total = np.zeros(size)
    for info, share in told:
        bonus = info.length_bonus or (0.0,)
        total += share * np.array([*bonus, *bonus[-1:] * (size - len(bonus))][:size])
    return LengthRule(max(info.max_answer_length for info, _ in told), tuple(total.tolist()))


def _best_spans(
    grid: CharacterGrid, averaged: Mapping[int, TokenScores], rules: Mapping[int, LengthRule], nbest: int
) -> list[Spans]:
    """The best spans of averaged paragraphs; each member counts lengths in its own tokens."""
    longest = max(rule.max_length for rule in rules.values())
    if len(rules) == 1:
        # All members that read have the same tokens, so lengths can be counted in pieces, without rulers.
        [(member, rule)] = rules.items()
        if grid.numbers[member].apart:  # the pieces are its tokens
            return decode_batch([*averaged.values()], max_length=longest, nbest=nbest, bonus=rule.bonus)
    scores = [
        replace(
            one, rulers=tuple(Ruler(rule, *grid.numbered(paragraph, one, member)) for member, rule in rules.items())
        )
        for paragraph, one in averaged.items()
    ]
    return decode_batch(scores, max_length=longest, nbest=nbest)


def _choose_paragraphs(
    grid: CharacterGrid, members: list[int], weights: list[float], ids: Sequence[str]
) -> NDArray[np.int64]:
    """For each question, of the grid that some member read, the one that the selectors prefer; ties go to the first.

    Raises:
        ConfigError: there are several, and not all members have selection scores.
    """
    owners = np.array([paragraph.question for paragraph in grid.paragraphs])
    eligible = grid.reads[members].any(axis=0)
    counts = np.bincount(owners, eligible, minlength=len(ids))
    chosen = np.searchsorted(owners, np.arange(len(ids)))
    chosen[owners[eligible][::-1]] = np.flatnonzero(eligible)[::-1]  # the first eligible one is written last
    if (counts < 2).all():  # every question was read from one paragraph: nothing to choose
        return chosen
    preferences = np.where(eligible, grid.preferences(members, weights), -np.inf)
    for question in np.flatnonzero(counts > 1).tolist():
        first, stop = np.searchsorted(owners, [question, question + 1])
        if np.isnan(preferences[first:stop]).any():
            raise ConfigError(
                f"question {ids[question]}: the scores files read different paragraphs, and not all of them hold "
                "selection scores; predict them all with --selector"
            )
        chosen[question] = first + int(preferences[first:stop].argmax())
    return chosen


def vote(ballots: Sequence[Prediction], weights: Weights, nbest: int) -> Prediction:
    """The text of the most votes; ties go to the higher sum of probabilities, then to the earlier member.

    A text's score is the sum of the weights of the members that give it, which is their number where weights are
    equal; its probability is the weighted mean over all members. A text stands where the first member that gave it
    found it; after the winner come only texts of the winner's paragraph. A member without any answer has no vote.
    """
    first: dict[str, Prediction] = {}
    votes: dict[str, list[tuple[float, float]]] = {}
    for ballot, weight in zip(ballots, weights, strict=True):
        for answer in ballot.answers[:1]:
            first.setdefault(answer.text, ballot)
            votes.setdefault(answer.text, []).append((weight, weight * answer.probability))
    if not votes:
        return ballots[0]
    sums = {
        text: (sum(weight for weight, _ in given), sum(share for _, share in given)) for text, given in votes.items()
    }
    ranking = sorted(sums, key=lambda text: (-sums[text][0], -sums[text][1]))  # stable: earlier member first
    candidate = first[ranking[0]].candidate
    listed = [text for text in ranking if first[text].candidate == candidate]
    answers = tuple(
        first[text].answers[0]._replace(score=sums[text][0], probability=sums[text][1] / sum(weights))
        for text in listed[:nbest]
    )
    return Prediction(ballots[0].id, candidate, answers)


Row = TypeVar("Row", bound=HasId)
Info = TypeVar("Info", bound=HasModel)


@dataclass(frozen=True)
class Members(Generic[Row, Info]):
    """Scores files that hold the same records.

    Attributes:
        ids: of the records, in the order of the first file.
        aligned: for each file, whether it has them in that order; others are held in memory whole.
        check: raises where the rows of a record, one a file, cannot be of the same data: two files that number their
            records from 0 may have the same ids.
    """

    files: tuple[ScoresSource[Row, Info], ...]
    ids: tuple[str, ...]
    aligned: tuple[bool, ...]
    check: Callable[[Sequence[Path], Sequence[Row]], None]

    @property
    def infos(self) -> tuple[Info, ...]:
        """The head of each file."""
        return tuple(file.info for file in self.files)

    def __iter__(self) -> Iterator[list[Row]]:
        """For every record its row in each file.

        Raises:
            DataError: a file is damaged, or of other data than another one.
        """
        paths = [file.path for file in self.files]
        for row in zip(*map(self._ordered, self.files, self.aligned), strict=True):
            self.check(paths, row)
            yield list(row)

    def _ordered(self, file: ScoresSource[Row, Info], aligned: bool) -> Iterator[Row]:
        if aligned:
            return file.rows()
        # Another order than the first file's: this file is held in memory, and its rows are given out once each.
        found = {row.id: row for row in file.rows()}
        return (found.pop(name) for name in self.ids)


def open_members(
    paths: Sequence[Path],
    open_file: Callable[[Path], ScoresSource[Row, Info]],
    check: Callable[[Sequence[Path], Sequence[Row]], None],
) -> Members[Row, Info]:
    """Open scores files of any kind that hold the same records.

    Args:
        check: raises where the rows of one record, one a file, cannot be of the same data.

    Raises:
        DataError: a file lacks records of the first one, or has others.
        ConfigError: the same file twice.
    """
    if len({path.resolve() for path in paths}) < len(paths):
        raise ConfigError("the same scores file is named twice: " + ", ".join(map(str, paths)))
    files = tuple(map(open_file, paths))
    order, *others = map(_distinct_ids, paths)
    for path, ids in zip(paths[1:], others, strict=True):
        if ids != order:
            _check_same_records(order, ids, paths[0], path)
    return Members(files, tuple(order), (True, *(ids == order for ids in others)), check)


def _distinct_ids(path: Path) -> list[str]:
    ids = read_ids(path)
    if not ids:
        raise file_error(path, "id", "has none: the file holds no record")
    if len(set(ids)) < len(ids):
        twice = next(name for name, times in Counter(ids).items() if times > 1)
        raise file_error(path, "id", f"{twice!r} stands twice; expected each record once")
    return ids


def _check_same_records(expected: Sequence[str], found: Sequence[str], first: Path, other: Path) -> None:
    missing = sorted(set(expected) - set(found))
    extra = sorted(set(found) - set(expected))
    if missing or extra:
        message = f"has other records than {first}: {_some(missing)} missing, {_some(extra)} more"
        raise file_error(other, "id", message)


def _some(ids: Sequence[str]) -> str:
    return f"{len(ids)} ({', '.join(ids[:3])})" if ids else "none"
