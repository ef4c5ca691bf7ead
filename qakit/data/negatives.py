"""Candidate paragraphs for questions that come with one: what paragraph selection trains on outside ADL's files."""

from collections.abc import Iterable, Sequence
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from qakit.config import Negatives
from qakit.data.bm25 import BigramIndex
from qakit.data.records import Paragraph, Record

Rank = NDArray[np.int64]


def add_candidates(records: Sequence[Record], *, count: int, method: Negatives, seed: int) -> list[Record]:
    """Give every record of one paragraph `count` candidates, its own at a random place; others stay as they are.

    The negatives are paragraphs of the other records. `bm25` takes those that share most character bigrams with the
    question, `article` those of the same article first and then as `bm25`, `random` any. The result depends on the
    records and the seed alone. Where there are too few paragraphs, a record gets all of them.
    """
    pool = list({paragraph.text: paragraph for record in records for paragraph in record.paragraphs}.values())
    alone = [record for record in records if len(record.paragraphs) == 1]
    if not alone:
        return list(records)
    generator = np.random.default_rng(seed)
    ranks = iter(_rank(alone, pool, count, method, generator))
    return [
        _mixed(record, pool, next(ranks), count, generator) if len(record.paragraphs) == 1 else record
        for record in records
    ]


def _rank(
    records: Sequence[Record], pool: Sequence[Paragraph], count: int, method: Negatives, generator: np.random.Generator
) -> Iterable[Rank]:
    """For each record the numbers of the paragraphs to take, best first; its own may be among them."""
    if method == "random":
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


def _mixed(record: Record, pool: Sequence[Paragraph], rank: Rank, count: int, generator: np.random.Generator) -> Record:
    own = record.paragraphs[0]
    negatives = [pool[number] for number in rank.tolist() if pool[number].text != own.text][: count - 1]
    place = int(generator.integers(len(negatives) + 1))
    return replace(record, paragraphs=(*negatives[:place], own, *negatives[place:]), relevant=place)
