"""What a training computes: the same losses as a plain transformers loop, however a step is cut into passes."""

import copy

import pytest
import torch

from qakit.data.records import Record
from qakit.tasks.questions.qa import QuestionAnswering
from qakit.tasks.questions.select import ParagraphSelection
from qakit.training.order import make_plan
from tests.modeling.tiny import (
    cpu,
    largest_difference,
    loss_of,
    prepared_set,
    qa_records,
    select_records,
    tiny_bert,
    weights,
)
from tests.training.plain import loop_losses, plain_losses

STEPS = 20
LEARNING = {"learning_rate": 1e-3, "max_steps": STEPS, "epochs": 50, "weight_decay": 0.1}
CUTS = [(2, 4), (1, 8), (3, 3)]
ONE_BY_ONE = {"batch_size": 1, "accumulation": 4}


def _impossible(record):
    return Record(record.id, record.question, record.paragraphs, relevant=0, impossible=True)


def _records(task, count):
    if task is ParagraphSelection:
        return select_records(count)
    records = qa_records(count)
    return [*records[:-3], *map(_impossible, records[-3:])]


@pytest.fixture(params=[QuestionAnswering, ParagraphSelection])
def task(request):
    return request.param


def _trained(task, model, batch_size, accumulation):
    training = {**LEARNING, "batch_size": batch_size, "accumulation": accumulation}
    # Some biases have no gradient but rounding errors, which Adam would blow up to whole steps.
    training["adam_epsilon"] = 1e-4
    records = _records(task, 22)  # so that the last step of an epoch is cut into passes of different sizes
    training_set, config = prepared_set(task(), records, max_length=128, training=training)
    losses = loop_losses(model, training_set, config, cpu())
    return losses, weights(model)


@pytest.mark.parametrize(("batch_size", "accumulation"), CUTS)
def test_a_step_is_the_same_however_it_is_cut_into_passes(task, batch_size, accumulation):
    model = tiny_bert(task.auto_class, initializer_range=0.1)
    whole_losses, whole_weights = _trained(task, copy.deepcopy(model), batch_size * accumulation, 1)
    losses, final = _trained(task, model, batch_size, accumulation)
    assert len(losses) == STEPS
    assert losses == pytest.approx(whole_losses, rel=0, abs=1e-6)
    assert largest_difference(final, whole_weights) < 1e-5


LONG = [*qa_records(18, shortest=80), *map(_impossible, qa_records(2, shortest=80, seed=1))]
FOUR_CANDIDATES = select_records(20, fewest=4, most=4)


@pytest.mark.parametrize(
    ("task", "records", "passes"),
    [
        pytest.param(QuestionAnswering, LONG, {"batch_size": 4}, id="qa, windows that are all full"),
        pytest.param(QuestionAnswering, _records(QuestionAnswering, 20), ONE_BY_ONE, id="qa, windows of any length"),
        pytest.param(ParagraphSelection, FOUR_CANDIDATES, {"batch_size": 4}, id="select"),
    ],
)
def test_losses_equal_those_of_a_plain_loop_with_the_models_own_loss(task, records, passes):
    training_set, config = prepared_set(task(), records, training={**LEARNING, **passes})
    ours, theirs = (tiny_bert(task.auto_class, dropout=0.1) for _ in range(2))
    torch.manual_seed(5)
    expected = plain_losses(theirs, training_set, make_plan(training_set.lengths, config.training))
    torch.manual_seed(5)
    found = loop_losses(ours, training_set, config, cpu())
    assert len(set(found)) == STEPS, "the weights must move"
    assert found == pytest.approx(expected, rel=0, abs=1e-5)


def test_a_loss_leaves_out_the_padding():
    training_set, _ = prepared_set(QuestionAnswering(), qa_records(6), max_length=160)
    model = tiny_bert().eval()
    together = training_set.batch(range(6), 0)
    alone = [training_set.batch([number], 0) for number in range(6)]
    assert len({batch.inputs["input_ids"].shape[1] for batch in alone}) > 1
    with torch.no_grad():
        losses = [float(loss_of(training_set, model, batch)) for batch in [together, *alone]]
    assert losses[0] == pytest.approx(sum(losses[1:]), abs=1e-4)
