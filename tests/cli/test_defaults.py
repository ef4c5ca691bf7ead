"""The options that commands derive from the settings models: each sets its setting, and --help and the docs agree."""

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml
from pydantic import BaseModel
from typer.main import get_command
from typer.testing import CliRunner

from qakit.cli import app
from qakit.cli.options import with_settings
from qakit.config import EnsembleConfig, PreprocessConfig, ReadConfig, TrainConfig
from qakit.config.base import TASK_SUMMARIES, flagged_settings
from qakit.config.files import preview_config
from qakit.errors import ConfigError

DOCS = Path(__file__).resolve().parents[2] / "docs" / "commands.md"

RECIPE = """
training: {epochs: 2}
select: {model: {name: chooser}}
qa: {model: {name: reader}, training: {epochs: 3}}
"""
KINDS: dict[str, type[BaseModel]] = {
    "preprocess": PreprocessConfig,
    **{f"train-{task}": TrainConfig for task in TASK_SUMMARIES},
    "predict": ReadConfig,
    "evaluate": ReadConfig,
    "ensemble": EnsembleConfig,
}
# Settings whose flag another command shows: a model is read with the windows' match length of its training, ...
ELSEWHERE = {
    "preprocess": {"windows.match_length"},
    "predict": {"windows.match_length"},
    "evaluate": {"windows.match_length", "decoding.nbest", "decoding.null_threshold", "decoding.shortlist"},
}
ARGUMENTS = {"preprocess": ["data.json"], "ensemble": ["a.parquet", "b.parquet"]}
CHOICES = {"negatives": "random", "training.schedule": "cosine", "method": "vote", "average": "probability"}
LISTED = {"split": ("0.8,0.1,0.1", [0.8, 0.1, 0.1]), "weights": ("1,0,2.5", [1, 0, 2.5])}
NEEDS = {"data.fold": "data.folds=40", "data.train_on_dev": "data.dev=dev.json"}
FLAGS = {kind: {name: flag.names for name, flag, _ in flagged_settings(kind)} for kind in KINDS.values()}


def settings_of(command: str) -> list[str]:
    """The settings that a command has options for."""
    elsewhere = ELSEWHERE.get(command, set())
    sections = ("decoding.", "inference.") if command.startswith("train") else ()
    return [name for name in FLAGS[KINDS[command]] if name not in elsewhere and not name.startswith(tuple(sections))]


def lookup(values: dict[str, Any], name: str) -> Any:
    for key in name.split("."):
        values = values[key]
    return values


def field_of(kind: type[BaseModel], name: str) -> Any:
    return next(field for setting, _, field in flagged_settings(kind) if setting == name)


def sample(kind: type[BaseModel], name: str) -> tuple[list[str], Any]:
    """What to write after an option, and the value that its setting has then."""
    annotation = str(field_of(kind, name).annotation)
    if name in LISTED:
        return [LISTED[name][0]], LISTED[name][1]
    if name in CHOICES:
        return [CHOICES[name]], CHOICES[name]
    if "bool" in annotation:
        return [], True
    if "Literal" in annotation:
        return ["bf16"], "bf16"
    if "Path, ..." in annotation:
        return ["a.json"], ["a.json"]
    number = 400 if name == "vocabulary" else 32
    return (["word"], "word") if "str" in annotation or "Path" in annotation else ([str(number)], number)


def given_flags(command: str, *arguments: str, monkeypatch: pytest.MonkeyPatch) -> tuple[type[BaseModel], Any]:
    """The kind of settings that a command loads, and the flags that it hands over."""
    seen = []

    def load(kind: type[BaseModel], *_: object, flags: object, **__: object) -> None:
        seen.append((kind, flags))
        raise ConfigError("seen")

    monkeypatch.setattr("qakit.config.files.load_config", load)
    result = CliRunner().invoke(app, [command, *ARGUMENTS.get(command, ()), *arguments])
    assert (result.exit_code, result.stderr) == (2, "error: seen\n")
    return seen[0]


@pytest.mark.parametrize(
    ("command", "name"),
    [(command, name) for command in KINDS if command != "train-select" for name in settings_of(command)],
)
def test_a_flag_sets_its_setting_and_no_other(command: str, name: str, monkeypatch: pytest.MonkeyPatch):
    for option in FLAGS[KINDS[command]][name]:
        words, expected = sample(KINDS[command], name)
        kind, flags = given_flags(command, option, *words, monkeypatch=monkeypatch)
        assert kind is KINDS[command]
        assert [setting for setting, value in flags.items() if value is not None] == [name]
        shown = preview_config(kind, overrides=[NEEDS[name]] if name in NEEDS else (), flags=flags)
        assert lookup(yaml.safe_load(shown), name) == expected


