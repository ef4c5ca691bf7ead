"""Splitting by article: every record once, in order; no article in two parts; shares as near as articles allow."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from qakit.data.records import Paragraph, Record
from qakit.data.splits import split_by_article
from qakit.errors import ConfigError

SHARES = (0.8, 0.1, 0.1)
SIZES = st.lists(st.integers(1, 6), min_size=3, max_size=30)


def records_of(sizes: list[int]) -> list[Record]:
    """So many questions on each article, the articles taking turns."""
    rounds = [
        (number, turn) for turn in range(max(sizes, default=0)) for number, size in enumerate(sizes) if turn < size
    ]
    return [
        Record(f"{article}-{turn}", "何處？", (Paragraph(f"{article}/{turn}", f"第{turn}段", f"t{article}"),), 0)
        for article, turn in rounds
    ]


@given(sizes=SIZES, seed=st.integers(0, 99), shares=st.sampled_from([SHARES, (0.5, 0.25, 0.25), (0.34, 0.33, 0.33)]))
def test_every_record_is_in_one_part_in_order_and_no_article_in_two(
    sizes: list[int], seed: int, shares: tuple[float, ...]
):
    items = records_of(sizes)
    parts = split_by_article(items, shares, seed=seed)
    places = {item.id: number for number, item in enumerate(items)}
    assert sorted(item.id for part in parts for item in part) == sorted(places)
    for part in parts:
        assert part
        order = [places[item.id] for item in part]
        assert order == sorted(order)
    articles = [{item.article for item in part} for part in parts]
    assert sum(map(len, articles)) == len(set.union(*articles)) == len(sizes)
    assert split_by_article(items, shares, seed=seed) == parts


@given(sizes=st.lists(st.integers(1, 6), min_size=60, max_size=80), seed=st.integers(0, 99))
def test_shares_are_met_to_within_one_article(sizes: list[int], seed: int):
    items = records_of(sizes)
    parts = split_by_article(items, SHARES, seed=seed)
    for part, share in zip(parts, SHARES, strict=True):
        assert abs(len(part) - share * len(items)) <= 2 * max(sizes)


def test_another_seed_makes_another_split():
    items = records_of([1] * 30)
    first, second = (split_by_article(items, SHARES, seed=seed) for seed in (1, 2))
    assert first != second


def test_the_order_of_the_articles_does_not_decide():
    items = records_of([2] * 12)
    forward, backward = (split_by_article(order, SHARES, seed=5) for order in (items, items[::-1]))
    assert [{item.id for item in part} for part in forward] == [{item.id for item in part} for part in backward]


def test_a_paragraph_without_a_title_is_its_own_article():
    items = [Record(str(n), "何處？", (Paragraph(str(n), f"第{n // 2}段"),), 0) for n in range(6)]
    parts = split_by_article(items, (0.4, 0.3, 0.3), seed=0)
    assert sorted([item.context for item in part] for part in parts) == [["第0段"] * 2, ["第1段"] * 2, ["第2段"] * 2]


def test_the_article_is_that_of_the_relevant_paragraph():
    paragraphs = (Paragraph("1", "甲", "first"), Paragraph("2", "乙", "second"))
    assert Record("q", "何處？", paragraphs, relevant=1).article == "second"
    assert Record("q", "何處？", paragraphs).article == "first"


@pytest.mark.parametrize("shares", [(0.8, 0.1, 0.2), (0.8, 0.2, 0.0), (1.2, -0.1, -0.1), (80, 10, 10)])
def test_shares_that_are_none_are_refused(shares: tuple[float, ...]):
    with pytest.raises(ConfigError, match="add up to 1"):
        split_by_article(records_of([1] * 9), shares, seed=0)


def test_fewer_articles_than_parts_are_refused():
    with pytest.raises(ConfigError, match="2 articles cannot be split into 3 parts"):
        split_by_article(records_of([5, 5]), SHARES, seed=0)
