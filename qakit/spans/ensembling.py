"""Combining the scores files of several models, whatever their tokenizers, through the one decoder.

`mean` averages log-probabilities by character position, each member normalised over the question first, so that no
member counts for more because its logits are larger; a temperature that was fitted comes before that. `vote` lets each
member's best text count once.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace

import numpy as np

from qakit.errors import ConfigError
from qakit.spans.answers import Prediction, cut_answers
from qakit.spans.decoding import Floats, Offsets, TokenScores, best_spans, log_sum_exp
from qakit.spans.scores import QuestionScores, ScoresInfo, by_character

Combine = Callable[[Sequence[QuestionScores], Sequence[ScoresInfo], int], Prediction]


def decode_scores(question: QuestionScores, info: ScoresInfo, nbest: int) -> Prediction:
    """The answers of one question of one scores file: those that its model predicted."""
    length, temperature, bonus = info.max_answer_length, info.temperature, info.length_bonus
    spans = best_spans(question.tokens, max_length=length, nbest=nbest, temperature=temperature, bonus=bonus)
    answers = cut_answers(question.context, spans, null=question.tokens.null, null_threshold=info.null_threshold)
    return Prediction(question.id, question.candidate, answers)


def mean(members: Sequence[QuestionScores], infos: Sequence[ScoresInfo], nbest: int) -> Prediction:
    """The answers of highest mean log-probability in the paragraph that the members' selectors prefer together.

    A position at which a member has no token boundary gets that member's lowest score; a position without any member's
    boundary is no candidate. Members that read another paragraph take part in its choice only. A single member that
    reads it answers as its model did. Each member's logits are divided by its temperature; what the members know of
    the lengths of answers, in tokens of their own, is left out.
    """
    candidate = _preferred_candidate(members)
    readers = [index for index, member in enumerate(members) if member.candidate == candidate]
    read, told = [members[index] for index in readers], [infos[index] for index in readers]
    if len(read) == 1:
        return decode_scores(read[0], told[0], nbest)
    context = read[0].context
    tempered = [_tempered(member.tokens, info.temperature) for member, info in zip(read, told, strict=True)]
    scores = _mean_scores(tempered, len(context))
    spans = best_spans(scores, max_length=max(info.max_answer_characters for info in told), nbest=nbest)
    threshold = float(np.mean([info.null_threshold / info.temperature for info in told]))
    return Prediction(read[0].id, candidate, cut_answers(context, spans, null=scores.null, null_threshold=threshold))


def vote(members: Sequence[QuestionScores], infos: Sequence[ScoresInfo], nbest: int) -> Prediction:
    """The text that most members give; ties go to the higher sum of probabilities, then to the earlier member.

    A text's score is its number of votes, its probability the mean over all members. A text stands where the first
    member that gave it found it; after the winner come only texts of the winner's paragraph. A member without any
    answer has no vote.
    """
    ballots = [decode_scores(member, info, 1) for member, info in zip(members, infos, strict=True)]
    first: dict[str, Prediction] = {}
    votes: dict[str, list[float]] = {}
    for ballot in ballots:
        for answer in ballot.answers[:1]:
            first.setdefault(answer.text, ballot)
            votes.setdefault(answer.text, []).append(answer.probability)
    if not votes:
        return ballots[0]
    ranking = sorted(votes, key=lambda text: (-len(votes[text]), -sum(votes[text])))  # stable: earlier member first
    candidate = first[ranking[0]].candidate
    listed = [text for text in ranking if first[text].candidate == candidate]
    answers = tuple(
        first[text].answers[0]._replace(score=float(len(votes[text])), probability=sum(votes[text]) / len(members))
        for text in listed[:nbest]
    )
    return Prediction(members[0].id, candidate, answers)


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


def _tempered(tokens: TokenScores, temperature: float) -> TokenScores:
    """The scores divided by the temperature."""
    if temperature == 1.0:
        return tokens
    factor = np.float32(1 / temperature)
    null = None if tokens.null is None else tokens.null / temperature
    return replace(tokens, start=tokens.start * factor, end=tokens.end * factor, null=null)


def _mean_scores(members: Sequence[TokenScores], size: int) -> TokenScores:
    """The mean log-probabilities at each of the `size` characters of a context, as one window of characters."""
    parts = [by_character(member) for member in members]
    start = _mean_at([(places, values) for places, values, _, _ in parts], size)
    end = _mean_at([(places - 1, values) for _, _, places, values in parts], size)
    index = np.arange(size, dtype=np.int32)
    return TokenScores(start, end, index, index + 1, np.array([0, size]), _mean_null(parts, members))


def _mean_at(members: Sequence[tuple[Offsets, Floats]], size: int) -> Floats:
    """Mean log-probability by character: a member's lowest where it has no position, -inf where no member has."""
    total = np.zeros(size, dtype=np.float64)
    known = np.zeros(size, dtype=np.bool_)
    for positions, logits in members:
        values = logits - log_sum_exp(logits)
        dense = np.full(size, values[np.isfinite(values)].min(initial=0.0))
        dense[positions] = values
        total += dense
        known[positions] = True
    return np.where(known, total / len(members), -np.inf).astype(np.float32)


def _mean_null(
    parts: Sequence[tuple[Offsets, Floats, Offsets, Floats]], members: Sequence[TokenScores]
) -> float | None:
    """The mean null score, on the scale of the members' log-probabilities; None where a member has none."""
    nulls = [
        member.null - log_sum_exp(start) - log_sum_exp(end)
        for member, (_, start, _, end) in zip(members, parts, strict=True)
        if member.null is not None
    ]
    return float(np.mean(nulls)) if len(nulls) == len(members) else None
