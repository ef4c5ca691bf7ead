"""The order of records: each once an epoch in passes that seed and epoch fix, steps as planned, and less padding."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st

from qakit.training.order import epoch_passes, make_plan, passes_of_process
from tests.modeling.tiny import settings

BUDGET = 200
MODES = {"plain": {}, "by length": {"group_by_length": True}, "by tokens": {"batch_tokens": BUDGET}}

sizes = st.integers(1, 9)
modes = st.sampled_from([*MODES.values()])
lengths = st.lists(st.integers(1, 300), min_size=1, max_size=70).map(np.array)


def skewed(count, seed=0):
    """Lengths as windows have them: most are short, some full."""
    return np.minimum(20 + np.random.default_rng(seed).exponential(80, count), 384).astype(np.int64)


def same(count, length=100):
    return np.full(count, length)


def tokens_of(passes, lengths):
    """Tokens of each pass, padding included."""
    return [len(index) * int(lengths[index].max()) for index in passes]


def as_lists(passes):
    return [index.tolist() for index in passes]


# Epochs


@given(lengths=lengths, seed=st.integers(0, 2**31 - 1), epoch=st.integers(0, 50), size=sizes, mode=modes)
def test_an_epoch_visits_every_record_once(lengths, seed, epoch, size, mode):
    passes = epoch_passes(lengths, settings(seed=seed, batch_size=size, **mode), epoch=epoch)
    assert sorted(np.concatenate(passes)) == list(range(len(lengths)))
    assert min(map(len, passes)) > 0
    if not mode.get("batch_tokens"):
        assert max(map(len, passes)) <= size
        assert len(passes) == math.ceil(len(lengths) / size)


@pytest.mark.parametrize("mode", MODES)
def test_the_order_depends_on_seed_and_epoch_alone(mode):
    given = skewed(300)

    def drawn(seed, epoch):
        return as_lists(epoch_passes(given, settings(seed=seed, **MODES[mode]), epoch=epoch))

    np.random.seed(1)
    first = drawn(3, 2)
    np.random.seed(2)
    assert drawn(3, 2) == first
    assert drawn(4, 2) != first
    assert drawn(3, 1) != first
    assert drawn(2, 3) != first, "seed and epoch are not just added up"


@given(lengths=lengths, epoch=st.integers(0, 5))
def test_no_pass_is_over_the_budget_but_those_of_one_record(lengths, epoch):
    passes = epoch_passes(lengths, settings(batch_tokens=BUDGET), epoch=epoch)
    for index, tokens in zip(passes, tokens_of(passes, lengths), strict=True):
        assert tokens <= BUDGET or len(index) == 1


def test_the_budget_is_used():
    given = skewed(2000)
    passes = epoch_passes(given, settings(batch_tokens=4096), epoch=0)
    assert sum(tokens_of(passes, given)) / len(passes) > 0.75 * 4096
    sizes = [len(index) for index in passes]
    assert max(sizes) > 4 * min(sizes), "long records come in small passes"


@pytest.mark.parametrize("mode", ["by length", "by tokens"])
def test_grouping_pads_less(mode):
    given = skewed(2000)
    plain, grouped = (
        1 - given.sum() / sum(tokens_of(epoch_passes(given, settings(batch_size=8, **way), epoch=0), given))
        for way in ({}, MODES[mode])
    )
    assert plain > 0.3, "the measure must see padding"
    assert grouped < 0.1


def test_a_step_of_several_passes_is_cut_by_length():
    given = skewed(64)
    several, one = (
        epoch_passes(given, settings(batch_size=size, accumulation=accumulation), epoch=0)
        for size, accumulation in ((4, 8), (32, 1))
    )
    for step in range(2):
        passes = several[8 * step : 8 * step + 8]
        ordered = given[np.concatenate(passes)]
        assert ordered.tolist() == sorted(ordered)
        assert sorted(np.concatenate(passes)) == sorted(one[step]), "the records of a step are the same"


@pytest.mark.parametrize("mode", ["by length", "by tokens"])
def test_grouped_passes_come_in_random_order_and_are_other_passes_in_the_next_epoch(mode):
    given = skewed(2000)
    config = settings(group_by_length=mode == "by length", batch_tokens=2000 if mode == "by tokens" else None)
    first, second = (epoch_passes(given, config, epoch=epoch) for epoch in range(2))
    longest = [int(given[index].max()) for index in first]
    rises = np.mean(np.diff(longest) > 0)
    assert 0.3 < rises < 0.7, "passes must not be sorted by length"
    again = {frozenset(index) for index in as_lists(first)} & {frozenset(index) for index in as_lists(second)}
    assert len(again) < 0.02 * len(first)


# Steps


@hypothesis_settings(max_examples=60)
@given(
    lengths=lengths,
    batch_size=sizes,
    accumulation=sizes,
    processes=st.integers(1, 4),
    mode=modes,
    epochs=st.sampled_from([0.3, 1, 2, 2.1, 2.5]),
    max_steps=st.none() | st.integers(1, 30),
)
def test_the_steps_of_a_plan_take_every_record_once_an_epoch_and_epochs_end_at_whole_numbers(
    lengths, batch_size, accumulation, processes, mode, epochs, max_steps
):
    given = settings(epochs=epochs, max_steps=max_steps, batch_size=batch_size, accumulation=accumulation, **mode)
    plan = make_plan(lengths, given, processes=processes)
    assert 1 <= plan.total_steps <= (max_steps or math.inf)
    taken, before = {}, 0.0
    for number in range(plan.total_steps):
        epoch, passes = plan.step(number)
        assert 1 <= len(passes) <= accumulation * processes
        assert epoch == plan.epoch_of(number)
        taken.setdefault(epoch, []).extend(np.concatenate(passes).tolist())
        done = plan.epochs_done(number + 1)
        assert before < done <= epoch + 1
        is_whole = len(taken[epoch]) == len(lengths)
        assert (done == epoch + 1) == is_whole
        assert plan.is_end_of_epoch(number + 1) == (is_whole or number + 1 == plan.total_steps)
        before = done
    assert sorted(taken) == list(range(len(taken)))
    for epoch in range(len(taken) - 1):
        assert sorted(taken[epoch]) == list(range(len(lengths)))
    assert len(set(taken[len(taken) - 1])) == len(taken[len(taken) - 1])
    if plan.total_steps != max_steps:
        of_epoch = plan.total_steps - int(plan.steps_before[-2])
        assert before >= epochs - 1e-9
        assert before - 1 / of_epoch < epochs, "no step more than the epochs ask for"


@given(lengths=lengths, batch_size=sizes, accumulation=sizes, processes=st.integers(1, 4))
def test_all_steps_but_the_last_of_an_epoch_are_full(lengths, batch_size, accumulation, processes):
    given = settings(epochs=1, batch_size=batch_size, accumulation=accumulation)
    plan = make_plan(lengths, given, processes=processes)
    counts = [sum(map(len, plan.step(number)[1])) for number in range(plan.total_steps)]
    assert plan.step_records == batch_size * accumulation * processes
    assert set(counts[:-1]) <= {plan.step_records}
    assert 1 <= counts[-1] <= plan.step_records


@given(lengths=lengths, batch_size=sizes, processes=st.integers(1, 4), accumulation=sizes, mode=modes)
def test_the_shares_of_the_processes_partition_a_step(lengths, batch_size, processes, accumulation, mode):
    given = settings(epochs=1, batch_size=batch_size, accumulation=accumulation, **mode)
    plan = make_plan(lengths, given, processes=processes)
    for number in (0, plan.total_steps - 1):
        _, passes = plan.step(number)
        shares = [passes_of_process(passes, process=process, processes=processes) for process in range(processes)]
        assert {len(share) for share in shares} == {math.ceil(len(passes) / processes)}, (
            "processes that differ in passes wait for each other for ever"
        )
        taken = [as_lists(share) for share in shares]
        in_turn = [taken[process][turn] for turn in range(len(taken[0])) for process in range(processes)]
        assert [part for part in in_turn if part] == as_lists(passes)


def test_a_step_is_the_same_whether_the_steps_before_it_were_made_or_not():
    given = skewed(500)
    config = settings(epochs=3, batch_tokens=500, accumulation=2)
    plan = make_plan(given, config)
    made = [(epoch, as_lists(passes)) for epoch, passes in map(plan.step, range(plan.total_steps))]
    for number in (plan.total_steps - 1, 0, plan.total_steps // 2):
        epoch, passes = make_plan(given, config).step(number)
        assert (epoch, as_lists(passes)) == made[number]


def test_no_epoch_is_drawn_behind_the_last_step(monkeypatch):
    drawn = []

    def counted(*arguments, epoch, **options):
        drawn.append(epoch)
        return epoch_passes(*arguments, epoch=epoch, **options)

    monkeypatch.setattr("qakit.training.order.epoch_passes", counted)
    plan = make_plan(same(20), settings(batch_tokens=400, epochs=200, max_steps=7))  # five steps an epoch
    assert (plan.total_steps, drawn) == (7, [0, 1])


# Counts


@pytest.mark.parametrize(
    ("records", "given", "steps_per_epoch", "total", "warmup"),
    [
        (20, {"batch_size": 4, "epochs": 2}, 5, 10, 1),
        (21, {"batch_size": 4, "epochs": 2}, 6, 12, 1),
        (21, {"batch_size": 4, "accumulation": 2, "epochs": 3}, 3, 9, 0),
        (20, {"batch_size": 4, "epochs": 1.5}, 5, 8, 0),
        (20, {"batch_size": 4, "epochs": 0.01}, 5, 1, 0),
        (40, {"batch_size": 4, "epochs": 2.1}, 10, 21, 2),
        (20, {"batch_size": 4, "epochs": 2, "max_steps": 7}, 5, 7, 0),
        (20, {"batch_size": 4, "epochs": 2, "max_steps": 5}, 5, 5, 0),
        (20, {"batch_size": 4, "epochs": 2, "max_steps": 70}, 5, 10, 1),
        (20, {"batch_size": 4, "epochs": 2, "warmup": 0.25}, 5, 10, 2),
        (20, {"batch_size": 4, "epochs": 2, "warmup": 0}, 5, 10, 0),
        (20, {"batch_size": 4, "epochs": 2, "warmup": 1}, 5, 10, 1),
        (20, {"batch_size": 4, "epochs": 2, "warmup": 3}, 5, 10, 3),
        (20, {"batch_size": 4, "epochs": 2, "warmup": 300}, 5, 10, 10),
        (20, {"batch_size": 4, "epochs": 2, "group_by_length": True}, 5, 10, 1),
        (20, {"batch_tokens": 400, "epochs": 2}, 5, 10, 1),  # of 100 tokens each, so four a pass
        (20, {"batch_tokens": 400, "accumulation": 2, "epochs": 2}, 3, 6, 0),
    ],
)
def test_a_plan_counts_steps(records, given, steps_per_epoch, total, warmup):
    plan = make_plan(same(records), settings(**given))
    assert (plan.steps_per_epoch, plan.total_steps, plan.warmup_steps) == (steps_per_epoch, total, warmup)


def test_processes_share_a_step():
    plan = make_plan(same(50), settings(batch_size=2, accumulation=3, epochs=1), processes=4)
    assert (plan.step_records, plan.steps_per_epoch) == (24, 3)


def test_with_a_budget_the_records_of_a_step_are_told_on_average():
    plan = make_plan(same(100), settings(batch_tokens=1000, epochs=1))
    assert (plan.steps_per_epoch, plan.step_records) == (10, 10)
