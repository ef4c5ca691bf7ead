"""Averages of the weights are what their recurrences say, and are what is evaluated."""

import copy

import numpy as np
import pytest
import torch

from qakit.config import TrickSettings
from qakit.training.optim import WeightAverage, build_average
from tests.modeling.tiny import assert_equal_weights, weights
from tests.training.learning import learner_of

STEPS = 10  # two epochs of ten records, two a step


def history(learner):
    """The weights at first and after each step, in fp64, and the average after each step."""
    found = [_arrays(learner.model)]
    averages = []
    for _ in learner.steps():
        found.append(_arrays(learner.model))
        averages.append(_arrays(learner.model_to_evaluate))
    assert len(averages) == STEPS
    return found, averages


def _arrays(model):
    return {name: tensor.numpy().astype(np.float64) for name, tensor in weights(model).items()}


def assert_near(found, expected):
    assert found.keys() == expected.keys()
    for name, values in expected.items():
        assert np.allclose(found[name], values, rtol=1e-5, atol=1e-7), name


def learner_with(**tricks):
    return learner_of(dropout=0.1, tricks=tricks, training={"batch_size": 2, "accumulation": 1, "learning_rate": 1e-2})


@pytest.mark.parametrize("decay", [0.25, 0.4, 0.99])
def test_ema_is_its_recurrence_with_a_decay_that_starts_low(decay):
    found, averages = history(learner_with(ema=decay))
    expected = found[0]
    decays = []
    for step in range(1, STEPS + 1):
        decays.append(min(decay, (1 + step) / (10 + step)))
        expected = {name: decays[-1] * expected[name] + (1 - decays[-1]) * found[step][name] for name in expected}
        assert_near(averages[step - 1], expected)
    assert decays[0] == 2 / 11
    assert (decays[-1] == decay) == (decay < 0.5)


@pytest.mark.parametrize(("share", "first"), [(0.0, 1), (0.4, 5), (0.45, 5), (0.99, 10)])
def test_swa_is_the_plain_mean_of_the_weights_after_each_step_that_counts(share, first):
    found, averages = history(learner_with(swa=share))
    for step in range(1, STEPS + 1):
        counted = found[first : step + 1] or [found[step]]  # before that the model itself is evaluated
        assert_near(averages[step - 1], {name: np.mean([one[name] for one in counted], axis=0) for name in found[0]})


@pytest.mark.parametrize("tricks", [{"ema": 0.9}, {"swa": 0.0}])
def test_what_is_evaluated_is_a_model_of_its_own(tricks):
    learner = learner_with(**tricks)
    list(learner.steps())
    assert type(learner.model_to_evaluate) is type(learner.model)
    own = {tensor.data_ptr() for tensor in learner.model.state_dict().values()}
    assert own.isdisjoint(tensor.data_ptr() for tensor in learner.model_to_evaluate.state_dict().values())
    assert any(
        not torch.equal(learner.model_to_evaluate.state_dict()[name], t) for name, t in weights(learner.model).items()
    )


def test_averaging_does_not_change_the_training():
    ends = []
    for tricks in ({}, {"ema": 0.9}, {"swa": 0.2}):
        learner = learner_with(**tricks)
        torch.manual_seed(3)
        list(learner.steps())
        ends.append(weights(learner.model))
    assert_equal_weights(ends[1], ends[0])
    assert_equal_weights(ends[2], ends[0])


def test_without_an_average_the_model_itself_is_evaluated():
    learner = learner_with()
    assert learner.model_to_evaluate is learner.model
    assert build_average(learner.model, TrickSettings(), 10) is None


@pytest.mark.parametrize("tricks", [{"ema": 0.9}, {"swa": 0.2}])
def test_the_state_of_an_average_goes_into_tensors_and_back(tricks):
    tricks = TrickSettings(**tricks)
    model = torch.nn.Sequential(torch.nn.Linear(3, 2), torch.nn.BatchNorm1d(2))
    first = WeightAverage(model, tricks, 10)

    def move(average, steps):
        for step in steps:
            with torch.no_grad():
                for parameter in model.parameters():
                    parameter.add_(torch.full_like(parameter, 0.1 * step))
            average.update(model, step)

    move(first, range(1, 6))
    kept = {name: tensor.clone() for name, tensor in first.tensors().items()}
    at_the_time = copy.deepcopy(model.state_dict())
    second = WeightAverage(model, tricks, 10)
    second.restore(kept)
    assert_equal_weights(second.tensors(), kept)
    move(first, range(6, 11))
    model.load_state_dict(at_the_time)
    move(second, range(6, 11))
    assert_equal_weights(second.tensors(), first.tensors())
    assert any(not torch.equal(kept[name], tensor) for name, tensor in first.tensors().items())
