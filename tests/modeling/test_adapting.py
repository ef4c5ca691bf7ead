"""What is changed about a model before it is trained is changed, and nothing else is."""

import copy
import sys

import pytest
import torch
import transformers

from qakit.config import InferenceSettings, WindowSettings
from qakit.errors import ConfigError
from qakit.modeling.adapting import adapt, head_modules, merge_lora
from qakit.modeling.building import build_for_training
from qakit.modeling.inference import run_windows
from qakit.modeling.info import ModelInfo
from qakit.modeling.models import load_trained, save_trained
from qakit.spans.windowing import covering_windows, encode_pairs
from qakit.tasks.questions.qa import QuestionAnswering
from qakit.training.layers import embedding_modules, encoder_layers
from tests.modeling.tiny import (
    CHOICE,
    FAMILIES,
    QA,
    assert_equal_weights,
    largest_difference,
    loss_of,
    prepared_set,
    qa_records,
    tiny_bert,
    tiny_model,
    tokenizer,
    train_config,
    weights,
)
from tests.training.learning import gradients, learner_of, take

LOADED = {"num_hidden_layers": 3, "initializer_range": 0.02}


def adapted(model, **tricks):
    return adapt(model, train_config(tricks=tricks))


def moved(learner):
    """Names of the weights that a training moves."""
    before = weights(learner.model)
    take(learner)
    return {name for name, tensor in weights(learner.model).items() if not torch.equal(tensor, before[name])}


def names_in(model, modules):
    owned = {id(parameter) for module in modules for parameter in module.parameters()}
    return {name for name, parameter in model.named_parameters() if id(parameter) in owned}


def trained_in(model):
    return {name for name, parameter in model.named_parameters() if parameter.requires_grad}


def outputs_of(model, auto_class=QA):
    """The logits of some windows of random tokens."""
    ids = torch.randint(5, len(tokenizer()), (3, 20), generator=torch.Generator().manual_seed(0))
    with torch.no_grad():
        return model(input_ids=ids[:, None] if auto_class == CHOICE else ids).to_tuple()


# Frozen parts


@pytest.mark.parametrize("family", FAMILIES)
@pytest.mark.parametrize(
    ("tricks", "layers"),
    [({"freeze_embeddings": True}, 0), ({"freeze_layers": 1}, 1), ({"freeze_layers": 2}, 2)],
)
def test_frozen_parts_stay_and_the_rest_moves(family, tricks, layers):
    learner = learner_of(family=family, tricks=tricks, num_hidden_layers=2)
    model = learner.model
    frozen = names_in(model, [*embedding_modules(model), *encoder_layers(model)[:layers]])
    assert frozen
    assert moved(learner) == trained_in(tiny_model(family)) - frozen


def test_nothing_is_frozen_unless_asked_for():
    assert all(parameter.requires_grad for parameter in adapted(tiny_bert()).parameters())


# Redrawn parts


@pytest.mark.parametrize("family", FAMILIES)
@pytest.mark.parametrize("count", [1, 2])
def test_only_the_top_layers_are_drawn_anew_and_as_the_model_draws_them(family, count):
    model = tiny_model(family, hidden_size=64, intermediate_size=256, **LOADED)
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.fill_(0.25)  # as if it had been loaded
    before = weights(model)
    adapted(model, reinitialize_layers=count)
    redrawn = names_in(model, encoder_layers(model)[-count:])
    for name, parameter in model.named_parameters():
        if name not in redrawn:
            assert torch.equal(parameter, before[name]), name
        elif parameter.ndim > 1:
            assert float(parameter.mean()) == pytest.approx(0, abs=0.002), name
            assert float(parameter.std()) == pytest.approx(model.config.initializer_range, rel=0.1), name
        elif name.endswith("bias"):
            assert (parameter == 0).all(), name
        else:
            assert (parameter == 1).all(), name


@pytest.mark.parametrize("auto_class", [QA, CHOICE])
def test_a_head_is_drawn_anew_and_the_encoder_stays(auto_class):
    model = tiny_bert(auto_class)
    before = weights(model)
    adapted(model, reinitialize_head=True)
    head = names_in(model, head_modules(model))
    changed = {name for name, tensor in weights(model).items() if not torch.equal(tensor, before[name])}
    assert changed == {name for name in head if name.endswith("weight")}
    assert not any(name.startswith("bert.") for name in head)


