"""Distillation: soft targets from teachers' scores files, aligned to the student's tokens."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from qakit.data.records import Record
from qakit.io import file_error
from qakit.spans.scores import QuestionScores, by_character, read_scores
from qakit.spans.token_scores import Floats, Offsets
from qakit.spans.windowing import EncodedPairs

Teacher = Sequence[NDArray[np.float32]]
"""For each pair, log-probabilities that each paragraph token is the answer's first and its last, shape (2, tokens)."""


def token_teacher(files: Sequence[Path], records: Sequence[Record], pairs: EncodedPairs) -> Teacher:
    """Soft targets for the start and the end of each record's answer, from teachers with any tokenizers.

    A token starts where a teacher's token starts, or it has no score; likewise for ends. Several teachers are averaged
    as probabilities, each normalised over the paragraph first.

    Args:
        pairs: one for each record.

    Raises:
        DataError: a file has no scores of a question, or of another paragraph.
    """
    # All files are checked whole before any target is made: a training must not stop at question 20,000.
    members = [_by_id(file, records) for file in files]
    return [
        _mean([_laid_out(member[record.id], *_offsets(pairs, number)) for member in members])
        for number, record in enumerate(records)
    ]


def candidate_teacher(files: Sequence[Path], records: Sequence[Record]) -> list[NDArray[np.float32]]:
    """Soft targets for paragraph selection: the teachers' log-probability of each candidate, shape (C,).

    Raises:
        DataError: a file has no selection scores of a question, or those of another number of candidates.
    """
    members = [_by_id(file, records, of_candidates=True) for file in files]
    return [
        _mean([np.array(member[record.id].selection, dtype=np.float32) for member in members]) for record in records
    ]


def _by_id(file: Path, records: Sequence[Record], *, of_candidates: bool = False) -> dict[str, QuestionScores]:
    questions, _ = read_scores(file)
    found = {question.id: question for question in questions}
    for record in records:
        scores = found.get(record.id)
        if scores is None:
            raise file_error(file, "id", f"has no scores of question {record.id}, which is in the training data")
        if of_candidates and len(scores.selection) != len(record.paragraphs):
            message = f"has {len(scores.selection)} scores for the {len(record.paragraphs)} candidates of {record.id}"
            raise file_error(file, "selection", message)
        if not of_candidates and scores.context != record.context:
            raise file_error(file, "context", f"scores another paragraph of question {record.id} than the relevant one")
    return found


def _offsets(pairs: EncodedPairs, number: int) -> tuple[Offsets, Offsets]:
    paragraph = pairs.paragraph_of[number]
    tokens = slice(*pairs.paragraphs.bounds[paragraph : paragraph + 2].tolist())
    return pairs.paragraphs.starts[tokens], pairs.paragraphs.ends[tokens]


def _laid_out(scores: QuestionScores, starts: Offsets, ends: Offsets) -> Floats:
    known_starts, start_logits, known_ends, end_logits = by_character(scores.tokens)
    return np.stack([_looked_up(starts, known_starts, start_logits), _looked_up(ends, known_ends, end_logits)])


def _looked_up(positions: Offsets, known: Offsets, logits: Floats) -> Floats:
    values = np.full(len(positions), -np.inf, dtype=np.float32)
    if len(known):
        # Normalised over the teacher's own positions, before those that the student lacks are left out.
        place = np.minimum(np.searchsorted(known, positions), len(known) - 1)
        values = np.where(known[place] == positions, (logits - np.logaddexp.reduce(logits))[place], values)
    return values.astype(np.float32)


def _mean(members: Sequence[Floats]) -> NDArray[np.float32]:
    # The mean of probabilities, in logarithms: a teacher without a boundary here (-inf) does not forbid it.
    total = np.logaddexp.reduce(np.stack(members), axis=0)
    return np.asarray(total - np.log(len(members)), dtype=np.float32)
