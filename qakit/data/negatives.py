"""Negative candidates for paragraph selection, for questions that come with one paragraph only."""

from collections.abc import Iterable, Sequence
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from qakit.config import Negatives
from qakit.data.bm25 import BigramIndex
from qakit.data.records import Paragraph, Record

Rank = NDArray[np.int64]


def add_candidates(records: Sequence[Record], *, count: int, method: Negatives, seed: int) -> list[Record]:
    """Give every record with one paragraph `count` candidates, its own at a random position; others stay as they are.

    Negatives are paragraphs of other records. If there are too few of them, a record gets all. The result depends on
    the records and the seed alone.

    Args:
        count: candidates of a question, its own paragraph included.
        method: `bm25` takes the paragraphs nearest to the question, `article` those of the same article before these,
            `random` any.
    """
    pool = list({paragraph.text: paragraph for record in records for paragraph in record.paragraphs}.values())
    single = [record for record in records if len(record.paragraphs) == 1]
    if not single:
        return list(records)
    generator = np.random.default_rng(seed)
    ranks = iter(_rank(single, pool, count, method, generator))
    return [
        _mix(record, pool, next(ranks), count, generator) if len(record.paragraphs) == 1 else record
        for record in records
    ]


def _rank(
    records: Sequence[Record], pool: Sequence[Paragraph], count: int, method: Negatives, generator: np.random.Generator
) -> Iterable[Rank]:
    """For each record the numbers of the best paragraphs, best first; its own may be among them."""
    if method == "random":
        # One more than needed, here and below: the record's own paragraph may be among them.
        return (generator.permutation(len(pool))[: count + 1] for _ in records)
    index = BigramIndex([paragraph.text for paragraph in pool])
    nearest = (index.nearest(record.question, count + 1)[0] for record in records)
    if method == "bm25":
        return nearest
    return _same_article_first(records, pool, nearest)


def _same_article_first(
    records: Sequence[Record], pool: Sequence[Paragraph], nearest: Iterable[Rank]
) -> Iterable[Rank]:
    members: dict[str, list[int]] = {}
    for number, paragraph in enumerate(pool):
        members.setdefault(paragraph.title, []).append(number)
    for record, others in zip(records, nearest, strict=True):
        title = record.paragraphs[0].title
        own = members[title] if title else []
        yield np.array([*own, *(number for number in others if number not in own)], dtype=np.int64)


def _mix(record: Record, pool: Sequence[Paragraph], rank: Rank, count: int, generator: np.random.Generator) -> Record:
    own = record.paragraphs[0]
    negatives = [pool[number] for number in rank.tolist() if pool[number].text != own.text][: count - 1]
    place = int(generator.integers(len(negatives) + 1))
    return replace(record, paragraphs=(*negatives[:place], own, *negatives[place:]), relevant=place)