@pytest.mark.parametrize("command", KINDS)
def test_a_command_hands_over_the_flags_that_it_has_and_none_is_given_by_itself(
    command: str, monkeypatch: pytest.MonkeyPatch
):
    _, flags = given_flags(command, monkeypatch=monkeypatch)
    assert sorted(flags) == sorted(settings_of(command))
    assert set(flags.values()) == {None}


def test_a_command_with_flags_that_no_setting_has_cannot_be_written():
    with pytest.raises(ValueError, match=r"ReadConfig has no flags for windows.max_lenght, data$"):
        with_settings(ReadConfig, "windows.max_lenght", "windows", "data")


@pytest.mark.parametrize("command", KINDS)
def test_help_shows_the_default_that_is_used(command: str):
    """Or another text, where the default depends on the model or the data."""
    kind = KINDS[command]
    options = {option: one for one in get_command(app).commands[command].params for option in one.opts}
    for name, flag, field in flagged_settings(kind):
        if name in settings_of(command) and flag.default is None:
            shown = options[flag.names[0]].show_default
            is_shown = isinstance(field.default, int | float | str) and not isinstance(field.default, bool)
            assert type(field.default)(shown) == field.default if is_shown else shown is False


def rows(heading: str) -> Iterator[list[str]]:
    """The cells of the tables in a part of docs/commands.md."""
    part = DOCS.read_text(encoding="utf-8").split(f"\n## {heading}\n")[1].split("\n## ")[0]
    for line in part.splitlines():
        if line.startswith("| `"):
            yield [cell.strip() for cell in line.strip("|").split(" | ")]


def without_brackets(text: str) -> str:
    while (shorter := re.sub(r"\([^()]*\)", "", text)) != text:
        text = shorter
    return text


def agrees(shown: str, default: object) -> bool:
    """Whether a default in the docs, such as `50,000: ...`, is the one that is used; some settings show none."""
    if isinstance(default, bool):
        return not shown.startswith(str(not default).lower())
    if isinstance(default, int | float):
        number = re.match(r"[\d.,]+(e-\d+)?", shown)
        return number is not None and float(number[0].rstrip(",").replace(",", "")) == default
    return not isinstance(default, str) or shown.startswith(default)


def test_the_settings_table_of_the_docs_has_all_settings_and_their_defaults():
    listed: dict[str, str] = {}
    for section, text in rows("Settings"):
        name = section.partition("`")[2].partition("`")[0]
        listed[name] = f"{listed.get(name, '')} {text}"
    values = TrainConfig.model_fields
    assert listed.keys() == values.keys() - {"out", "metric"}
    for section, text in listed.items():
        fields = values[section].annotation.model_fields
        named = re.findall(r"`(\w+)`", without_brackets(text))
        # The pages on levers list the settings of decoding.
        assert set(named) <= set(fields) if section == "decoding" else sorted(named) == sorted(fields)
        for name, shown in re.findall(r"`(\w+)` \(([^)]+)", text):
            assert name not in fields or agrees(shown, fields[name].default), (section, name, shown)


def test_the_table_of_preprocess_in_the_docs_has_the_flags_and_defaults_that_are_used():
    defaults = PreprocessConfig().model_dump(mode="json")
    flags = {name: names[0] for name, names in FLAGS[PreprocessConfig].items()}
    for settings, shown, _ in rows("preprocess"):
        names = re.findall(r"`([\w.]+)`", settings)
        assert re.findall(r"`(--[\w-]+)`", settings) == [flags[name] for name in names if name in flags]
        values = yaml.safe_load(f"[{shown}]" if len(names) > 1 else shown)
        for name, value in zip(names, values if len(names) > 1 else [values], strict=True):
            assert lookup(defaults, name) == (None if value == "none" else value)


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


def test_a_fold_needs_the_number_of_folds():
    result = CliRunner().invoke(app, ["train-qa", "--fold", "3", "--print-config"])
    assert result.exit_code == 2
    assert "data: fold 3 must be one of 1 to data.folds (None)" in result.stderr
