"""Encoders compute in 16 bits where asked, heads never do."""

import pytest
import torch

from qakit.config import InferenceSettings, ReadConfig, WindowSettings
from qakit.data.records import Paragraph, Record
from qakit.modeling.info import ModelInfo
from qakit.modeling.models import load_trained, save_trained
from qakit.tasks.questions.reading import read_answers, score_candidates
from tests.modeling.tiny import CHOICE, FAMILIES, QA, tiny_model, tokenizer

WINDOWS = WindowSettings(max_length=32, overlap=8)
CONTEXT = "河山城湖海風雲林石田" * 6
RECORD = Record("1", "河在哪？", (Paragraph("1", CONTEXT), Paragraph("2", CONTEXT[::-1])), relevant=0)
CLASSES = {"qa": QA, "select": CHOICE}


def saved(folder, family, task):
    save_trained(folder, tiny_model(family, CLASSES[task], seed=3), tokenizer(), ModelInfo(task=task, windows=WINDOWS))
    return str(folder)


def outcome(source, task, precision):
    config = ReadConfig(inference=InferenceSettings(precision=precision))
    loaded = load_trained(source, task=task, auto_class=CLASSES[task], inference=config.inference)
    if task == "select":
        return loaded.model, next(score_candidates(loaded, [RECORD], config))
    _, scores = next(read_answers(loaded, [RECORD], config))
    return loaded.model, scores.start


@pytest.mark.parametrize("task", ["qa", "select"])
@pytest.mark.parametrize("family", FAMILIES)
def test_16_bits_change_the_scores_a_little_and_leave_them_fine_grained(tmp_path, family, task):
    source = saved(tmp_path, family, task)
    exact_model, exact = outcome(source, task, None)
    model, scores = outcome(source, task, "bf16")
    assert {weight.dtype for weight in exact_model.parameters()} == {torch.float32}
    assert {weight.dtype for weight in model.base_model.parameters()} == {torch.bfloat16}
    difference = abs(scores - exact).max()
    assert 0 < difference < 0.1 * max(1, abs(exact).max())
    assert (torch.from_numpy(scores).bfloat16().float().numpy() != scores).any()


def test_a_model_stored_in_16_bits_is_read_in_fp32_on_a_cpu(tmp_path):
    model = tiny_model("bert").half()
    save_trained(tmp_path, model, tokenizer(), ModelInfo(task="qa", windows=WINDOWS))
    for precision in (None, "fp32"):
        inference = InferenceSettings(precision=precision)
        loaded = load_trained(str(tmp_path), task="qa", auto_class=QA, inference=inference).model
        if precision or not torch.accelerator.is_available():
            assert {weight.dtype for weight in loaded.parameters()} == {torch.float32}


def test_a_model_of_another_tool_is_read_in_windows_as_long_as_it_takes(tmp_path):
    for positions, expected in ((600, 512), (200, 200)):
        folder = tmp_path / str(positions)
        tiny_model("bert", max_position_embeddings=positions).save_pretrained(folder)
        tokenizer().save_pretrained(folder)
        assert load_trained(str(folder), task="qa", auto_class=QA).info.windows.max_length == expected


def test_threads_and_compilation_are_set_where_asked(tmp_path):
    source = saved(tmp_path, "bert", "qa")
    before = torch.get_num_threads()
    try:
        settings = InferenceSettings(num_threads=before + 1, compile=True)
        loaded = load_trained(source, task="qa", auto_class=QA, inference=settings).model
        assert torch.get_num_threads() == before + 1
        assert loaded._compiled_call_impl is not None
        load_trained(source, task="qa", auto_class=QA)
        assert torch.get_num_threads() == before + 1
    finally:
        torch.set_num_threads(before)
