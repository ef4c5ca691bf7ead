"""The model card that goes with every saved model."""

from collections.abc import Mapping
from pathlib import Path

from qakit import __version__
from qakit.config import TrainConfig
from qakit.modeling.info import ModelInfo

_PIPELINE_TAGS = {
    "qa": "question-answering",
    "select": "multiple-choice",
    "intent": "text-classification",
    "slots": "token-classification",
}
_COMMANDS = {
    "qa": "qakit predict --model . --data test.json --out answers.csv",
    "select": "qakit predict --selector . --model READER --data test.json --out answers.csv",
    "intent": "qakit predict --model . --data test.json --out intents.csv",
    "slots": "qakit predict --model . --data test.json --out tags.csv",
}


def model_card(config: TrainConfig, info: ModelInfo, scores: Mapping[str, float], step: int) -> str:
    """A README.md in the hub's form: what the model was made from, how it scores, and how to use it."""
    model, training = config.model, config.training
    origin = "trained from random weights" if model.from_scratch else f"fine-tuned from `{model.name}`"
    rows = "\n".join(f"| {name} | {value:.2f} |" for name, value in scores.items()) or "| none | no development data |"
    base = "" if model.from_scratch or _is_path(model.name) else f"base_model: {model.name}\n"
    return f"""---
library_name: transformers
pipeline_tag: {_PIPELINE_TAGS[info.task]}
tags: [qakit]
{base}---

# {config.out.name}

A model for `{info.task}`, {origin} with qakit {__version__}.

| score on the development data, step {step} | percent |
|---|---|
{rows}

| setting | value |
|---|---|
| learning rate | {training.learning_rate:g}, {training.schedule}, warm-up {training.warmup:g} |
| records per step | {training.batch_size} x {training.accumulation} |
| epochs | {training.epochs:g} |
| window | {config.windows.max_length} tokens |
| seed | {training.seed} |

Use it with `{_COMMANDS[info.task]}`, or load it with transformers' `from_pretrained`.
`qakit.json` holds the window and the answer length it was trained with.
"""


def _is_path(name: str) -> bool:
    return name.startswith((".", "/")) or Path(name).exists()
