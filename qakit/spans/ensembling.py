"""Combining the scores files of several models, whatever their tokenizers, through the one decoder.

`mean` averages log-probabilities by character position, each member normalised over the question first, so that no
member counts for more because its logits are larger. `vote` lets each member's best text count once.
"""

from collections.abc import Callable, Mapping, Sequence

import numpy as np

from qakit.errors import ConfigError
from qakit.spans.answers import PredictedAnswer, Prediction, cut_answers
from qakit.spans.decoding import Floats, Offsets, TokenScores, best_spans, log_sum_exp
from qakit.spans.scores import QuestionScores, ScoresInfo

Combine = Callable[[Sequence[QuestionScores], Sequence[ScoresInfo], int], Prediction]


def decode_scores(question: QuestionScores, info: ScoresInfo, nbest: int) -> Prediction:
    """The answers of one question of one scores file."""
    return mean([question], [info], nbest)


def mean(members: Sequence[QuestionScores], infos: Sequence[ScoresInfo], nbest: int) -> Prediction:
    """The answers of highest mean log-probability in the paragraph that the members' selectors prefer together.

    A position at which a member has no token boundary gets that member's lowest score; a position without any member's
    boundary is no candidate. Members that read another paragraph take part in its choice only.
    """
    candidate = _preferred_candidate(members)
    readers = [index for index, member in enumerate(members) if member.candidate == candidate]
    read, told = [members[index] for index in readers], [infos[index] for index in readers]
    context = read[0].context
    size = len(context)
    start = np.mean([_dense(_log_softmax(member.start), member.start_positions, size) for member in read], axis=0)
    end = np.mean([_dense(_log_softmax(member.end), member.end_positions - 1, size) for member in read], axis=0)
    start[~_any_boundary([member.start_positions for member in read], size)] = -np.inf
    end[~_any_boundary([member.end_positions - 1 for member in read], size)] = -np.inf
    index = np.arange(size, dtype=np.int32)
    scores = TokenScores(start, end, index, index + 1, np.array([0, size]), _mean_null(read))
    spans = best_spans(scores, max_length=max(info.max_answer_characters for info in told), nbest=nbest)
    threshold = float(np.mean([info.null_threshold for info in told]))
    return Prediction(read[0].id, candidate, cut_answers(context, spans, null=scores.null, null_threshold=threshold))


def vote(members: Sequence[QuestionScores], infos: Sequence[ScoresInfo], nbest: int) -> Prediction:
    """The text that most members give; ties go to the higher sum of probabilities, then to the earlier member.

    A text's score is its number of votes, its probability the mean over all members.
    """
    ballots = [decode_scores(member, info, 1) for member, info in zip(members, infos, strict=True)]
    first: dict[str, Prediction] = {}
    votes: dict[str, list[float]] = {}
    for ballot in ballots:
        first.setdefault(ballot.text, ballot)
        votes.setdefault(ballot.text, []).append(ballot.answers[0].probability if ballot.answers else 0.0)
    ranking = sorted(votes, key=lambda text: (-len(votes[text]), -sum(votes[text])))  # stable: earlier member first
    answers = tuple(
        PredictedAnswer(text, answer.start, answer.end, float(len(votes[text])), sum(votes[text]) / len(members))
        for text in ranking[:nbest]
        for answer in first[text].answers[:1]
    )
    return Prediction(members[0].id, first[ranking[0]].candidate, answers)


METHODS: Mapping[str, Combine] = {"mean": mean, "vote": vote}


def _preferred_candidate(members: Sequence[QuestionScores]) -> int:
    """Among the paragraphs that some member read, the one of highest mean log-probability; ties go to the first."""
    read = sorted({member.candidate for member in members})
    if len(read) == 1:
        return read[0]
    if any(len(member.selection) <= read[-1] for member in members):
        raise ConfigError(
            f"question {members[0].id}: the scores files read different paragraphs, and not all of them hold "
            "selection scores; predict them all with --selector"
        )
    preference = np.mean([[member.selection[candidate] for candidate in read] for member in members], axis=0)
    return read[int(preference.argmax())]


def _log_softmax(values: Floats) -> Floats:
    return (values - log_sum_exp(values)).astype(np.float32)


def _dense(values: Floats, positions: Offsets, size: int) -> Floats:
    """`values` at their positions, the lowest of them everywhere else."""
    dense = np.full(size, values[np.isfinite(values)].min(initial=0.0), dtype=np.float32)
    dense[positions] = values
    return dense


def _any_boundary(positions: Sequence[Offsets], size: int) -> "np.ndarray[tuple[int], np.dtype[np.bool_]]":
    boundary = np.zeros(size, dtype=np.bool_)
    boundary[np.concatenate(positions)] = True
    return boundary


def _mean_null(members: Sequence[QuestionScores]) -> float | None:
    """The mean null score, on the scale of the members' log-probabilities; None where a member has none."""
    nulls = [
        member.null - log_sum_exp(member.start) - log_sum_exp(member.end)
        for member in members
        if member.null is not None
    ]
    return float(np.mean(nulls)) if len(nulls) == len(members) else None