def test_layers_that_were_loaded_are_drawn_anew_too(tmp_path):
    """transformers marks loaded weights, so that its own initialisation leaves them."""
    trained = tiny_bert(num_hidden_layers=3)
    save_trained(tmp_path / "trained", trained, tokenizer(), ModelInfo(task="qa", windows={"max_length": 64}))
    config = train_config(model={"name": str(tmp_path / "trained")}, tricks={"reinitialize_layers": 1})
    model, _, fresh = build_for_training(config.model, QA, config.windows)
    assert fresh == []
    assert_equal_weights(weights(model), weights(trained))
    adapt(model, config)
    changed = {name for name, tensor in weights(model).items() if not torch.equal(tensor, weights(trained)[name])}
    top = names_in(model, encoder_layers(model)[-1:])
    assert changed == {name for name in top if name.endswith("weight") and "LayerNorm" not in name}


# Dropout samples


@pytest.mark.parametrize("auto_class", [QA, CHOICE])
@pytest.mark.parametrize("family", FAMILIES)
def test_dropout_samples_change_nothing_but_training(family, auto_class):
    plain = tiny_model(family, auto_class, dropout=0.3).eval()
    sampled = adapted(copy.deepcopy(plain), dropout_samples=4).eval()
    found, expected = (outputs_of(model, auto_class) for model in (sampled, plain))
    assert all(torch.equal(one, other) for one, other in zip(found, expected, strict=True))
    shapes = [tuple(tensor.shape) for tensor in outputs_of(sampled.train(), auto_class)]
    assert shapes == [(4 * len(tensor), *tensor.shape[1:]) for tensor in expected]


def test_the_samples_of_one_pass_differ_by_their_dropout_alone():
    model = adapted(tiny_bert(), dropout_samples=3).train()
    head = model.qa_outputs.weight
    ids = torch.randint(5, len(tokenizer()), (2, 9))
    hidden = []
    model.qa_outputs.register_forward_hook(lambda module, inputs, output: hidden.append(inputs[0].detach()))
    model(input_ids=ids).start_logits.sum().backward()
    assert head.grad is not None
    samples = hidden[0].view(3, 2, 9, -1)
    plain = model.bert(input_ids=ids).last_hidden_state
    kept = samples != 0
    assert torch.allclose(samples[kept], (plain.expand_as(samples) / 0.9)[kept], atol=1e-6)
    assert 0.05 < 1 - float(kept.float().mean()) < 0.15, "a tenth is dropped"
    assert not torch.equal(kept[0], kept[1])


@pytest.mark.parametrize("family", ["bert", "roberta", "electra"])
def test_samples_take_the_place_of_the_dropout_that_a_head_has(family):
    model = adapted(tiny_model(family, CHOICE, dropout=0.3), dropout_samples=4).train()
    (*_, head) = [part for part in head_modules(model)[-1].modules() if isinstance(part, torch.nn.Linear)]
    hidden = []
    head.register_forward_hook(lambda module, inputs, output: hidden.append(inputs[0]))
    model(input_ids=torch.randint(5, len(tokenizer()), (100, 1, 5)))
    assert float((hidden[0] == 0).float().mean()) == pytest.approx(0.3, abs=0.05), "not dropped twice"


@pytest.mark.parametrize("samples", [2, 5])
def test_samples_without_dropout_have_the_loss_and_gradients_of_one_pass(samples, monkeypatch):
    monkeypatch.setattr("qakit.modeling.adapting._DROPOUT", 0.0)
    training_set, _ = prepared_set(QuestionAnswering(), qa_records(5))
    batch = training_set.batch(range(5), 0)
    losses, grads = [], []
    for count in (1, samples):
        model = adapted(tiny_bert(), dropout_samples=count).train()
        loss = loss_of(training_set, model, batch)
        loss.backward()
        losses.append(float(loss))
        grads.append(gradients(model))
    assert losses[1] == pytest.approx(losses[0], rel=1e-6)
    assert largest_difference(*grads) < 1e-5


def test_the_loss_is_the_mean_over_the_samples():
    """Inoue (2019): one loss for each mask, averaged."""
    training_set, _ = prepared_set(QuestionAnswering(), qa_records(5))
    batch = training_set.batch(range(5), 0)
    model = adapted(tiny_bert(dropout=0.3), dropout_samples=4).train()
    with torch.no_grad():
        output = model(**batch.inputs)
        classified = training_set.classify(output, batch.targets)
        found = float(loss_of(training_set, lambda **inputs: output, batch))
    losses = [
        torch.nn.functional.cross_entropy(part, one.labels, reduction="sum")
        for one in classified
        for part in one.logits.chunk(4)
    ]
    assert len({round(float(loss), 3) for loss in losses}) == 8
    assert found == pytest.approx(float(sum(losses)) / 8, rel=1e-5)


