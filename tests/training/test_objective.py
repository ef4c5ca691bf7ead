"""The loss is what torch and the papers say it is, and classes that do not exist have no part in it."""

import math

import numpy as np
import pytest
import torch
from torch.nn.functional import cross_entropy, kl_div

from qakit.config import TrickSettings
from qakit.training.objective import Classification, batch_loss

CHOICES, CLASSES = 6, 9


def random_logits(samples=1, *, seed=0, scale=3.0):
    generator = torch.Generator().manual_seed(seed)
    return (scale * torch.randn(samples * CHOICES, CLASSES, generator=generator)).requires_grad_()


def random_labels(seed=0, classes=CLASSES):
    return torch.randint(classes, (CHOICES,), generator=torch.Generator().manual_seed(seed))


def masked(logits, first):
    """Without the classes from `first` on."""
    return logits.masked_fill(torch.arange(CLASSES) >= first, -torch.inf)


def loss(logits, labels, teacher=None, **tricks):
    return batch_loss([Classification(logits, labels, teacher)], TrickSettings(**tricks))


def close(found, expected):
    return torch.allclose(found, expected, rtol=1e-5, atol=1e-6)


# Cross-entropy


@pytest.mark.parametrize("smoothing", [0.0, 0.1, 0.9])
def test_the_loss_is_torchs_cross_entropy(smoothing):
    logits, labels = random_logits(), random_labels()
    expected = cross_entropy(logits, labels, reduction="sum", label_smoothing=smoothing)
    assert close(loss(logits, labels, label_smoothing=smoothing), expected)


@pytest.mark.parametrize("smoothing", [0.0, 0.3])
def test_masked_classes_are_as_if_they_were_not_there(smoothing):
    logits, labels = random_logits(), random_labels(classes=5)
    expected = cross_entropy(logits[:, :5], labels, reduction="sum", label_smoothing=smoothing)
    found = loss(masked(logits, 5), labels, label_smoothing=smoothing)
    assert close(found, expected)
    (gradient,) = torch.autograd.grad(found, logits)
    assert (gradient[:, 5:] == 0).all()
    assert (gradient[:, :5] != 0).all()


def test_each_choice_may_lack_classes_of_its_own():
    logits, labels = random_logits(), torch.zeros(CHOICES, dtype=torch.long)
    counts = [1, 2, 4, 5, 8, 9]
    rows = torch.stack([masked(row, count) for row, count in zip(logits, counts, strict=True)])
    for smoothing in (0.0, 0.2):
        expected = sum(
            cross_entropy(row[:count], label, label_smoothing=smoothing)
            for row, count, label in zip(logits, counts, labels, strict=True)
        )
        assert close(loss(rows, labels, label_smoothing=smoothing), expected)


def test_several_classifications_are_averaged():
    several = [Classification(random_logits(seed=seed), random_labels(seed)) for seed in (1, 2)]
    expected = sum(cross_entropy(one.logits, one.labels, reduction="sum") for one in several) / 2
    assert close(batch_loss(several, TrickSettings()), expected)


def test_several_passes_are_averaged():
    logits, labels = random_logits(3), random_labels()
    expected = sum(cross_entropy(part, labels, reduction="sum") for part in logits.chunk(3)) / 3
    assert close(loss(logits, labels), expected)


def test_logits_of_half_precision_are_summed_in_fp32():
    logits, labels = random_logits().detach().bfloat16(), random_labels()
    found = loss(logits, labels, label_smoothing=0.1)
    assert found.dtype == torch.float32
    assert close(found, cross_entropy(logits.float(), labels, reduction="sum", label_smoothing=0.1))


# R-Drop


def r_drop(first, second, labels, alpha):
    """Equation 4 of Liang et al. (2021), summed over the choices."""
    likelihood = cross_entropy(first, labels, reduction="sum") + cross_entropy(second, labels, reduction="sum")
    one, other = first.log_softmax(dim=-1), second.log_softmax(dim=-1)
    both_ways = kl_div(other, one, log_target=True, reduction="sum") + kl_div(
        one, other, log_target=True, reduction="sum"
    )
    return likelihood + alpha * both_ways / 2


@pytest.mark.parametrize("alpha", [0.5, 1.0, 5.0])
def test_r_drop_is_half_of_what_the_paper_adds_up(alpha):
    logits, labels = random_logits(2), random_labels(classes=5)
    expected = r_drop(*logits[:, :5].chunk(2), labels, alpha) / 2
    found = loss(masked(logits, 5), labels, r_drop=alpha)
    assert close(found, expected)
    gradients = [torch.autograd.grad(value, logits)[0] for value in (found, expected)]
    assert close(*gradients)


