"""The defaults that --help shows are those of the settings, and --print-config shows what a command runs with."""

from pathlib import Path
from typing import Any, get_args

import pytest
import yaml
from typer.main import get_command
from typer.testing import CliRunner

from qakit.cli import app, ensemble, options, predict, preprocess, train
from qakit.config import DecodingSettings, EnsembleConfig, PreprocessConfig, TrainingSettings

RECIPE = """
training: {epochs: 2}
select: {model: {name: chooser}}
qa: {model: {name: reader}, training: {epochs: 3}}
"""
SHOWN = [
    (train.Epochs, TrainingSettings().epochs),
    (train.BatchSize, TrainingSettings().batch_size),
    (train.Accumulation, TrainingSettings().accumulation),
    (train.LearningRate, TrainingSettings().learning_rate),
    (train.Schedule, TrainingSettings().schedule),
    (train.Warmup, TrainingSettings().warmup),
    (options.Seed, TrainingSettings().seed),
    (options.Seed, PreprocessConfig().seed),
    (predict.Shortlist, DecodingSettings().shortlist),
    (options.NBest, EnsembleConfig().nbest),
    (preprocess.Negatives, PreprocessConfig().negatives),
    (preprocess.Questions, PreprocessConfig().cloze.questions),
    (preprocess.Vocabulary, PreprocessConfig().vocabulary),
    (ensemble.Method, EnsembleConfig().method),
    (ensemble.Average, EnsembleConfig().average),
]


@pytest.mark.parametrize(("option", "default"), SHOWN)
def test_help_shows_the_default_that_is_used(option: object, default: object):
    _, info = get_args(option)
    shown = info.show_default
    assert type(default)(shown) == default


def printed(*arguments: object) -> str:
    """What a command prints on standard output when all is well."""
    result = CliRunner().invoke(app, [*map(str, arguments), "--print-config"])
    assert (result.exit_code, result.stderr) == (0, "")
    return result.stdout


@pytest.mark.parametrize(("command", "model", "epochs"), [("train-qa", "reader", 3), ("train-select", "chooser", 2)])
def test_one_recipe_is_printed_for_each_task(command: str, model: str, epochs: int, tmp_path: Path):
    (tmp_path / "recipe.yaml").write_text(RECIPE)
    (tmp_path / "card.yaml").write_text("training: {batch_size: 2}\n")
    shown = printed(command, "--config", tmp_path / "recipe.yaml", "--config", tmp_path / "card.yaml")
    assert shown.splitlines()[:2] == ["# needed: out (--out)", "# needed: data.train (--train)"]
    values: dict[str, Any] = yaml.safe_load(shown)
    assert values["model"]["name"] == model
    assert (values["training"]["epochs"], values["training"]["batch_size"]) == (epochs, 2)


def test_a_complete_config_is_printed_without_comments():
    shown = printed("train-qa", "--train", "a.json", "--out", "run", "--model", "bert")
    assert "#" not in shown
    assert yaml.safe_load(shown)["data"]["train"] == ["a.json"]


def test_the_flags_of_a_training_set_its_settings():
    shown = printed("train-qa", "--folds", 5, "--fold", 2, "--patience", 3, "--batch-tokens", 512, "--compile")
    values = yaml.safe_load(shown)
    assert (values["data"]["folds"], values["data"]["fold"]) == (5, 2)
    training = values["training"]
    assert (training["patience"], training["batch_tokens"], training["compile"]) == (3, 512, True)
    assert training["gradient_checkpointing"] is False
    shown = printed("train-qa", "--dev", "a.json", "--train-on-dev", "--gradient-checkpointing")
    values = yaml.safe_load(shown)
    assert values["data"]["train_on_dev"] is True
    assert values["training"]["gradient_checkpointing"] is True


def test_a_flag_that_is_not_given_leaves_the_files_alone(tmp_path: Path):
    (tmp_path / "a.yaml").write_text("training: {gradient_checkpointing: true, compile: true, patience: 2}\n")
    training = yaml.safe_load(printed("train-qa", "--config", tmp_path / "a.yaml"))["training"]
    assert (training["gradient_checkpointing"], training["compile"], training["patience"]) == (True, True, 2)


def test_every_flag_of_a_training_sets_a_setting_that_there_is():
    command = get_command(app).commands["train-qa"]
    values = yaml.safe_load(printed("train-qa", "--train", "a.json", "--out", "run", "--model", "bert"))
    assert train._SETTING_OF.keys() <= {parameter.name for parameter in command.params}
    for setting in train._SETTING_OF.values():
        place = values
        for key in setting.split("."):
            place = place[key]


def test_a_fold_needs_the_number_of_folds():
    result = CliRunner().invoke(app, ["train-qa", "--fold", "3", "--print-config"])
    assert result.exit_code == 2
    assert "data: fold 3 must be one of 1 to data.folds (None)" in result.stderr
