"""Perturbations are as large as they should be, raise the loss, and leave the gradients that the papers ask for."""

import copy

import pytest
import torch

from qakit.config import TrickSettings
from qakit.training.adversarial import EmbeddingAdversary, build_adversary
from tests.modeling.tiny import CHOICE, FAMILIES, assert_equal_weights, largest_difference, loss_of, tiny_bert, weights
from tests.training.learning import learner_of, prepared

EPSILON = 0.2
# Weights no wider than a real model's: a perturbation must be small beside the embeddings.
NARROW = {"initializer_range": 0.1}


@pytest.fixture(scope="module")
def learning():
    """Windows of different lengths, one of them without an answer, and their batch."""
    training_set, _ = prepared(count=5)
    return training_set, training_set.batch(range(5), 0)


def perturbed_pass(model, learning, epsilon, steps):
    """The embeddings and losses of the clean pass and of the perturbed one; embeddings have shape (B, T, H)."""
    training_set, batch = learning
    adversary = EmbeddingAdversary(model, epsilon, steps=steps)
    seen = []
    model.get_input_embeddings().register_forward_hook(lambda module, inputs, output: seen.append(output.detach()))
    with adversary.watching():
        clean = loss_of(training_set, model, batch)
        clean.backward()
    with adversary.perturbed(lambda: loss_of(training_set, model, batch)):
        moved = loss_of(training_set, model, batch)
    return seen[0], seen[-1], float(clean), float(moved)


def norms(delta):
    return torch.linalg.vector_norm(delta, dim=(1, 2))


# Embeddings


@pytest.mark.parametrize("epsilon", [1e-2, 1.0])
def test_fgm_moves_each_window_by_epsilon_and_no_padding(learning, epsilon):
    before, after, _, _ = perturbed_pass(tiny_bert(**NARROW), learning, epsilon, steps=1)
    assert norms(after - before).tolist() == pytest.approx([epsilon] * 5, rel=1e-3)
    padding = learning[1].inputs["attention_mask"] == 0
    assert padding.any()
    assert torch.equal(after[padding], before[padding])


def test_fgm_raises_the_loss_by_epsilon_times_the_gradients_norm(learning):
    """To first order: no other direction of that length raises it more."""
    training_set, batch = learning
    model = tiny_bert(**NARROW)
    embedded = model.get_input_embeddings()(batch.inputs["input_ids"]).detach().requires_grad_()
    inputs = {**batch.inputs, "inputs_embeds": embedded}
    del inputs["input_ids"]
    (gradient,) = torch.autograd.grad(loss_of(training_set, lambda **_: model(**inputs), batch), embedded)
    _, _, clean, moved = perturbed_pass(model, learning, 2e-3, steps=1)
    assert (moved - clean) / (2e-3 * float(norms(gradient).sum())) == pytest.approx(1, abs=0.05)


@pytest.mark.parametrize("steps", [2, 3, 8])
def test_pgd_stays_within_the_ball_and_finds_a_loss_as_high_as_fgm(learning, steps):
    found = {}
    for number in (1, steps):
        before, after, clean, found[number] = perturbed_pass(tiny_bert(), learning, EPSILON, number)
        lengths = norms(after - before)
        assert (lengths <= EPSILON * 1.001).all()
        assert lengths.max() > 0.9 * EPSILON, "the border can be reached"
    assert found[steps] >= found[1] > clean


def test_a_model_is_as_it_was_after_the_perturbed_pass(learning):
    training_set, batch = learning
    model = tiny_bert()
    _, _, clean, _ = perturbed_pass(model, learning, EPSILON, steps=2)
    assert float(loss_of(training_set, model, batch)) == clean


def test_an_error_in_the_perturbed_pass_leaves_no_perturbation(learning):
    training_set, batch = learning
    for kind in ("fgm", "pgd", "awp"):
        model = tiny_bert()
        before = weights(model)
        clean = float(loss_of(training_set, model, batch))
        adversary = build_adversary(model, TrickSettings(adversarial=kind))
        with adversary.watching():
            loss_of(training_set, model, batch).backward()
        with pytest.raises(RuntimeError), adversary.perturbed(lambda: loss_of(training_set, model, batch)):  # noqa: B023
            assert float(loss_of(training_set, model, batch)) != clean
            raise RuntimeError
        assert float(loss_of(training_set, model, batch)) == clean
        assert_equal_weights(weights(model), before)


# Gradients


def direct(model, training_set, passes, kind, epsilon, steps):
    """The gradients of a step, computed by the definition: embedded inputs and weights are moved by hand."""
    count = sum(batch.count for batch in passes)
    model = copy.deepcopy(model)
    for batch in passes:
        (loss_of(training_set, model, batch) / count).backward()
        if kind == "awp":
            _backward_at_moved_weights(model, lambda: loss_of(training_set, model, batch) / count, epsilon)  # noqa: B023
        else:
            _backward_at_moved_inputs(model, training_set, batch, count, epsilon, steps)
    return {name: parameter.grad for name, parameter in model.named_parameters() if parameter.grad is not None}


def _backward_at_moved_inputs(model, training_set, batch, count, epsilon, steps):
    inputs = {name: tensor for name, tensor in batch.inputs.items() if name != "input_ids"}
    embedded = model.get_input_embeddings()(batch.inputs["input_ids"].flatten(0, -2))
    shape = (*batch.inputs["input_ids"].shape, embedded.shape[-1])

    def loss(delta):
        output = model(**inputs, inputs_embeds=(embedded + delta).view(shape))
        return loss_of(training_set, lambda **_: output, batch)

    step = epsilon if steps == 1 else 1.5 * epsilon / steps
    delta = torch.zeros_like(embedded)
    for _ in range(steps):
        delta = delta.detach().requires_grad_()
        (gradient,) = torch.autograd.grad(loss(delta), delta, retain_graph=True)
        delta = delta.detach()
        for window in range(len(delta)):
            delta[window] += step * gradient[window] / gradient[window].norm()
            delta[window] *= min(1.0, epsilon / float(delta[window].norm()))
    (loss(delta) / count).backward()


