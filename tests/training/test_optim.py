"""The learning rate equals transformers' schedules; weight decay reaches what it should."""

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn
from transformers import (
    get_constant_schedule_with_warmup,
    get_cosine_schedule_with_warmup,
    get_linear_schedule_with_warmup,
    get_polynomial_decay_schedule_with_warmup,
)

from qakit.training.optim import (
    SCHEDULES,
    build_optimizer,
    learning_rate_at,
    parameter_groups,
    set_learning_rate,
)


class RMSNorm(nn.Module):
    """A norm with a weight of two dimensions, as none of torch's."""

    def __init__(self):
        super().__init__()
        self.weight = nn.Parameter(torch.ones(2, 3))


class Toy(nn.Module):
    def __init__(self):
        super().__init__()
        self.embedding = nn.Embedding(7, 4)
        self.recurrent = nn.LSTM(4, 3)
        self.normed = nn.LayerNorm((3, 2))
        self.root = RMSNorm()
        self.scale = nn.Parameter(torch.ones(1))
        self.head = nn.Linear(4, 7)
        self.head.weight = self.embedding.weight


DECAYED = {"embedding.weight", "recurrent.weight_ih_l0", "recurrent.weight_hh_l0"}


def reference(schedule, *, peak, total, warmup, power):
    """The rates that transformers and LambdaLR give for the steps 0 to `total`."""
    optimizer = torch.optim.SGD([nn.Parameter(torch.zeros(1))], lr=peak)
    scheduler = {
        "linear": lambda: get_linear_schedule_with_warmup(optimizer, warmup, total),
        "cosine": lambda: get_cosine_schedule_with_warmup(optimizer, warmup, total),
        "polynomial": lambda: get_polynomial_decay_schedule_with_warmup(optimizer, warmup, total, power=power),
        "constant": lambda: get_constant_schedule_with_warmup(optimizer, warmup),
    }[schedule]()
    rates = []
    for _ in range(total + 1):
        rates.append(scheduler.get_last_lr()[0])
        optimizer.step()
        scheduler.step()
    return rates


@settings(max_examples=60, deadline=None)
@given(
    schedule=st.sampled_from(SCHEDULES),
    peak=st.floats(1e-6, 1.0),
    total=st.integers(1, 60),
    data=st.data(),
    power=st.sampled_from([0.5, 1.0, 2.0]),
)
def test_rates_equal_those_of_transformers(schedule, peak, total, data, power):
    warmup = data.draw(st.integers(0, total - 1))
    ours = [
        learning_rate_at(step, peak=peak, total_steps=total, warmup_steps=warmup, schedule=schedule, power=power)
        for step in range(total + 1)
    ]
    assert ours == reference(schedule, peak=peak, total=total, warmup=warmup, power=power)


@pytest.mark.parametrize(("schedule", "expected"), [("linear", 0.0), ("cosine", 0.0), ("polynomial", 1e-7)])
def test_rate_after_the_end_stays(schedule, expected):
    assert learning_rate_at(25, peak=1e-3, total_steps=10, warmup_steps=2, schedule=schedule) == expected


def test_warmup_as_long_as_the_training():
    rates = [learning_rate_at(s, peak=1.0, total_steps=4, warmup_steps=4, schedule="linear") for s in range(5)]
    assert rates == [0.0, 0.25, 0.5, 0.75, 0.0]


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"schedule": "step"}, "'step'; expected one of linear, cosine"),
        ({"step": -1}, "step -1"),
        ({"schedule": "polynomial", "power": 0.0}, "power 0.0"),
        ({"schedule": "polynomial", "peak": 1e-8}, "peak 1e-08"),
    ],
)
def test_wrong_arguments_are_named(change, message):
    arguments = {"step": 0, "peak": 1e-3, "total_steps": 10, "warmup_steps": 2, "schedule": "linear", **change}
    with pytest.raises(ValueError, match=message):
        learning_rate_at(arguments.pop("step"), **arguments)


def names(model, group):
    by_id = {id(parameter): name for name, parameter in model.named_parameters()}
    return [by_id[id(parameter)] for parameter in group["params"]]


def test_groups_partition_the_trainable_parameters():
    model = Toy()
    decayed, plain = parameter_groups(model, 0.1)
    assert (decayed["weight_decay"], plain["weight_decay"]) == (0.1, 0.0)
    assert set(names(model, decayed)) == DECAYED
    together = names(model, decayed) + names(model, plain)
    assert sorted(together) == sorted(name for name, _ in model.named_parameters())


def test_frozen_parameters_and_empty_groups_are_left_out():
    model = Toy()
    for name, parameter in model.named_parameters():
        parameter.requires_grad = name == "head.bias"
    (group,) = parameter_groups(model, 0.1)
    assert names(model, group) == ["head.bias"]
    assert group["weight_decay"] == 0.0


def test_a_model_that_is_all_frozen_is_refused():
    with pytest.raises(ValueError, match="all are frozen"):
        build_optimizer(Toy().requires_grad_(False))


def test_optimizer_moves_only_once_a_rate_is_set_and_decays_only_weights():
    model = nn.Linear(3, 2)
    before = {name: parameter.detach().clone() for name, parameter in model.named_parameters()}
    optimizer = build_optimizer(model, weight_decay=0.5, betas=(0, 0.9))
    for parameter in model.parameters():
        parameter.grad = torch.zeros_like(parameter)
    optimizer.step()
    assert torch.equal(model.weight, before["weight"])
    set_learning_rate(optimizer, 0.5)
    optimizer.step()
    assert torch.equal(model.weight, before["weight"] * 0.75)
    assert torch.equal(model.bias, before["bias"])
    assert optimizer.defaults["fused"] is True
