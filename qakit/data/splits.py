"""Splitting records into parts that share no article, so that no part tells what another asks."""

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from qakit.data.records import Dataset, R
from qakit.errors import ConfigError

_FOLDS_SEED = 0


def split_by_article(records: Sequence[R], shares: Sequence[float], *, seed: int) -> list[list[R]]:
    """Split records into parts of about the given shares of questions; an article is never divided.

    An article is all the records of one title, or of one paragraph where there are no titles, or of one text. Records
    keep their order within a part; which article goes where depends on the seed and the articles alone.

    Raises:
        ConfigError: the shares are no shares, or there are fewer articles than parts.
    """
    if min(shares) <= 0 or abs(sum(shares) - 1) > 1e-6:
        raise ConfigError(f"the shares {', '.join(f'{share:g}' for share in shares)} must be above 0 and add up to 1")
    articles: dict[str, list[R]] = {}
    for record in records:
        articles.setdefault(record.article, []).append(record)
    if len(articles) < len(shares):
        raise ConfigError(f"{len(articles)} articles cannot be split into {len(shares)} parts")
    names = sorted(articles)
    order = [names[number] for number in np.random.default_rng(seed).permutation(len(names))]
    part_of = _assign([len(articles[name]) for name in order], shares)
    parts = dict(zip(order, part_of, strict=True))
    return [[record for record in records if parts[record.article] == part] for part in range(len(shares))]


def held_out(dataset: Dataset[R], fold: int, folds: int) -> tuple[Dataset[R], Dataset[R]]:
    """All but part `fold` (from 1) of `folds` parts, and that part; no article is in both.

    The parts depend on nothing but the data, so that models of other seeds and settings leave out the same questions.

    Raises:
        ConfigError: there are fewer articles than parts.
    """
    part = split_by_article(dataset.records, [1 / folds] * folds, seed=_FOLDS_SEED)[fold - 1]
    left_out = {id(record) for record in part}
    others = tuple(record for record in dataset if id(record) not in left_out)
    return replace(dataset, records=others), replace(dataset, records=tuple(part))


def _assign(sizes: Sequence[int], shares: Sequence[float]) -> list[int]:
    """For each article the part that is furthest below its share, every part getting one at least."""
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