def _backward_at_moved_weights(model, loss, epsilon):
    before = weights(model)
    with torch.no_grad():
        for parameter in model.parameters():
            if parameter.requires_grad and parameter.ndim > 1 and parameter.grad is not None:
                direction = parameter.grad / parameter.grad.norm() if parameter.grad.norm() > 0 else parameter.grad
                parameter.add_(epsilon * parameter.norm() * direction)
    loss().backward()
    model.load_state_dict(before)


def gradients_of_first_step(learner):
    """What the optimiser is given, and the weights before and after a step of rate 0."""
    found = {}

    def keep(*_):
        found.update({n: p.grad.clone() for n, p in learner.model.named_parameters() if p.grad is not None})

    learner._optimizer.register_step_pre_hook(keep)
    before = weights(learner.model)
    event = next(learner.steps())
    assert event.learning_rate == 0
    assert_equal_weights(weights(learner.model), before)
    return found


KINDS = {"fgm": (EPSILON, 1), "pgd": (EPSILON, 3), "awp": (0.02, 1)}


def check_against_direct(kind, task="qa", family="bert", tricks=None, **training):
    epsilon, steps = KINDS[kind]
    tricks = {"adversarial": kind, "adversarial_epsilon": epsilon, "adversarial_steps": steps, **(tricks or {})}
    training = {"warmup": 1, "max_gradient_norm": 0, "batch_size": 4, "accumulation": 1, **training}
    learner = learner_of(task, family=family, tricks=tricks, training=training, **NARROW)
    training_set = learner._training_set
    epoch, passes = learner.plan.step(0)
    batches = [training_set.batch(index.tolist(), epoch) for index in passes]
    model = copy.deepcopy(learner.model)
    model.get_input_embeddings()._forward_hooks.clear()
    plain, expected = (
        direct(model, training_set, batches, *given) for given in ((kind, 1e-9, 1), (kind, epsilon, steps))
    )
    found = gradients_of_first_step(learner)
    scale = max(float(tensor.abs().max()) for tensor in expected.values())
    assert largest_difference(found, expected) < 2e-4 * scale
    assert largest_difference(plain, expected) > 1e-2 * scale, "the perturbation must matter"


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("family", FAMILIES)
def test_gradients_are_those_of_the_clean_input_and_of_the_perturbed_one(family, kind):
    check_against_direct(kind, family=family)


@pytest.mark.parametrize("kind", KINDS)
def test_each_pass_of_a_step_is_perturbed(kind):
    check_against_direct(kind, accumulation=3, batch_size=2)


@pytest.mark.parametrize("kind", KINDS)
def test_candidates_are_perturbed_too(kind):
    check_against_direct(kind, task="select")


@pytest.mark.parametrize("kind", ["fgm", "pgd"])
@pytest.mark.parametrize("family", ["bert", "roformer"])
def test_frozen_embeddings_are_perturbed_and_stay(kind, family):
    check_against_direct(kind, family=family, tricks={"freeze_embeddings": True})


@pytest.mark.parametrize("kind", ["fgm", "pgd"])
@pytest.mark.parametrize("task", ["qa", "select"])
def test_a_step_is_the_same_however_it_is_cut_into_passes(kind, task):
    tricks = {"adversarial": kind, "adversarial_epsilon": EPSILON}
    whole, parts = (
        gradients_of_first_step(
            learner_of(
                task,
                tricks=tricks,
                training={"warmup": 1, "max_gradient_norm": 0, "batch_size": size, "accumulation": 6 // size},
                **NARROW,
            )
        )
        for size in (6, 1)
    )
    scale = max(float(tensor.abs().max()) for tensor in whole.values())
    assert largest_difference(whole, parts) < 2e-4 * scale


# Weights


def test_awp_moves_each_matrix_by_a_share_of_its_norm_and_puts_it_back(learning):
    training_set, batch = learning
    model = tiny_bert(dropout=0.1)
    before = weights(model)
    adversary = build_adversary(model, TrickSettings(adversarial="awp", adversarial_epsilon=0.05))
    with adversary.watching():
        clean = loss_of(training_set, model.eval(), batch)
        clean.backward()
    with adversary.perturbed(lambda: clean):
        for name, parameter in model.named_parameters():
            is_moved = parameter.ndim > 1 and float(parameter.grad.norm()) > 0
            expected = 0.05 * float(before[name].norm()) if is_moved else 0
            assert float((parameter - before[name]).norm()) == pytest.approx(expected, rel=1e-3), name
        assert float(loss_of(training_set, model, batch)) > float(clean)
    assert_equal_weights(weights(model), before)


def test_awp_leaves_frozen_weights(learning):
    training_set, batch = learning
    model = tiny_bert()
    model.bert.embeddings.requires_grad_(False)
    before = weights(model)
    adversary = build_adversary(model, TrickSettings(adversarial="awp"))
    with adversary.watching():
        loss_of(training_set, model, batch).backward()
    with adversary.perturbed(lambda: None):
        changed = {name for name, tensor in weights(model).items() if not torch.equal(tensor, before[name])}
    assert changed
    assert not any(name.startswith("bert.embeddings") for name in changed)


def test_there_is_no_adversary_unless_asked_for():
    model = tiny_bert(CHOICE)
    assert build_adversary(model, TrickSettings()) is None
    assert not model.get_input_embeddings()._forward_hooks
