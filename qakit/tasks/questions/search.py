"""Open-corpus question answering: BM25 shortlist, selector if there is one, then read."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from qakit.chunks import chunked
from qakit.config import ReadConfig
from qakit.data.corpus import Corpus, Passage
from qakit.data.predictions import PredictedAnswer
from qakit.data.records import Record
from qakit.tasks.questions.two_stage import Selection, choose_paragraphs, ranked_jointly, read_paragraphs

if TYPE_CHECKING:
    from qakit.modeling.models import LoadedModel

BM25_WEIGHT = 2.0
"""What a passage's log-probability, a softmax over the BM25 scores of the shortlist, weighs beside a span's score."""

_CHUNK = 64  # questions, each with a shortlist of passages, that are in memory at once


@dataclass(frozen=True, slots=True)
class Found:
    """An answer and the passage that its offsets count in; its probability is over all passages that were read."""

    answer: PredictedAnswer
    passage: Passage


def search(
    records: Iterable[Record],
    corpus: Corpus,
    reader: "LoadedModel",
    config: ReadConfig,
    *,
    selector: "LoadedModel | None" = None,
) -> Iterator[tuple[Found, ...]]:
    """The best answers to each record's question, best first, from the corpus: its own paragraphs are not looked at.

    With a selector, so many of the shortlist are read as where a record has several paragraphs; without one all of
    them, and their BM25 scores stand for the selector's. Memory does not grow with the records.

    Yields:
        At most `nbest` answers, beside a first one with an empty text where the reader sees none; nothing at all where
        no passage shares two characters in a row with the question.
    """
    for chunk in chunked(records, _CHUNK):
        yield from _search_chunk(chunk, corpus, reader, config, selector)


def _search_chunk(
    chunk: Sequence[Record], corpus: Corpus, reader: "LoadedModel", config: ReadConfig, selector: "LoadedModel | None"
) -> Iterator[tuple[Found, ...]]:
    decoding = config.decoding
    shortlists = [corpus.shortlist(record.question, decoding.shortlist) for record in chunk]
    asked = [
        Record(record.id, record.question, tuple(passage.paragraph for passage, _ in shortlist))
        for record, shortlist in zip(chunk, shortlists, strict=True)
        if shortlist
    ]
    if selector:
        selections = choose_paragraphs(asked, selector, config)
        count, weight = reader.info.joint(decoding)
    else:
        selections = [log_softmax([score for _, score in shortlist]) for shortlist in shortlists if shortlist]
        count, weight = decoding.shortlist, BM25_WEIGHT if decoding.joint_weight is None else decoding.joint_weight
    decoder = reader.info.decoder(decoding)
    readings = read_paragraphs(asked, selections, reader, config, count=count)
    for shortlist in shortlists:
        ranked = ranked_jointly(next(readings), weight, decoder) if shortlist else []
        found = [Found(answer, shortlist[option.prediction.candidate][0]) for option, answer in ranked]
        has_none = bool(found) and not found[0].answer.text
        yield tuple(found[: decoding.nbest + has_none])


def log_softmax(scores: Sequence[float]) -> Selection:
    """BM25 scores as log-probabilities of the passages of a shortlist."""
    return tuple((np.array(scores) - np.logaddexp.reduce(scores)).tolist())