# LoRA


@pytest.mark.parametrize("auto_class", [QA, CHOICE])
@pytest.mark.parametrize("family", FAMILIES)
def test_lora_trains_its_updates_and_the_head_alone(family, auto_class):
    learner = learner_of("qa" if auto_class == QA else "select", family=family, tricks={"lora_rank": 2})
    trained = trained_in(learner.model)
    updates = {name for name in trained if ".lora_A." in name or ".lora_B." in name}
    head = {name for name in trained if ".modules_to_save." in name}
    assert trained == updates | head
    assert updates
    assert head
    plain = tiny_model(family, auto_class)
    assert len(head) == len(names_in(plain, head_modules(plain))), "the head is trained whole, and without updates"
    linears = [part for part in plain.base_model.modules() if isinstance(part, torch.nn.Linear)]
    assert len(updates) == 2 * len(linears)
    found = moved(learner)
    assert found <= trained
    assert updates & found
    assert head & found


@pytest.mark.parametrize("auto_class", [QA, CHOICE])
@pytest.mark.parametrize("family", FAMILIES)
def test_a_merged_model_is_plain_and_says_the_same(family, auto_class, tmp_path):
    task = "qa" if auto_class == QA else "select"
    learner = learner_of(task, family=family, tricks={"lora_rank": 2, "lora_alpha": 64})
    take(learner)
    model = learner.model_to_evaluate.eval()
    before = weights(model)
    save_trained(tmp_path / "best", merge_lora(model), tokenizer(), ModelInfo(task=task, windows={"max_length": 64}))
    assert_equal_weights(weights(model), before)
    loaded = load_trained(str(tmp_path / "best"), task=task, auto_class=auto_class).model
    plain = tiny_model(family, auto_class)
    assert type(loaded) is type(plain)
    assert weights(loaded).keys() == weights(plain).keys()
    found, expected, untrained = (outputs_of(one, auto_class) for one in (loaded, model, plain.eval()))
    for one, other, start in zip(found, expected, untrained, strict=True):
        assert torch.allclose(one, other, atol=1e-5)
        assert not torch.allclose(one, start, atol=1e-3), "training must have changed something"


def test_a_model_without_lora_is_kept_as_it_is():
    model = tiny_bert()
    assert merge_lora(model) is model


def test_lora_updates_the_layers_that_are_named():
    model = adapted(tiny_bert(), lora_rank=2, lora_targets=("query", "value"))
    names = {name.split(".lora_")[0].rpartition(".")[2] for name in trained_in(model) if ".lora_A" in name}
    assert names == {"query", "value"}


def test_lora_starts_at_the_model_as_it_was():
    plain = tiny_bert().eval()
    tuned = adapted(copy.deepcopy(plain), lora_rank=2).eval()
    for found, expected in zip(outputs_of(tuned), outputs_of(plain), strict=True):
        assert torch.equal(found, expected)


def test_frozen_layers_get_no_updates():
    tricks = {"lora_rank": 2, "freeze_layers": 2}
    learner = learner_of(tricks=tricks, num_hidden_layers=3)
    names = {name.split(".layer.")[1][0] for name in trained_in(learner.model) if ".lora_" in name}
    assert names == {"2"}
    assert all(".layer.2." in name or "modules_to_save" in name for name in moved(learner))


@pytest.mark.parametrize("ways", [{}, {"gradient_checkpointing": True}])
@pytest.mark.parametrize("family", FAMILIES)
def test_layers_that_are_drawn_anew_are_trained_whole_beside_lora(family, ways, tmp_path):
    tricks = {"lora_rank": 2, "reinitialize_layers": 1, "reinitialize_head": True}
    learner = learner_of(family=family, tricks=tricks, training=ways, num_hidden_layers=2)
    (*_, top) = encoder_layers(tiny_model(family))
    trained = trained_in(learner.model)
    whole = {name for name in trained if ".layer.1.modules_to_save." in name}
    assert len(whole) == len(list(top.parameters()))
    assert any(".layer.0." in name for name in trained)
    assert not any(".layer.1." in name and ".lora_" in name for name in trained)
    assert any(".attention." in name for name in moved(learner) & whole)
    model = learner.model_to_evaluate.eval()
    save_trained(tmp_path, merge_lora(model), tokenizer(), ModelInfo(task="qa", windows={"max_length": 64}))
    loaded = load_trained(str(tmp_path), task="qa", auto_class=QA).model
    assert weights(loaded).keys() == weights(tiny_model(family)).keys()
    for one, other in zip(outputs_of(loaded), outputs_of(model), strict=True):
        assert torch.allclose(one, other, atol=1e-5)


