"""The learning rate equals transformers' schedules; weight decay reaches what it should."""

import re

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

from qakit.errors import ConfigError
from qakit.modeling.adapting import adapt
from qakit.training.optim import (
    SCHEDULES,
    build_optimizer,
    learning_rate_at,
    parameter_groups,
    set_learning_rate,
)
from tests.modeling.tiny import CHOICE, FAMILIES, QA, tiny_model, train_config


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


# Rates that fall from layer to layer


@pytest.mark.parametrize("auto_class", [QA, CHOICE])
@pytest.mark.parametrize("family", FAMILIES)
def test_the_rate_of_each_layer_is_that_of_the_layer_above_times_the_decay(family, auto_class):
    """Howard and Ruder (2018): the head learns fastest, the embeddings slowest."""
    model = tiny_model(family, auto_class, num_hidden_layers=3)
    optimizer = build_optimizer(model, layer_decay=0.5)
    set_learning_rate(optimizer, 0.08)
    rates = {name: group["lr"] for group in optimizer.param_groups for name in names(model, group)}
    assert rates.keys() == {name for name, parameter in model.named_parameters() if parameter.requires_grad}
    for name, rate in rates.items():
        if layer := re.search(r"\.layer\.(\d)\.", name):
            assert rate == 0.04 / 2 ** (2 - int(layer[1])), name
        elif "embeddings" in name:
            assert rate == 0.005, name
        else:
            assert rate == 0.08, name
    assert set(rates.values()) == {0.08, 0.04, 0.02, 0.01, 0.005}


@pytest.mark.parametrize("family", FAMILIES)
def test_no_parameter_is_lost_or_decayed_otherwise_with_rates_of_layers(family):
    model = tiny_model(family)
    plain, layered = (parameter_groups(model, 0.1, decay) for decay in (1.0, 0.9))
    assert len(plain) == 2
    found = {
        way: sorted(name for group in layered if group["weight_decay"] == way for name in names(model, group))
        for way in (0.1, 0.0)
    }
    assert found == {group["weight_decay"]: sorted(names(model, group)) for group in plain}
    assert all(group["rate_share"] == 1 for group in plain)


def test_lora_learns_at_the_rates_of_its_layers():
    model = adapt(tiny_model("bert"), train_config(tricks={"lora_rank": 2}))
    shares = {name: group["rate_share"] for group in parameter_groups(model, 0.1, 0.5) for name in names(model, group)}
    assert {share for name, share in shares.items() if ".layer.1." in name} == {0.5}
    assert {share for name, share in shares.items() if ".layer.0." in name} == {0.25}
    assert {share for name, share in shares.items() if ".layer." not in name} == {1}


def test_a_model_without_layers_has_no_rates_of_layers():
    with pytest.raises(ConfigError, match="Toy has no list of layers, which"):
        build_optimizer(Toy(), layer_decay=0.9)
