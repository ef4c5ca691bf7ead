"""A learner goes into a checkpoint and out of one, and then makes the very steps it would have made."""

from types import SimpleNamespace

import pytest
import torch
from accelerate import Accelerator
from transformers import BertForQuestionAnswering

from qakit.config import TrainingSettings
from qakit.errors import CheckpointError, ConfigError
from qakit.modeling.info import ModelInfo
from qakit.modeling.models import save_trained
from qakit.tasks.questions.qa import QuestionAnswering
from qakit.tasks.questions.select import ParagraphSelection
from qakit.training.accelerator import make_accelerator, tracking
from qakit.training.checkpoints import load_checkpoint, save_checkpoint
from qakit.training.learner import Learner
from tests.modeling.tiny import (
    CHOICE,
    SIZES,
    assert_equal_weights,
    cpu,
    forget_accelerators,
    prepared_set,
    qa_records,
    select_records,
    tiny_bert,
    tokenizer,
    train_config,
    weights,
)

LEARNING = {"learning_rate": 1e-3, "batch_size": 2, "accumulation": 2, "epochs": 2}


@pytest.fixture(params=["qa", "select"])
def learning(request):
    """What makes a fresh learner, with dropout on."""
    task, records = (
        (QuestionAnswering(), qa_records(10)) if request.param == "qa" else (ParagraphSelection(), select_records(10))
    )
    training_set, config = prepared_set(task, records, training=LEARNING)
    return lambda seed=0: Learner(tiny_bert(task.auto_class, dropout=0.2, seed=seed), config, cpu(), training_set)


def _steps(learner, count):
    """The next `count` events, or all that are left."""
    events = learner.steps()
    return list(events) if count is None else [next(events) for _ in range(count)]


def test_the_loss_scale_of_fp16_goes_on_where_it_was(tmp_path):
    """With a scaler for CPUs in the place of that for GPUs."""
    training_set, config = prepared_set(QuestionAnswering(), qa_records(10), training=LEARNING)

    def make():
        accelerator = cpu()
        accelerator.scaler = torch.amp.GradScaler("cpu", init_scale=8.0, growth_interval=2)
        return Learner(tiny_bert(), config, accelerator, training_set)

    first, second = make(), make()
    _steps(first, 3)
    path = save_checkpoint(tmp_path, first.checkpoint({}))
    assert first.accelerator.scaler.get_scale() == 16.0, "the scaler must have been at work"
    second.restore(load_checkpoint(path))
    assert second.accelerator.scaler.state_dict() == first.accelerator.scaler.state_dict()
    assert _steps(second, None) == _steps(first, None)
    assert second.accelerator.scaler.state_dict() == first.accelerator.scaler.state_dict()


@pytest.mark.parametrize("done", [0, 1, 4])
def test_after_a_checkpoint_the_same_steps_are_made_bit_for_bit(learning, tmp_path, done):
    first = learning()
    _steps(first, done)
    path = save_checkpoint(tmp_path, first.checkpoint({"note": "字"}))
    expected = _steps(first, None)
    torch.manual_seed(99)
    second = learning(seed=7)
    checkpoint = load_checkpoint(path)
    second.restore(checkpoint)
    assert checkpoint.state["note"] == "字"
    assert second.steps_done == done
    assert _steps(second, None) == expected
    assert len(expected) == 6 - done
    assert_equal_weights(weights(second.model), weights(first.model))
    ends = [learner.checkpoint({}) for learner in (first, second)]
    assert ends[0].tensors["optimizer"].keys() == ends[1].tensors["optimizer"].keys() != set()
    assert_equal_weights(ends[1].tensors["optimizer"], ends[0].tensors["optimizer"])
    assert ends[0].state == ends[1].state


def test_a_restored_learner_has_the_optimiser_and_the_random_state_of_the_checkpoint(learning):
    """Without them the next steps would differ: what the test above would miss if dropout or momentum had no effect."""
    first = learning()
    _steps(first, 3)
    checkpoint = first.checkpoint({})
    moments = {name: tensor.clone() for name, tensor in checkpoint.tensors["optimizer"].items()}
    draw = torch.rand(3)
    second = learning(seed=7)
    second.restore(checkpoint)
    assert torch.equal(torch.rand(3), draw)
    assert_equal_weights(second.checkpoint({}).tensors["optimizer"], moments)


@pytest.mark.parametrize(
    "other",
    [
        pytest.param(lambda: tiny_bert(CHOICE), id="of another task"),
        pytest.param(lambda: tiny_bert(hidden_size=32), id="of another size"),
        pytest.param(lambda: tiny_bert(num_hidden_layers=1), id="with fewer layers"),
        pytest.param(lambda: tiny_bert(num_hidden_layers=3), id="with more layers"),
    ],
)
def test_a_checkpoint_of_another_model_is_refused(other):
    training_set, config = prepared_set(QuestionAnswering(), qa_records(2))
    checkpoint = Learner(tiny_bert(), config, cpu(), training_set).checkpoint({})
    with pytest.raises(CheckpointError, match="checkpoint of step 0 is of another model: "):
        Learner(other(), config, cpu(), training_set).restore(checkpoint)