def test_lora_with_nothing_left_to_update_is_refused():
    with pytest.raises(ConfigError, match=r"tricks.lora_rank: every layer is frozen or reinitialised"):
        adapted(tiny_bert(), lora_rank=2, freeze_layers=1, reinitialize_layers=1)


# Gradient checkpointing


@pytest.mark.parametrize("family", FAMILIES)
@pytest.mark.parametrize("dropout", [0.0, 0.3])
def test_gradient_checkpointing_gives_the_same_gradients(family, dropout):
    training_set, _ = prepared_set(QuestionAnswering(), qa_records(3))
    batch = training_set.batch(range(3), 0)
    inputs = {name: tensor for name, tensor in batch.inputs.items() if family != "roberta" or "type" not in name}
    found = []
    for ways in ({}, {"gradient_checkpointing": True}):
        model = adapt(tiny_model(family, dropout=dropout), train_config(training=ways)).train()
        torch.manual_seed(5)
        output = model(**inputs)
        runs = _count_runs(model)
        (output.start_logits.sum() + output.end_logits.square().sum()).backward()
        found.append((gradients(model), len(runs)))
    (plain, no_runs), (checkpointed, runs) = found
    assert (no_runs, runs) == (0, 2), "activations are computed anew in the backward pass"
    assert_equal_weights(checkpointed, plain)


def _count_runs(model):
    """The layers whose insides run from now on."""
    runs = []
    for layer in encoder_layers(model):
        layer.intermediate.register_forward_pre_hook(lambda module, inputs: runs.append(module))
    return runs


def test_a_model_with_gradient_checkpointing_can_be_read_with_between_steps():
    learner = learner_of(training={"gradient_checkpointing": True})
    pairs = encode_pairs(tokenizer(), [("河山", "城湖海風")], WindowSettings(max_length=64))
    for _ in learner.steps():
        ((_, output),) = run_windows(
            learner.model_to_evaluate, pairs, covering_windows(pairs), pad_id=0, settings=InferenceSettings()
        )
        assert torch.isfinite(output.start_logits).all()


# What cannot be


@pytest.mark.parametrize("name", ["freeze_layers", "reinitialize_layers"])
def test_more_layers_than_there_are_are_refused(name):
    with pytest.raises(ConfigError, match=rf"^tricks.{name} is 3; the model has 2 layers$"):
        adapted(tiny_bert(), **{name: 3})


def test_unknown_targets_of_lora_are_named_and_the_known_ones_too():
    with pytest.raises(ConfigError, match=r"tricks.lora_targets: q_proj .*\['dense', 'key', 'query', 'value'\]"):
        adapted(tiny_bert(), lora_rank=2, lora_targets=("query", "q_proj"))


def test_without_peft_lora_says_what_to_install(monkeypatch):
    monkeypatch.setitem(sys.modules, "peft", None)
    with pytest.raises(ConfigError, match=r"tricks.lora_rank needs the package peft: pip install 'qakit\[lora\]'"):
        adapted(tiny_bert(), lora_rank=2)


def test_a_model_whose_layers_cannot_be_told_is_refused():
    config = transformers.FNetConfig(vocab_size=30, hidden_size=8, num_hidden_layers=1, intermediate_size=8)
    model = transformers.FNetForQuestionAnswering(config)
    model.fnet.encoder.layer = torch.nn.Sequential(*model.fnet.encoder.layer)
    with pytest.raises(ConfigError, match="FNetForQuestionAnswering has no list of layers, which"):
        adapted(model, freeze_layers=1)


def test_layers_cannot_be_both_frozen_and_drawn_anew():
    with pytest.raises(ConfigError, match=r"freeze_layers and reinitialize_layers \(2 and 1\) share some of 2 layers"):
        adapt(tiny_bert(), train_config(tricks={"freeze_layers": 2, "reinitialize_layers": 1}))
