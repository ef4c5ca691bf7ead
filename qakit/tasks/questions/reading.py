"""Run the models of questions: answers from one paragraph each, and log-probabilities of candidate paragraphs."""

from collections.abc import Iterator, Sequence
from dataclasses import replace
from itertools import pairwise
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from qakit.chunks import chunked
from qakit.config import InferenceSettings, ReadConfig
from qakit.data.predictions import Prediction
from qakit.data.records import Record
from qakit.spans.token_scores import TokenScores
from qakit.spans.windowing import EncodedPairs, Windows, covering_windows, encode_pairs

if TYPE_CHECKING:
    from qakit.modeling.models import LoadedModel

_QUESTIONS = 1024  # whose logits are in memory at once
_SELECTIONS = 512  # questions, of several paragraphs each, that are in memory at once


def read_answers(
    loaded: "LoadedModel", records: Sequence[Record], config: ReadConfig, *, candidates: Sequence[int] | None = None
) -> Iterator[tuple[Prediction, TokenScores]]:
    """Answer each record from one of its paragraphs, in order; the scores are those of all that paragraph's tokens.

    Args:
        candidates: position of the paragraph to read in each record; the relevant or only one when not given.
    """
    from qakit.modeling.processes import map_over_processes

    info, decoder = loaded.info, loaded.info.decoder(config.decoding)
    places = candidates if candidates is not None else [record.relevant or 0 for record in records]

    def answered(share: Sequence[tuple[Record, int]]) -> Iterator[tuple[Prediction, TokenScores]]:
        texts = [(record.question, record.paragraphs[candidate].text) for record, candidate in share]
        pairs = encode_pairs(loaded.tokenizer, texts, loaded.windows_with(config.windows))
        scored = list(score_tokens(loaded, pairs, config.inference, with_null=info.answers_null))
        found = decoder.answers([context for _, context in texts], scored)
        for (record, candidate), scores, answers in zip(share, scored, found, strict=True):
            yield Prediction(record.id, candidate, answers), scores

    for chunk in chunked(zip(records, places, strict=True), _QUESTIONS):
        yield from map_over_processes(chunk, answered, shares=loaded.shares)


def score_tokens(
    loaded: "LoadedModel", pairs: EncodedPairs, settings: InferenceSettings, *, with_null: bool
) -> Iterator[TokenScores]:
    """Start and end logits of every paragraph token of each pair, over all its windows."""
    import torch

    from qakit.modeling.inference import run_windows

    windows = covering_windows(pairs)
    bounds = np.concatenate([[0], np.cumsum(windows.paragraph_lengths)])
    start, end = np.empty((2, bounds[-1]), dtype=np.float32)
    null = np.empty((len(windows), 2), dtype=np.float32)
    runs = run_windows(loaded.model, pairs, windows, pad_id=loaded.tokenizer.pad_token_id, settings=settings)
    for batch, output in runs:
        logits = torch.stack([output.start_logits, output.end_logits]).float().cpu().numpy()
        null[batch.index] = logits[:, :, pairs.frame.null_position].T
        columns = (batch.index, batch.paragraph_offset, batch.paragraph_length)
        for row, (number, offset, length) in enumerate(zip(*columns, strict=True)):
            tokens = slice(bounds[number], bounds[number] + length)
            start[tokens], end[tokens] = logits[:, row, offset : offset + length]
    for scores in tokens_by_pair(pairs, windows, bounds, start, end, null):
        yield scores if with_null else replace(scores, null=None)


def tokens_by_pair(
    pairs: EncodedPairs, windows: Windows, bounds: Any, start: Any, end: Any, null: Any
) -> Iterator[TokenScores]:
    """Cut flat logits of all windows, `bounds` being each window's first, into the questions they belong to."""
    paragraphs, rows = pairs.paragraphs, windows.rows
    first = paragraphs.bounds[rows[:, 1]] + rows[:, 2]
    ends = (first + windows.paragraph_lengths).tolist()
    char_start, char_end = (
        np.concatenate([offsets[:0], *(offsets[low:high] for low, high in zip(first.tolist(), ends, strict=True))])
        for offsets in (paragraphs.starts, paragraphs.ends)
    )
    owned = np.searchsorted(windows.pairs, np.arange(len(pairs) + 1))
    lowest = null[np.lexsort((null.sum(axis=1), windows.pairs))[owned[:-1]]]
    nulls = zip(lowest.sum(axis=1).tolist(), map(tuple, lowest.tolist()), strict=True)
    limits = zip(pairwise(owned.tolist()), pairwise(bounds[owned].tolist()), nulls, strict=True)
    for (first_window, last), (low, high), (score, logits) in limits:
        tokens = slice(low, high)
        columns = start[tokens], end[tokens], char_start[tokens], char_end[tokens]
        yield TokenScores(*columns, bounds[first_window : last + 1] - low, score, logits)


def score_candidates(
    loaded: "LoadedModel", records: Sequence[Record], config: ReadConfig
) -> Iterator[NDArray[np.float64]]:
    """Log-probability of each record's candidates, shape (C,), in order."""
    from qakit.modeling.inference import run_windows
    from qakit.modeling.processes import map_over_processes

    settings = loaded.windows_with(config.windows)
    pad_id = loaded.tokenizer.pad_token_id

    def scored(share: Sequence[Record]) -> Iterator[NDArray[np.float64]]:
        pairs = encode_pairs(loaded.tokenizer, question_candidate_pairs(share), settings)
        windows = covering_windows(pairs)
        best = np.full(len(pairs), -np.inf)
        runs = run_windows(loaded.model, pairs, windows, pad_id=pad_id, settings=config.inference, choices=True)
        for batch, output in runs:
            np.maximum.at(best, windows.pairs[batch.index], output.logits.float().flatten().cpu().numpy())
        for first, end in pairwise(candidate_bounds(share).tolist()):
            yield best[first:end] - np.logaddexp.reduce(best[first:end])

    for chunk in chunked(records, _SELECTIONS):
        yield from map_over_processes(chunk, scored, shares=loaded.shares)


def question_candidate_pairs(records: Sequence[Record]) -> list[tuple[str, str]]:
    """Each question with each of its candidate paragraphs."""
    return [(record.question, paragraph.text) for record in records for paragraph in record.paragraphs]


def candidate_bounds(records: Sequence[Record]) -> NDArray[np.int64]:
    """First candidate of each record among the candidates of all, and their number at the end, shape (records + 1,)."""
    return np.concatenate([[0], np.cumsum([len(record.paragraphs) for record in records])]).astype(np.int64)
