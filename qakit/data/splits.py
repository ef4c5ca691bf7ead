"""Splits of records into parts that share no article, so that no part leaks into another."""

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from qakit.data.records import Dataset, R
from qakit.errors import ConfigError

_FOLDS_SEED = 0


def split_by_article(records: Sequence[R], shares: Sequence[float], *, seed: int) -> list[list[R]]:
    """Split records into parts of about the given shares of records; an article is never divided.

    An article is all records with the same `article`: the title, else the paragraph, or the text of an intent. Records
    keep their order within a part. The part of an article depends only on the seed and the articles.

    Args:
        shares: above 0, with a sum of 1.

    Raises:
        ConfigError: wrong shares, or fewer articles than parts.
    """
    if min(shares) <= 0 or abs(sum(shares) - 1) > 1e-6:
        raise ConfigError(f"the shares {', '.join(f'{share:g}' for share in shares)} must be above 0 and add up to 1")
    articles: dict[str, list[R]] = {}
    for record in records:
        articles.setdefault(record.article, []).append(record)
    if len(articles) < len(shares):
        raise ConfigError(
            f"{len(articles)} articles cannot be split into {len(shares)} parts: a part needs an article of its own"
        )
    names = sorted(articles)  # so that the order of the records does not matter
    order = [names[number] for number in np.random.default_rng(seed).permutation(len(names))]
    part_of = _assign([len(articles[name]) for name in order], shares)
    parts = dict(zip(order, part_of, strict=True))
    return [[record for record in records if parts[record.article] == part] for part in range(len(shares))]


def held_out(dataset: Dataset[R], fold: int, folds: int) -> tuple[Dataset[R], Dataset[R]]:
    """Divide a dataset for cross-validation: all but part `fold` (from 1) of `folds` parts, and that part.

    No article is in both. The parts depend on the data alone, so that models of other seeds and settings hold out the
    same questions.

    Raises:
        ConfigError: fewer articles than parts.
    """
    part = split_by_article(dataset.records, [1 / folds] * folds, seed=_FOLDS_SEED)[fold - 1]
    left_out = {id(record) for record in part}  # by object: hashing whole records would hash all their texts
    others = tuple(record for record in dataset if id(record) not in left_out)
    return replace(dataset, records=others), replace(dataset, records=tuple(part))


def _assign(sizes: Sequence[int], shares: Sequence[float]) -> list[int]:
    """The part of each article: greedily the one furthest below its share, with at least one article for each part."""
    total = sum(sizes)
    filled = [0] * len(shares)
    result: list[int] = []
    for number, size in enumerate(sizes):
        empty = [part for part, count in enumerate(filled) if not count]
        only_empty = len(sizes) - number <= len(empty)
        choice = empty if only_empty else range(len(shares))
        part = max(choice, key=lambda part: shares[part] - filled[part] / total)
        filled[part] += size
        result.append(part)
    return result
