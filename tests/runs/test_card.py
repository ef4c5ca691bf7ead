"""The model card: a front matter the hub can read, the scores, and no path of the machine it was made on."""

import re
from typing import Any

import pytest
import yaml

from qakit import __version__
from qakit.modeling.info import ModelInfo, model_card
from qakit.tasks.registry import TASKS
from tests.modeling.tiny import train_config


def card(*, task: str = "qa", scores: dict[str, float] | None = None, **model: Any) -> tuple[dict[str, Any], str]:
    config = train_config("/home/me/runs/first", model={"name": "hfl/x", **model}, max_length=128)
    text = model_card(
        config,
        ModelInfo(task=task, windows=config.windows),
        scores or {},
        step=40,
        pipeline_tag=TASKS[task].pipeline_tag,
        usage=TASKS[task].usage,
    )
    _, front, body = text.split("---\n", 2)
    return yaml.safe_load(front), body


@pytest.mark.parametrize(("task", "tag"), [("qa", "question-answering"), ("select", "multiple-choice")])
def test_the_front_matter_names_task_and_library(task: str, tag: str):
    front, body = card(task=task)
    assert (front["pipeline_tag"], front["library_name"], front["base_model"]) == (tag, "transformers", "hfl/x")
    assert f"A model for `{task}`, fine-tuned from `hfl/x` with qakit {__version__}." in body


def test_scores_stand_in_a_table_with_the_step():
    _, body = card(scores={"em": 71.428, "f1": 80.0})
    assert "step 40" in body
    assert re.findall(r"^\| (em|f1) \| (.*) \|$", body, re.MULTILINE) == [("em", "71.43"), ("f1", "80.00")]
    assert "| window | 128 tokens |" in body


def test_a_model_without_development_data_says_so():
    assert "no development data" in card()[1]


@pytest.mark.parametrize("model", [{"from_scratch": True}, {"name": "/home/me/model"}, {"name": "./model"}])
def test_only_a_model_of_the_hub_is_named_as_the_base(model: dict[str, Any]):
    assert "base_model" not in card(**model)[0]


def test_a_model_of_random_weights_says_so_and_the_run_folder_is_named_by_its_last_part():
    _, body = card(from_scratch=True)
    assert "trained from random weights" in body
    assert "# first\n" in body
    assert "/home" not in body
