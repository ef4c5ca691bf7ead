"""Annotators against each other."""

import pytest

from qakit.metrics.analysis import agreement


def test_each_annotator_is_scored_against_the_others():
    golds = {"1": ["甲", "甲"], "2": ["甲乙", "甲"], "3": ["甲", "甲", "乙"], "4": ["甲"], "5": []}
    found = agreement(golds, dict.fromkeys(golds, "p"), "adl")
    # 1: both right; 2: neither, F1 of 甲乙 and 甲 is 2/3; 3: two of three.
    assert found is not None
    assert found.total == 3
    assert found.em.mean == pytest.approx(100 * (1 + 0 + 2 / 3) / 3)
    assert found.f1.mean == pytest.approx(100 * (1 + 2 / 3 + 2 / 3) / 3)


def test_the_preset_decides_what_is_equal():
    golds = {"1": ["《甲》", "甲"]}
    assert agreement(golds, {"1": "p"}, "drcd").em.mean == 100
    assert agreement(golds, {"1": "p"}, "adl").em.mean == 0


def test_one_annotator_agrees_with_nobody():
    assert agreement({"1": ["甲"], "2": []}, {"1": "p", "2": "p"}, "adl") is None
