"""The loop: every record once an epoch in an order that seed and epoch fix, steps as planned, and a stop at NaN."""

import math

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from qakit.errors import QakitError
from qakit.tasks.qa import QuestionAnswering
from qakit.training.learner import Learner
from qakit.training.loop import epoch_order, make_plan, share_of, step_index
from tests.modeling.tiny import (
    assert_equal_weights,
    cpu,
    prepared_set,
    qa_records,
    settings,
    tiny_bert,
    weights,
)

sizes = st.integers(1, 9)


class Poisoned:
    """A training set whose losses are not a number from call number `first` on."""

    def __init__(self, training_set, first, value):
        self.training_set = training_set
        self.calls_left = first
        self.value = value

    def __len__(self):
        return len(self.training_set)

    def batch(self, index, epoch):
        return self.training_set.batch(index, epoch)

    def loss(self, output, targets):
        self.calls_left -= 1
        loss = self.training_set.loss(output, targets)
        return loss if self.calls_left >= 0 else loss * self.value


# Order


@given(records=st.integers(0, 200), seed=st.integers(0, 2**32), epoch=st.integers(0, 50))
def test_an_epoch_visits_every_record_once(records, seed, epoch):
    assert sorted(epoch_order(records, seed=seed, epoch=epoch)) == list(range(records))


def test_the_order_depends_on_seed_and_epoch_alone():
    np.random.seed(1)
    first = epoch_order(50, seed=3, epoch=2).tolist()
    np.random.seed(2)
    assert epoch_order(50, seed=3, epoch=2).tolist() == first
    assert epoch_order(50, seed=4, epoch=2).tolist() != first
    assert epoch_order(50, seed=3, epoch=1).tolist() != first


@given(records=st.integers(1, 70), batch_size=sizes, accumulation=sizes, processes=st.integers(1, 4))
def test_the_steps_of_an_epoch_take_every_record_once_and_the_last_step_takes_the_rest(
    records, batch_size, accumulation, processes
):
    plan = make_plan(records, settings(epochs=2, batch_size=batch_size, accumulation=accumulation), processes=processes)
    for epoch in range(2):
        steps = [step_index(plan, epoch * plan.steps_per_epoch + number) for number in range(plan.steps_per_epoch)]
        assert {found for found, _ in steps} == {epoch}
        assert sorted(np.concatenate([index for _, index in steps])) == list(range(records))
        assert {len(index) for _, index in steps[:-1]} <= {batch_size * accumulation * processes}
        assert 1 <= len(steps[-1][1]) <= batch_size * accumulation * processes


@given(records=st.integers(1, 60), batch_size=sizes, processes=st.integers(1, 4))
def test_the_shares_of_the_processes_partition_a_step(records, batch_size, processes):
    index = np.random.default_rng(0).permutation(records)
    shares = [share_of(index, batch_size, process=number, processes=processes) for number in range(processes)]
    assert len({len(share) for share in shares}) == 1, "processes that differ in passes wait for each other for ever"
    assert max(len(part) for share in shares for part in share) <= batch_size
    taken = [number for share in shares for part in share for number in part.tolist()]
    assert sorted(taken) == list(range(records))


# Plan


@pytest.mark.parametrize(
    ("records", "given", "steps_per_epoch", "total", "warmup"),
    [
        (20, {"batch_size": 4, "epochs": 2}, 5, 10, 1),
        (21, {"batch_size": 4, "epochs": 2}, 6, 12, 1),
        (21, {"batch_size": 4, "accumulation": 2, "epochs": 3}, 3, 9, 0),
        (20, {"batch_size": 4, "epochs": 1.5}, 5, 8, 0),
        (20, {"batch_size": 4, "epochs": 0.01}, 5, 1, 0),
        (20, {"batch_size": 4, "epochs": 2, "max_steps": 7}, 5, 7, 0),
        (20, {"batch_size": 4, "epochs": 2, "max_steps": 70}, 5, 10, 1),
        (20, {"batch_size": 4, "epochs": 2, "warmup": 0.25}, 5, 10, 2),
        (20, {"batch_size": 4, "epochs": 2, "warmup": 0}, 5, 10, 0),
        (20, {"batch_size": 4, "epochs": 2, "warmup": 1}, 5, 10, 1),
        (20, {"batch_size": 4, "epochs": 2, "warmup": 3}, 5, 10, 3),
        (20, {"batch_size": 4, "epochs": 2, "warmup": 300}, 5, 10, 10),
    ],
)
def test_a_plan_counts_steps(records, given, steps_per_epoch, total, warmup):
    plan = make_plan(records, settings(**given))
    assert (plan.steps_per_epoch, plan.total_steps, plan.warmup_steps) == (steps_per_epoch, total, warmup)