def test_passes_that_agree_have_no_divergence():
    logits, labels = random_logits(), random_labels()
    twice = torch.cat([logits, logits])
    assert torch.equal(loss(twice, labels, r_drop=7.0), loss(twice, labels))
    assert loss(random_logits(2), labels, r_drop=7.0) > loss(random_logits(2), labels)


def test_r_drop_over_dropout_samples_compares_the_two_passes_of_each_sample():
    logits, labels = random_logits(6), random_labels()
    parts = logits.chunk(6)
    expected = sum(r_drop(*parts[2 * number : 2 * number + 2], labels, 2.0) for number in range(3)) / 6
    assert close(loss(logits, labels, r_drop=2.0), expected)


# Distillation


def distilled(logits, labels, teacher, weight, temperature):
    """Hinton et al. (2015): soft targets at a temperature, their gradients scaled back by its square."""
    soft = kl_div((logits / temperature).log_softmax(dim=-1), (teacher / temperature).softmax(dim=-1), reduction="sum")
    return (1 - weight) * cross_entropy(logits, labels, reduction="sum") + weight * temperature**2 * soft


@pytest.mark.parametrize("weight", [0.3, 1.0])
@pytest.mark.parametrize("temperature", [1.0, 4.0])
def test_distillation_is_hintons(weight, temperature):
    logits, labels, teacher = random_logits(), random_labels(), random_logits(seed=1).detach()
    found = loss(logits, labels, teacher.log_softmax(dim=-1), distill_weight=weight, distill_temperature=temperature)
    assert close(found, distilled(logits, labels, teacher, weight, temperature))


def test_classes_that_one_of_the_two_does_not_see_are_left_out():
    logits, labels, teacher = random_logits(), random_labels(classes=5), random_logits(seed=1).detach()
    unseen = teacher.clone()
    unseen[:, :2] = -torch.inf
    found = loss(masked(logits, 7), labels, unseen, distill_weight=0.4, distill_temperature=2.0)
    plain = cross_entropy(logits[:, :7], labels, reduction="sum")
    shared = distilled(logits[:, 2:7], labels.clamp(max=4), teacher[:, 2:7], 1.0, 2.0)
    assert close(found, 0.6 * plain + 0.4 * shared)


def test_a_choice_without_a_teacher_has_the_plain_loss():
    logits, labels, teacher = random_logits(), random_labels(), random_logits(seed=1).detach()
    teacher[[1, 4]] = -torch.inf
    taught = [0, 2, 3, 5]
    expected = cross_entropy(logits[[1, 4]], labels[[1, 4]], reduction="sum") + distilled(
        logits[taught], labels[taught], teacher[taught], 0.5, 2.0
    )
    assert close(loss(logits, labels, teacher, distill_temperature=2.0), expected)
    nothing = torch.full_like(teacher, -torch.inf)
    assert torch.equal(loss(logits, labels, nothing), loss(logits, labels))


def test_a_student_that_says_what_its_teacher_says_has_no_loss_but_that_of_the_labels():
    logits, labels = random_logits(2), random_labels()
    agreeing = torch.cat([logits[:CHOICES]] * 2)
    found = loss(agreeing, labels, agreeing[:CHOICES].detach(), distill_weight=1.0, distill_temperature=3.0)
    assert float(found) == pytest.approx(0, abs=1e-5)


# Gradients

EVERYTHING = {"label_smoothing": 0.1, "r_drop": 1.0, "distill_weight": 0.5, "distill_temperature": 2.0}


@pytest.mark.parametrize("names", [[name] for name in EVERYTHING] + [[*EVERYTHING]])
def test_gradients_are_numbers_where_classes_are_masked(names):
    tricks = {name: EVERYTHING[name] for name in names}
    logits, labels = random_logits(2, scale=200.0), random_labels(classes=3)
    teacher = random_logits(seed=1).detach()
    teacher[0] = -torch.inf
    teacher[1, :4] = -torch.inf  # nothing is left that both see
    found = loss(masked(logits, 4), labels, teacher, **tricks)
    found.backward()
    assert math.isfinite(found)
    assert torch.isfinite(logits.grad).all()
    assert (logits.grad[:, 4:] == 0).all()


def test_all_tricks_together_are_the_sum_of_their_parts():
    logits, labels, teacher = random_logits(2), random_labels(), random_logits(seed=1).detach()
    tricks = {**EVERYTHING, "distill_weight": 0.25}
    smoothed = cross_entropy(logits, labels.repeat(2), reduction="sum", label_smoothing=0.1) / 2
    soft = sum(distilled(part, labels, teacher, 1.0, 2.0) for part in logits.chunk(2)) / 2
    divergence = (r_drop(*logits.chunk(2), labels, 1.0) - r_drop(*logits.chunk(2), labels, 0.0)) / 2
    assert close(loss(logits, labels, teacher, **tricks), 0.75 * smoothed + 0.25 * soft + divergence)
    assert np.isfinite(float(divergence))