@pytest.fixture
def on_the_cpu(monkeypatch):
    monkeypatch.setenv("ACCELERATE_USE_CPU", "true")
    forget_accelerators()


@pytest.mark.usefixtures("on_the_cpu")
def test_a_precision_that_the_device_does_not_have_is_a_mistake_in_the_settings():
    with pytest.raises(ConfigError, match=r"training.precision fp16 needs a GPU"):
        make_accelerator(TrainingSettings(precision="fp16"))


@pytest.mark.usefixtures("on_the_cpu")
def test_each_training_of_a_process_has_its_own_precision():
    found = [make_accelerator(TrainingSettings(precision=name)).mixed_precision for name in ("bf16", None, "fp32")]
    assert found == ["bf16", "no", "no"]


@pytest.mark.usefixtures("on_the_cpu")
def test_accumulation_of_accelerate_does_not_shrink_the_gradients(monkeypatch):
    training_set, config = prepared_set(QuestionAnswering(), qa_records(4), training={"max_steps": 1})
    norms = []
    for _ in range(2):
        forget_accelerators()
        learner = Learner(tiny_bert(), config, make_accelerator(config.training), training_set)
        norms += [event.gradient_norm for event in learner.steps()]
        monkeypatch.setenv("ACCELERATE_GRADIENT_ACCUMULATION_STEPS", "8")
    assert norms[0] == norms[1] > 0


@pytest.mark.usefixtures("on_the_cpu")
def test_the_processes_stay_together_when_the_trackers_are_closed(tmp_path):
    torch.distributed.init_process_group("gloo", store=torch.distributed.HashStore(), rank=0, world_size=1)
    try:
        config = train_config(training={"trackers": ["tensorboard"]})
        accelerator = make_accelerator(config.training, tmp_path)
        with tracking(accelerator, config):
            accelerator.log({"loss": 1.0}, step=1)
        assert torch.distributed.is_initialized()
    finally:
        torch.distributed.destroy_process_group()
        forget_accelerators()
    (written,) = (tmp_path / "qakit").glob("events.out.tfevents.*")
    assert b"loss" in written.read_bytes()


def _launched(kind, stage=None):
    """What a learner first asks of an accelerator: how weights are placed."""
    return SimpleNamespace(
        distributed_type=kind, state=SimpleNamespace(deepspeed_plugin=SimpleNamespace(zero_stage=stage))
    )


@pytest.mark.parametrize(
    ("accelerator", "trick", "name"),
    [
        (_launched("FSDP"), {"ema": 0.9}, "ema"),
        (_launched("FSDP"), {"adversarial": "awp"}, "awp"),
        (_launched("DEEPSPEED", 3), {"swa": 0.5}, "swa"),
        (_launched("DEEPSPEED", 3), {"lora_rank": 4}, "lora_rank"),
        (_launched("DEEPSPEED", 2), {"adversarial": "awp"}, "awp"),
    ],
)
def test_tricks_that_find_no_whole_weights_or_gradients_are_refused(accelerator, trick, name):
    training_set, config = prepared_set(QuestionAnswering(), qa_records(2), tricks=trick)
    kind = accelerator.distributed_type
    with pytest.raises(ConfigError, match=rf"^tricks {name} need whole weights and gradients, which {kind} spreads"):
        Learner(tiny_bert(), config, accelerator, training_set)


@pytest.mark.usefixtures("on_the_cpu")
def test_what_is_wrong_with_accelerate_is_not_blamed_on_the_precision(monkeypatch):
    monkeypatch.setenv("ACCELERATE_DYNAMO_BACKEND", "NONSENSE")
    with pytest.raises(ConfigError, match=r"^the configuration of accelerate: .*NONSENSE"):
        make_accelerator(TrainingSettings(precision="bf16"))


def test_a_learner_tells_its_size_and_precision():
    training_set, config = prepared_set(QuestionAnswering(), qa_records(2))
    model = tiny_bert()
    model.bert.requires_grad_(False)
    learner = Learner(model, config, cpu(), training_set)
    assert learner.trained == 2 * SIZES["hidden_size"] + 2
    assert learner.parameters == model.num_parameters() > learner.trained
    assert learner.precision == "fp32"
    forget_accelerators()
    accelerator = Accelerator(cpu=True, mixed_precision="bf16")
    assert Learner(model, config, accelerator, training_set).precision == "bf16"


def test_a_compiled_model_trains_and_is_saved_plain(tmp_path):
    training_set, config = prepared_set(
        QuestionAnswering(), qa_records(4), training={**LEARNING, "compile": True, "max_steps": 2}
    )
    learner = Learner(tiny_bert(num_hidden_layers=1), config, cpu(), training_set)
    assert learner.model._compiled_call_impl is not None
    before = weights(learner.model)
    assert len(_steps(learner, None)) == 2
    save_trained(tmp_path, learner.model_to_evaluate, tokenizer(), ModelInfo(task="qa", windows=config.windows))
    plain, loading = BertForQuestionAnswering.from_pretrained(tmp_path, output_loading_info=True)
    assert not loading["missing_keys"] and not loading["unexpected_keys"]
    assert_equal_weights(weights(plain), weights(learner.model))
    assert any(not torch.equal(tensor, before[name]) for name, tensor in weights(plain).items())
