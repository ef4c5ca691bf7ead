"""The loop: steps as planned, gradients cut to their limit, and a stop at NaN."""

import math
from dataclasses import replace

import pytest
import torch
from accelerate import Accelerator

from qakit.errors import QakitError
from qakit.tasks.questions.qa import QuestionAnswering
from qakit.training.learner import Learner
from qakit.training.loop import _load
from qakit.training.order import make_plan
from tests.modeling.tiny import (
    assert_equal_weights,
    cpu,
    forget_accelerators,
    prepared_set,
    qa_records,
    tiny_bert,
    weights,
)


class Poisoned:
    """A training set whose losses are not a number from call number `first` on."""

    def __init__(self, training_set, first, value):
        self.training_set = training_set
        self.calls_left = first
        self.value = value

    @property
    def lengths(self):
        return self.training_set.lengths

    @property
    def rows(self):
        return self.training_set.rows

    def batch(self, index, epoch):
        return self.training_set.batch(index, epoch)

    def classify(self, output, targets):
        self.calls_left -= 1
        first, *others = self.training_set.classify(output, targets)
        return [first if self.calls_left >= 0 else replace(first, logits=first.logits * self.value), *others]


# Steps


def test_events_tell_what_was_planned():
    training_set, config = prepared_set(
        QuestionAnswering(),
        qa_records(10),
        training={"batch_size": 4, "epochs": 1.5, "learning_rate": 1e-3, "warmup": 2},
    )
    learner = Learner(tiny_bert(), config, cpu(), training_set)
    events = list(learner.steps())
    assert [event.step for event in events] == [1, 2, 3, 4, 5]
    assert [event.records for event in events] == [4, 4, 2, 4, 4]
    assert [event.epoch for event in events] == [1 / 3, 2 / 3, 1, 1 + 1 / 3, 1 + 2 / 3]
    assert [event.learning_rate for event in events] == [0, 5e-4, 1e-3, 1e-3 * (2 / 3), 1e-3 * (1 / 3)]
    assert all(math.isfinite(event.loss) and event.gradient_norm > 0 for event in events)
    assert learner.steps_done == 5


def test_a_first_step_with_rate_0_leaves_the_weights_and_the_next_moves_them():
    training_set, config = prepared_set(QuestionAnswering(), qa_records(10), training={"warmup": 1, "batch_size": 5})
    model = tiny_bert()
    learner = Learner(model, config, cpu(), training_set)
    before = weights(model)
    events = learner.steps()
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
    learner = Learner(model, config, cpu(), training_set)
    norms = []
    learner._optimizer.register_step_pre_hook(lambda *_: norms.append(_norm(model)))
    (event,) = learner.steps()
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
    learner = Learner(model, config, cpu(), poisoned)
    events = learner.steps()
    next(events)
    next(events)
    before = weights(model)
    with pytest.raises(QakitError, match=r"loss of step 3 is (nan|inf); lower training.learning_rate \(0.001\)$"):
        next(events)
    assert_equal_weights(weights(model), before)
    assert learner.steps_done == 2


def test_in_fp16_another_precision_is_advised():
    training_set, config = prepared_set(QuestionAnswering(), qa_records(4))
    accelerator = cpu()
    accelerator.state._mixed_precision = "fp16"  # which the CPU has not
    learner = Learner(tiny_bert(), config, accelerator, Poisoned(training_set, first=0, value=math.nan))
    with pytest.raises(QakitError, match=r", or train in fp32 or bf16 instead of fp16$"):
        next(learner.steps())


# Batches on their way to a GPU


@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device")
def test_batches_are_pinned_before_the_step_that_takes_them():
    forget_accelerators()
    training_set, config = prepared_set(QuestionAnswering(), qa_records(4))
    plan = make_plan(training_set.lengths, config.training)
    ((batch, _),), _ = _load(training_set, plan, 0, Accelerator())
    assert all(tensor.is_pinned() for tensor in (*batch.inputs.values(), *batch.targets.values()))
    assert {tensor.device.type for tensor in batch.to(torch.device("cuda")).inputs.values()} == {"cuda"}
