"""Whatever a training does besides plain steps, it goes on after a checkpoint as if it had not stopped, bit for bit."""

import pytest
import torch

from qakit.training.checkpoints import load_checkpoint, save_checkpoint
from tests.modeling.tiny import assert_equal_weights, weights
from tests.training.learning import learner_of, take

TRICKS = {
    "fgm": {"adversarial": "fgm"},
    "pgd": {"adversarial": "pgd"},
    "awp": {"adversarial": "awp"},
    "ema": {"ema": 0.9},
    "swa": {"swa": 0.3},
    "r_drop": {"r_drop": 1.0},
    "dropout_samples": {"dropout_samples": 3},
    "label_smoothing": {"label_smoothing": 0.1},
    "lora": {"lora_rank": 2, "lora_dropout": 0.1},
    "layer_decay": {"layer_decay": 0.8},
    "frozen": {"freeze_layers": 1},
    "reinitialised": {"reinitialize_layers": 1, "reinitialize_head": True},
    "negative_windows": {"negative_windows": 1.0},
    "all at once": {
        "adversarial": "fgm",
        "ema": 0.9,
        "r_drop": 1.0,
        "dropout_samples": 2,
        "label_smoothing": 0.1,
        "lora_rank": 2,
        "layer_decay": 0.8,
        "negative_windows": 1.0,
    },
}
OF_QA = ("negative_windows", "all at once")
TRAINING = {
    "bf16": {"precision": "bf16"},
    "gradient_checkpointing": {"gradient_checkpointing": True},
    "group_by_length": {"group_by_length": True},
    "batch_tokens": {"batch_tokens": 150},
}
CASES = [
    *[pytest.param("qa", {"tricks": tricks}, id=f"qa, {name}") for name, tricks in TRICKS.items()],
    *[pytest.param("select", {"tricks": TRICKS[name]}, id=f"select, {name}") for name in TRICKS if name not in OF_QA],
    *[pytest.param("qa", {"training": training}, id=f"qa, {name}") for name, training in TRAINING.items()],
    *[
        pytest.param("qa", {"tricks": TRICKS[name], "training": TRAINING[way]}, id=f"qa, {name}, {way}")
        for name, way in (
            ("fgm", "bf16"),
            ("all at once", "bf16"),
            ("pgd", "gradient_checkpointing"),
            ("lora", "gradient_checkpointing"),
        )
    ],
]


@pytest.mark.parametrize(("task", "given"), CASES)
def test_after_a_checkpoint_the_same_steps_are_made_bit_for_bit(task, given, tmp_path):
    def make(seed):
        return learner_of(task, dropout=0.2, seed=seed, **given)

    first = make(seed=0)
    before = weights(first.model)
    take(first, 3)  # of at least six
    path = save_checkpoint(tmp_path, first.checkpoint({}))
    middle = weights(first.model_to_evaluate)
    expected = take(first)
    assert len(expected) >= 3
    torch.manual_seed(99)
    second = make(seed=7)
    second.restore(load_checkpoint(path))
    assert_equal_weights(weights(second.model_to_evaluate), middle)
    assert take(second) == expected
    assert_equal_weights(weights(second.model), weights(first.model))
    assert_equal_weights(weights(second.model_to_evaluate), weights(first.model_to_evaluate))
    ends = [learner.checkpoint({}) for learner in (first, second)]
    assert ends[0].tensors.keys() == ends[1].tensors.keys()
    for stem, tensors in ends[0].tensors.items():
        assert_equal_weights(ends[1].tensors[stem], tensors)
    assert ends[0].state == ends[1].state
    assert any(not torch.equal(tensor, before[name]) for name, tensor in weights(first.model).items())


@pytest.mark.parametrize("name", [*TRICKS])
def test_each_trick_changes_what_is_learnt(name):
    """Else the test above would hold for a trick that does nothing."""
    plain, tricked = (learner_of(dropout=0.2, tricks=tricks) for tricks in ({}, TRICKS[name]))
    for learner in (plain, tricked):
        torch.manual_seed(1)
        take(learner)
    found, expected = weights(tricked.model_to_evaluate), weights(plain.model_to_evaluate)
    assert found.keys() != expected.keys() or any(not torch.equal(found[key], expected[key]) for key in expected)