def test_processes_share_a_step():
    plan = make_plan(50, settings(batch_size=2, accumulation=3, epochs=1), processes=4)
    assert (plan.step_records, plan.steps_per_epoch) == (24, 3)


def test_events_tell_what_was_planned():
    training_set, config = prepared_set(
        QuestionAnswering(),
        qa_records(10),
        training={"batch_size": 4, "epochs": 1.5, "learning_rate": 1e-3, "warmup": 2},
    )
    learner = Learner(tiny_bert(), config, cpu())
    events = list(learner.steps(training_set, learner.plan(training_set)))
    assert [event.step for event in events] == [1, 2, 3, 4, 5]
    assert [event.records for event in events] == [4, 4, 2, 4, 4]
    assert [event.epoch for event in events] == [1 / 3, 2 / 3, 1, 4 / 3, 5 / 3]
    assert [event.learning_rate for event in events] == [0, 5e-4, 1e-3, 1e-3 * (2 / 3), 1e-3 * (1 / 3)]
    assert all(math.isfinite(event.loss) and event.gradient_norm > 0 for event in events)
    assert learner.steps_done == 5


def test_a_first_step_with_rate_0_leaves_the_weights_and_the_next_moves_them():
    training_set, config = prepared_set(QuestionAnswering(), qa_records(10), training={"warmup": 1, "batch_size": 5})
    model = tiny_bert()
    learner = Learner(model, config, cpu())
    before = weights(model)
    events = learner.steps(training_set, learner.plan(training_set))
    next(events)
    assert_equal_weights(weights(model), before)
    next(events)
    assert any(not torch.equal(tensor, before[name]) for name, tensor in model.state_dict().items())


@pytest.mark.parametrize(("limit", "largest"), [(0.01, 0.02), (0.0, math.inf)])
def test_gradients_are_cut_to_the_limit_and_left_alone_without_one(limit, largest):
    training_set, config = prepared_set(
        QuestionAnswering(), qa_records(4), training={"max_gradient_norm": limit, "batch_size": 4, "max_steps": 1}
    )
    model = tiny_bert()
    learner = Learner(model, config, cpu())
    norms = []
    learner._optimizer.register_step_pre_hook(lambda *_: norms.append(_norm(model)))
    (event,) = learner.steps(training_set, learner.plan(training_set))
    assert event.gradient_norm > 0.02, "the event tells the norm before it is cut"
    assert norms[0] == pytest.approx(min(limit or math.inf, event.gradient_norm), rel=1e-3)
    assert norms[0] < largest


def _norm(model):
    gradients = [parameter.grad for parameter in model.parameters() if parameter.grad is not None]
    return float(torch.cat([gradient.flatten() for gradient in gradients]).norm())


# Losses that are no numbers


@pytest.mark.parametrize("value", [math.nan, math.inf])
@pytest.mark.parametrize("accumulation", [1, 2])
def test_a_loss_that_is_no_number_stops_before_the_weights_change(value, accumulation):
    training_set, config = prepared_set(
        QuestionAnswering(),
        qa_records(16),
        training={"learning_rate": 1e-3, "batch_size": 4, "accumulation": accumulation, "warmup": 0},
    )
    poisoned = Poisoned(training_set, first=3 * accumulation - 1, value=value)
    model = tiny_bert()
    learner = Learner(model, config, cpu())
    events = learner.steps(poisoned, learner.plan(poisoned))
    next(events)
    next(events)
    before = weights(model)
    with pytest.raises(QakitError, match=r"loss of step 3 is (nan|inf); lower training.learning_rate \(0.001\)"):
        next(events)
    assert_equal_weights(weights(model), before)
    assert learner.steps_done == 2
