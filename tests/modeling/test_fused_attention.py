"""RoFormer answers through torch's fused attention, and as it would without it."""

import pytest
import torch

from qakit.config import InferenceSettings, WindowSettings
from qakit.modeling.inference import FusedSelfAttention, fuse_attention
from qakit.modeling.info import ModelInfo
from qakit.modeling.models import load_trained, save_trained
from tests.modeling.tiny import CHOICE, FAMILIES, QA, tiny_model, tokenizer


def batch(rows, tokens):
    torch.manual_seed(1)
    inputs = torch.randint(5, len(tokenizer()), (rows, tokens))
    mask = torch.ones_like(inputs)
    mask[0, tokens // 2 :] = 0
    return {"input_ids": inputs, "attention_mask": mask}


@pytest.mark.parametrize("rotary_value", [False, True])
@pytest.mark.parametrize("auto_class", [QA, CHOICE])
def test_scores_are_those_of_the_models_own_attention(auto_class, rotary_value):
    model = tiny_model("roformer", auto_class, rotary_value=rotary_value).eval()
    inputs = batch(3, 40)
    if auto_class == CHOICE:
        inputs = {name: tensor.unsqueeze(1) for name, tensor in inputs.items()}
    with torch.inference_mode():
        own = model(**inputs).to_tuple()
        fuse_attention(model)
        fused = model(**inputs).to_tuple()
    assert sum(isinstance(module, FusedSelfAttention) for module in model.modules()) == 2
    for expected, found in zip(own, fused, strict=True):
        torch.testing.assert_close(found, expected, rtol=0, atol=1e-5)


def test_training_and_attention_maps_are_left_to_the_models_own_code():
    model = tiny_model("roformer", dropout=0.1)
    inputs = batch(2, 20)

    def losses():
        torch.manual_seed(3)
        return model.train()(**inputs, start_positions=torch.tensor([1, 2]), end_positions=torch.tensor([3, 4])).loss

    own = losses()
    maps = model.eval()(**inputs, output_attentions=True).attentions
    fuse_attention(model)
    assert losses() == own
    found = model.eval()(**inputs, output_attentions=True).attentions
    assert all(torch.equal(one, other) for one, other in zip(maps, found, strict=True))


@pytest.mark.parametrize("family", FAMILIES)
def test_loading_fuses_roformer_alone(family, tmp_path):
    save_trained(tmp_path, tiny_model(family), tokenizer(), ModelInfo(task="qa", windows=WindowSettings(max_length=64)))
    for precision in ("fp32", "bf16"):
        loaded = load_trained(str(tmp_path), task="qa", auto_class=QA, inference=InferenceSettings(precision=precision))
        fused = any(isinstance(module, FusedSelfAttention) for module in loaded.model.modules())
        assert fused == (family == "roformer")
        with torch.inference_mode():
            loaded.model(**batch(2, 20))
