"""The defaults that --help shows are those of the settings, and every shipped config file can be loaded."""

from pathlib import Path
from typing import get_args

import pytest

from qakit.cli import ensemble, options, preprocess, train
from qakit.config import EnsembleConfig, InferenceSettings, PreprocessConfig, TrainConfig, TrainingSettings
from qakit.config_files import load_config

CONFIGS = sorted((Path(__file__).resolve().parents[2] / "configs").rglob("*.yaml"))
SHOWN = [
    (train.Epochs, TrainingSettings().epochs),
    (train.BatchSize, TrainingSettings().batch_size),
    (train.Accumulation, TrainingSettings().accumulation),
    (train.LearningRate, TrainingSettings().learning_rate),
    (train.Schedule, TrainingSettings().schedule),
    (train.Warmup, TrainingSettings().warmup),
    (options.Seed, TrainingSettings().seed),
    (options.Seed, PreprocessConfig().seed),
    (options.BatchTokens, InferenceSettings().batch_tokens),
    (options.NBest, EnsembleConfig().nbest),
    (preprocess.Negatives, PreprocessConfig().negatives),
    (ensemble.Method, EnsembleConfig().method),
]


@pytest.mark.parametrize(("option", "default"), SHOWN)
def test_help_shows_the_default_that_is_used(option: object, default: object):
    _, info = get_args(option)
    shown = info.show_default
    assert type(default)(shown) == default


def test_there_are_config_files():
    assert len(CONFIGS) >= 2


@pytest.mark.parametrize("file", CONFIGS, ids=lambda file: file.stem)
def test_every_shipped_config_loads(file: Path):
    config = load_config(TrainConfig, file, flags={"out": "run", "data.train": ["train.json"]})
    assert config.model.name
