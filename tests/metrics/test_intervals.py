"""Intervals hold what they should as often as they say, know groups, and are the same every time."""

import numpy as np
import pytest

from qakit.metrics.calibration import Bin, expected_calibration_error, reliability_curve
from qakit.metrics.intervals import bootstrap, bootstrap_each, resampled_means

# Intervals


def test_the_mean_is_of_all_questions_and_lies_inside():
    interval = bootstrap([100.0, 0.0, 0.0, 100.0, 100.0], "aabbc")
    assert interval.mean == 60.0
    assert interval.low < 60.0 < interval.high


def test_two_groups_have_the_interval_that_can_be_counted_by_hand():
    # Resamples of {1, 1} and {0}: both the first, 1; one of each, 2 of 3 questions; both the second, 0: 1/4, 1/2, 1/4.
    values = [1.0, 1.0, 0.0]
    assert bootstrap(values, ["p", "p", "q"])[1:] == (0.0, 1.0)
    middle = bootstrap(values, ["p", "p", "q"], confidence=0.4)
    assert middle[1:] == (2 / 3, 2 / 3)


def test_questions_that_share_a_paragraph_tell_less_than_as_many_of_their_own():
    scores = [100.0] * 30 + [0.0] * 30
    together = bootstrap(scores, [number // 10 for number in range(60)])
    alone = bootstrap(scores, range(60))
    assert together.high - together.low > 2 * (alone.high - alone.low)


def test_questions_of_their_own_have_the_interval_of_the_normal_law():
    random = np.random.default_rng(0)
    scores = random.normal(50, 10, 400)
    interval = bootstrap(scores.tolist(), range(400))
    error = 1.96 * scores.std() / np.sqrt(400)
    assert interval.high - interval.mean == pytest.approx(error, rel=0.05)
    assert interval.mean - interval.low == pytest.approx(error, rel=0.05)


def test_the_interval_holds_the_truth_about_as_often_as_it_says():
    random = np.random.default_rng(1)
    held = 0
    for trial in range(200):
        paragraphs = random.normal(0, 1, 40)
        scores = (paragraphs[:, None] + random.normal(0, 1, (40, 3))).ravel()
        interval = bootstrap(scores.tolist(), np.repeat(np.arange(40), 3).tolist(), resamples=400, seed=trial)
        held += interval.low <= 0 <= interval.high
    assert 178 <= held <= 198  # of 190 expected; without the groups it would be about 150


def test_the_same_seed_gives_the_same_interval():
    scores, groups = np.random.default_rng(2).normal(size=50).tolist(), range(50)
    first = bootstrap(scores, groups)
    assert bootstrap(scores, groups) == first
    assert bootstrap(scores, groups, seed=1) != first


def test_what_does_not_fit_into_memory_is_drawn_part_by_part(monkeypatch: pytest.MonkeyPatch):
    scores, groups = np.random.default_rng(2).normal(size=50).tolist(), range(50)
    whole = bootstrap(scores, groups)
    monkeypatch.setattr("qakit.metrics.intervals._AT_ONCE", 50 * 999)  # of which 10,000 are no multiple
    assert bootstrap(scores, groups) == pytest.approx(whole, abs=0.02)


def test_equal_scores_have_no_width():
    assert bootstrap([50.0] * 4, "aabb") == (50.0, 50.0, 50.0)


def test_columns_of_the_same_questions_share_their_draws():
    random = np.random.default_rng(3)
    one, other = random.normal(size=(2, 60)).tolist()
    groups = [number // 3 for number in range(60)]
    assert bootstrap_each([one, other], groups) == [bootstrap(one, groups), bootstrap(other, groups)]
    means = resampled_means([one, [2 * value for value in one]], groups)
    assert np.allclose(2 * means[:, 0], means[:, 1], rtol=0, atol=1e-12)


def test_a_slice_is_the_mean_of_its_own_questions_over_draws_of_all_groups():
    # Of groups p and q only p has questions in the slice, so each draw that has any has both of them.
    values = [1.0, 0.0, float("nan"), 1.0]
    columns = bootstrap_each([values, [1.0, 0.0, float("nan"), float("nan")]], "ppqq")
    assert columns[0].mean == pytest.approx(2 / 3)
    assert columns[1] == (0.5, 0.5, 0.5)
    means = resampled_means([[1.0, 0.0, float("nan"), float("nan")]], "ppqq", resamples=400)
    assert 60 < np.isnan(means).sum() < 140  # both draws are q in a quarter of all cases


def test_more_groups_are_drawn_less_often():
    assert len(resampled_means([[1.0] * 50], range(50))) == 10_000
    assert len(resampled_means([[1.0] * 10_000], range(10_000))) == 2_000
    assert len(resampled_means([[1.0] * 50], range(50), resamples=7)) == 7


def test_a_column_of_nothing_is_refused():
    with pytest.raises(ValueError, match="NaN alone"):
        bootstrap_each([[1.0], [float("nan")]], "a")


@pytest.mark.parametrize(("scores", "groups"), [([], ""), ([1.0], "ab")])
def test_scores_need_a_group_each(scores: list[float], groups: str):
    with pytest.raises(ValueError, match="a group for each"):
        bootstrap(scores, groups)


@pytest.mark.parametrize("confidence", [0.0, 1.0, 95.0])
def test_a_confidence_is_a_share(confidence: float):
    with pytest.raises(ValueError, match="between 0 and 1"):
        bootstrap([1.0], "a", confidence=confidence)


# Calibration


def test_the_calibration_error_is_the_gap_of_each_bin_by_its_share():
    # Two bins of two: the first is sure of 0.2 and right in half of all cases, the second sure of 0.9 and always right.
    assert expected_calibration_error([0.2, 0.2, 0.9, 0.9], [1, 0, 1, 1], bins=2) == pytest.approx(
        100 * (0.3 + 0.1) / 2
    )


def test_gaps_of_one_bin_cancel_and_of_two_do_not():
    assert expected_calibration_error([0.6, 0.9], [1, 0.5], bins=1) == pytest.approx(0)
    assert expected_calibration_error([0.6, 0.9], [1, 0.5], bins=4) == pytest.approx(40)


def test_the_edge_of_a_bin_belongs_to_the_bin_below_and_zero_to_the_first():
    assert expected_calibration_error([0.0, 0.5], [0, 1], bins=2) == pytest.approx(25)
    assert expected_calibration_error([0.5, 1.0], [1, 0.5], bins=2) == pytest.approx(50)


def test_no_answer_has_no_calibration_error():
    assert expected_calibration_error([], []) == 0.0


def test_the_curve_tells_each_bin_that_has_answers():
    curve = reliability_curve([0.0, 0.25, 0.5, 0.9, 1.0], [0, 1, 1, 1, 0.5], bins=4)
    assert curve == [
        Bin(0.0, 0.25, pytest.approx(12.5), pytest.approx(50.0), 2),
        Bin(0.25, 0.5, pytest.approx(50.0), pytest.approx(100.0), 1),
        Bin(0.75, 1.0, pytest.approx(95.0), pytest.approx(75.0), 2),
    ]
    assert reliability_curve([], []) == []
