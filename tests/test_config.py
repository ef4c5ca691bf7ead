"""Settings: defaults < file < --set < flags, every mistake told at once, and YAML that can only hold values."""

from pathlib import Path
from typing import get_args

import pytest
from hypothesis import given
from hypothesis import strategies as st

from qakit.config import (
    DataSettings,
    EnsembleConfig,
    ModelSettings,
    PreprocessConfig,
    ReadConfig,
    Schedule,
    TrainConfig,
    TrainingSettings,
    WindowSettings,
)
from qakit.config.files import load_config, preview_config, to_yaml
from qakit.errors import ConfigError, suggestion

NEEDED = {"out": Path("run"), "data.train": [Path("train.json")], "model.name": "bert"}


def save(path: Path, text: str) -> Path:
    path.write_text(text, encoding="utf-8")
    return path


def learning_rate(file: Path | None = None, overrides: tuple[str, ...] = (), flag: float | None = None) -> float:
    flags = {**NEEDED, "training.learning_rate": flag}
    return load_config(TrainConfig, [file] if file else (), overrides=overrides, flags=flags).training.learning_rate


def test_flags_beat_set_beats_file_beats_defaults(tmp_path: Path):
    file = save(tmp_path / "a.yaml", "training:\n  learning_rate: 0.01\n  epochs: 7\n")
    assert learning_rate() == TrainingSettings().learning_rate
    assert learning_rate(file) == 0.01
    assert learning_rate(file, ("training.learning_rate=0.02",)) == 0.02
    assert learning_rate(file, ("training.learning_rate=0.02", "training.learning_rate=0.03")) == 0.03
    assert learning_rate(file, ("training.learning_rate=0.02",), 0.04) == 0.04


def test_what_is_not_given_higher_up_stays_as_below(tmp_path: Path):
    file = save(tmp_path / "a.yaml", "training:\n  epochs: 7\n  seed: 3\n")
    config = load_config(TrainConfig, [file], overrides=["training.seed=0"], flags={**NEEDED, "training.epochs": None})
    assert (config.training.epochs, config.training.seed) == (7.0, 0)


def test_a_flag_of_zero_or_false_is_given_too(tmp_path: Path):
    file = save(tmp_path / "a.yaml", "training:\n  seed: 3\n  warmup: 0.5\ndata:\n  lenient: true\n")
    flags = {**NEEDED, "training.seed": 0, "training.warmup": 0.0, "data.lenient": False}
    config = load_config(TrainConfig, [file], flags=flags)
    assert (config.training.seed, config.training.warmup, config.data.lenient) == (0, 0.0, False)


@pytest.mark.parametrize("written", ["2e-5", "2E-5", "0.00002", "'2e-5'"])
def test_a_learning_rate_in_yaml_is_a_number_however_it_is_written(written: str, tmp_path: Path):
    file = save(tmp_path / "a.yaml", f"training:\n  learning_rate: {written}\n")
    assert learning_rate(file) == 2e-5
    assert learning_rate(None, (f"training.learning_rate={written}",)) == 2e-5


def test_all_mistakes_are_told_at_once_each_by_its_dotted_name(tmp_path: Path):
    file = save(tmp_path / "a.yaml", "training:\n  lerning_rate: 1\n  epochs: 0\nwindow:\n  max_length: 3\n")
    with pytest.raises(ConfigError) as caught:
        load_config(TrainConfig, [file], overrides=["training.precision=fp17"], flags={"windows.max_length": 8})
    lines = str(caught.value).splitlines()
    assert "training.lerning_rate: unknown setting (did you mean learning_rate?)" in lines
    assert "window: unknown setting (did you mean windows?)" in lines
    assert {"out: is needed", "data.train: is needed", "model.name: is needed"} <= set(lines)
    assert [line for line in lines if line.startswith("training.epochs:") and line.endswith("found 0")]
    assert [line for line in lines if line.startswith("training.precision:") and "'bf16'" in line and "'fp17'" in line]
    flagged = [line for line in lines if line.startswith("--max-length (windows.max_length):")]
    assert [line.endswith("found 8") for line in flagged] == [True]
    assert len(lines) == 8


def test_a_section_that_may_be_absent_has_suggestions_too():
    with pytest.raises(ConfigError, match=r"^windows.overlapp: unknown setting \(did you mean overlap\?\)$"):
        load_config(ReadConfig, overrides=["windows.overlapp=3"])


def test_a_word_unlike_any_setting_gets_no_suggestion():
    assert suggestion("zzzz", ["learning_rate"]) == ""
    with pytest.raises(ConfigError, match=r"^zzzz: unknown setting$"):
        load_config(EnsembleConfig, overrides=["zzzz=1"])


@pytest.mark.parametrize(
    ("overrides", "words"),
    [
        (["windows.overlap=3", "windows.step=4"], r"overlap \(3\) and step \(4\)"),
        (["windows.max_length=64", "windows.overlap=64"], r"overlap \(64\) must be below max_length \(64\)"),
    ],
)
def test_settings_that_contradict_each_other_are_named_with_their_values(overrides: list[str], words: str):
    with pytest.raises(ConfigError, match=f"^windows: {words}"):
        load_config(ReadConfig, overrides=overrides)


@pytest.mark.parametrize(
    ("override", "words"),
    [
        ("training.epochs", "KEY=VALUE"),
        ("=3", "KEY=VALUE"),
        ("training.epochs=[1", "not YAML"),
        ("training.epochs={a: b: c}", "not YAML"),
        ("training.epochs=!!python/object/apply:os.getcwd []", "not YAML"),
        ("out.folder=3", "out: "),
    ],
)
def test_a_bad_override_is_an_error_with_a_reason(override: str, words: str):
    with pytest.raises(ConfigError, match=words):
        load_config(TrainConfig, overrides=[override])


@pytest.mark.parametrize(
    ("override", "words"),
    [
        ("training.seed=5000000000", "training.seed: .* less than 2147483648"),
        ("training.warmup=1.5", r"warmup \(1.5\) must be a share below 1 or a whole number of steps"),
        ("tricks.lora_alpha=8", "tricks.lora_alpha does nothing without tricks.lora_rank: set"),
        ("tricks.lora_targets=query", "tricks.lora_targets does nothing without tricks.lora_rank: set"),
        ("tricks.adversarial_epsilon=0.5", "tricks.adversarial_epsilon does nothing without tricks.adversarial: set"),
        ("tricks.distill_weight=1", "tricks.distill_weight does nothing without tricks.distill: set"),
    ],
)
def test_a_setting_that_would_be_cut_or_do_nothing_is_refused(override: str, words: str):
    with pytest.raises(ConfigError, match=words):
        load_config(TrainConfig, overrides=[override], flags=NEEDED)


def test_a_setting_cannot_be_a_section():
    with pytest.raises(ConfigError, match=r"training\.epochs: training holds a value, not a section"):
        load_config(TrainConfig, overrides=["training=3", "training.epochs=3"])


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("a: &x 1\nb: *x\n", "aliases"),
        ("training: &t\n  epochs: 1\nother:\n  <<: *t\n", "aliases"),
        ("a: [1\n", "not YAML"),
        ("a: !!python/object/apply:os.system ['exit 1']\n", "not YAML"),
        ("[" * 1100, "not YAML"),
        ("- 1\n", "expected sections such as `training:`, found list"),
        ("# nothing\n", "expected sections"),
        ("", "empty"),
    ],
)
def test_a_config_file_holds_plain_sections_or_is_refused(text: str, words: str, tmp_path: Path):
    file = save(tmp_path / "設定.yaml", text)
    with pytest.raises(ConfigError, match=words) as caught:
        load_config(EnsembleConfig, [file])
    assert str(file) in str(caught.value)


def test_a_python_tag_in_a_file_runs_nothing(tmp_path: Path):
    target = tmp_path / "made"
    file = save(tmp_path / "a.yaml", f"method: !!python/object/apply:os.mkdir ['{target}']\n")
    with pytest.raises(ConfigError):
        load_config(EnsembleConfig, [file])
    assert not target.exists()


def test_a_missing_config_file_is_a_config_error(tmp_path: Path):
    with pytest.raises(ConfigError, match="No such file"):
        load_config(EnsembleConfig, [tmp_path / "none.yaml"])


def layers(folder: Path, *texts: str) -> list[Path]:
    return [save(folder / f"{number}.yaml", text) for number, text in enumerate(texts)]


def test_a_later_file_wins_setting_by_setting(tmp_path: Path):
    files = layers(
        tmp_path,
        "training: {epochs: 7, seed: 3}\nmodel: {rope: {a: 1, b: 2}}\nmetric: hw7\n",
        "training: {seed: 4, batch_size: 2}\nmodel: {rope: {b: 3}}\nmetric:\n",
    )
    config = load_config(TrainConfig, files, flags=NEEDED)
    assert (config.training.epochs, config.training.seed, config.training.batch_size) == (7.0, 4, 2)
    assert config.model.overrides == {"rope": {"a": 1, "b": 3}}
    assert config.metric is None


def test_a_value_takes_the_place_of_a_section_and_a_list_that_of_a_list(tmp_path: Path):
    files = layers(tmp_path, "windows: {step: 3}\ndecoding: {nbest: 2}\n", "windows:\n", "windows: {max_length: 64}\n")
    config = load_config(ReadConfig, files)
    assert (config.windows, config.decoding.nbest) == (WindowSettings(max_length=64), 2)
    files = layers(tmp_path, "training: {trackers: [wandb, mlflow]}\n", "training: {trackers: [tensorboard]}\n")
    assert load_config(TrainConfig, files, flags=NEEDED).training.trackers == ("tensorboard",)


RECIPE = """
training: {epochs: 2, seed: 3}
select: {training: {epochs: 4}, model: {name: a}}
qa: {training: {epochs: 5}, model: {name: b}}
slots: {training: {epochs: 6}}
"""


@pytest.mark.parametrize(("section", "epochs", "model"), [("select", 4, "a"), ("qa", 5, "b"), ("slots", 6, None)])
def test_the_part_of_a_task_wins_over_the_common_part(section: str, epochs: int, model: str | None, tmp_path: Path):
    files = layers(tmp_path, RECIPE)
    flags = {**NEEDED, "model.name": None if model else "given"}
    config = load_config(TrainConfig, files, section=section, flags=flags)
    assert (config.training.epochs, config.training.seed, config.model.name) == (epochs, 3, model or "given")


def test_a_task_without_a_part_has_the_common_part(tmp_path: Path):
    config = load_config(TrainConfig, layers(tmp_path, RECIPE), section="intent", flags=NEEDED)
    assert (config.training.epochs, config.training.seed) == (2, 3)


def test_a_later_file_wins_over_the_part_of_an_earlier_one(tmp_path: Path):
    files = layers(tmp_path, RECIPE, "training: {epochs: 9, seed: 8}\nqa: {training: {seed: 7}}\n")
    config = load_config(TrainConfig, files, section="qa", flags=NEEDED)
    assert (config.training.epochs, config.training.seed, config.model.name) == (9, 7, "bert")


def test_parts_are_unknown_settings_where_there_is_no_task(tmp_path: Path):
    with pytest.raises(ConfigError) as caught:
        load_config(TrainConfig, layers(tmp_path, RECIPE), flags=NEEDED)
    assert [line.split(":")[0] for line in str(caught.value).splitlines()] == ["select", "qa", "slots"]


def test_a_mistake_in_a_part_names_its_setting(tmp_path: Path):
    files = layers(tmp_path, "qa: {training: {epoch: 3, batch_size: 0}}\nselect: {training: {seeds: 1}}\n")
    with pytest.raises(ConfigError) as caught:
        load_config(TrainConfig, files, section="qa", flags=NEEDED)
    first, second = sorted(str(caught.value).splitlines())
    assert first.startswith("training.batch_size: ") and first.endswith("found 0")
    assert second == "training.epoch: unknown setting (did you mean epochs?)"


@pytest.mark.parametrize("value", ["3", "[1]", ""])
def test_a_part_holds_sections(value: str, tmp_path: Path):
    files = layers(tmp_path, f"qa: {value}\n")
    with pytest.raises(ConfigError, match=r"0\.yaml: qa: expected sections such as `training:`, found "):
        load_config(TrainConfig, files, section="qa", flags=NEEDED)


def test_a_preview_of_a_whole_config_is_the_config():
    assert preview_config(TrainConfig, flags=NEEDED) == to_yaml(load_config(TrainConfig, flags=NEEDED))


def test_a_preview_names_what_is_needed_and_can_be_completed(tmp_path: Path):
    overrides = ["training.epochs=5", "model.hidden_size=32"]
    flags = {"out": None, "data.train": None}
    shown = preview_config(TrainConfig, overrides=overrides, flags=flags)
    assert shown.startswith("# needed: out (--out)\n# needed: data.train (--train)\n# needed: model.name\ndata:\n")
    assert "?" not in shown
    completed = load_config(TrainConfig, layers(tmp_path, shown), flags=NEEDED)
    assert completed == load_config(TrainConfig, overrides=overrides, flags=NEEDED)


def test_a_preview_needs_what_is_given_to_be_right():
    with pytest.raises(ConfigError) as caught:
        preview_config(TrainConfig, overrides=["training.epochs=0", "zzzz=1"], flags={"out": "run"})
    assert [line.split(":")[0] for line in str(caught.value).splitlines()] == ["training.epochs", "zzzz"]


def test_a_list_of_one_needs_no_brackets(tmp_path: Path):
    names = ("data.train", "data.dev", "training.trackers", "tricks.lora_targets", "tricks.distill")
    file = save(tmp_path / "a.yaml", "data: {train: a, dev: a}\nmodel: {name: bert}\nout: run\n")
    config = load_config(TrainConfig, [file], overrides=[*(f"{name}=a" for name in names[2:]), "tricks.lora_rank=2"])
    bracketed = load_config(
        TrainConfig,
        overrides=[*(f"{name}=[a]" for name in names), "tricks.lora_rank=2"],
        flags={**NEEDED, "data.train": None},
    )
    assert config == bracketed
    assert (config.data.dev, config.training.trackers, config.tricks.distill) == ((Path("a"),), ("a",), (Path("a"),))
    with pytest.raises(ConfigError, match=r"training.trackers: .*found 3"):
        load_config(TrainConfig, overrides=["training.trackers=3"], flags=NEEDED)


@pytest.mark.parametrize("betas", ["[1.0, 0.999]", "[0.9, 1]", "[-0.1, 0.999]", "[0.9, -1]"])
def test_betas_that_adam_cannot_take_are_refused(betas: str):
    with pytest.raises(ConfigError, match=r"^training.adam_betas.[01]: .*, found -?[01]"):
        load_config(TrainConfig, overrides=[f"training.adam_betas={betas}"], flags=NEEDED)
    kept = load_config(TrainConfig, overrides=["training.adam_betas=[0, 0.5]"], flags=NEEDED)
    assert kept.training.adam_betas == (0.0, 0.5)


def test_settings_are_frozen():
    with pytest.raises(ValueError, match="frozen"):
        TrainingSettings().epochs = 3.0  # type: ignore[misc]


def test_any_field_of_the_model_is_kept_for_the_model():
    flags = {**NEEDED, "model.from_scratch": True}
    config = load_config(TrainConfig, overrides=["model.hidden_size=32", "model.rope={a: 1}"], flags=flags)
    assert config.model.overrides == {"hidden_size": 32, "rope": {"a": 1}}


@pytest.mark.parametrize("text", ["\x85", "a\u2028b", "\u2029", "a\nb", " \x85 ", "設定 \x85"])
def test_breaks_of_lines_in_a_value_are_read_back(text: str, tmp_path: Path):
    config = load_config(TrainConfig, flags={**NEEDED, "metric": text})
    assert load_config(TrainConfig, layers(tmp_path, to_yaml(config))) == config


FINITE = st.floats(min_value=0, exclude_min=True, allow_nan=False, allow_infinity=False)
COUNT = st.integers(1, 10**9)
PATHS = st.text(min_size=1).map(Path)
TRAINING = st.builds(
    TrainingSettings,
    epochs=FINITE,
    max_steps=st.none() | COUNT,
    learning_rate=st.floats(1e-6, 1.0),
    schedule=st.sampled_from(get_args(Schedule)),
    adam_epsilon=FINITE,
    precision=st.sampled_from([None, "fp32", "bf16", "fp16"]),
    seed=st.integers(0, 2**31 - 1),
)
WINDOWS = st.builds(WindowSettings, max_length=st.integers(16, 600), step=st.none() | COUNT)
MODELS = st.builds(ModelSettings, name=st.text(), tokenizer=st.none() | st.text(), hidden_act=st.text() | COUNT)
TRAIN_CONFIGS = st.builds(
    TrainConfig,
    out=PATHS,
    data=st.builds(DataSettings, train=st.lists(PATHS, min_size=1, max_size=3), context=st.none() | PATHS),
    model=MODELS,
    windows=WINDOWS,
    training=TRAINING,
    metric=st.none() | st.text(),
)
CONFIGS = TRAIN_CONFIGS | st.builds(PreprocessConfig, windows=WINDOWS) | st.builds(ReadConfig, windows=WINDOWS)


@given(config=CONFIGS)
def test_a_config_is_read_back_from_its_yaml_as_it_was(
    config: TrainConfig | PreprocessConfig | ReadConfig, tmp_path_factory: pytest.TempPathFactory
):
    file = tmp_path_factory.getbasetemp() / "config.yaml"
    file.write_bytes(to_yaml(config).encode())
    assert load_config(type(config), [file]) == config


@pytest.mark.parametrize("project", ["", " ", "../other", "/other", "a/b", "..", "a\\b"])
def test_a_project_keeps_tensorboards_files_in_the_run(project: str):
    flags = {**NEEDED, "training.trackers": ["tensorboard"], "training.project": project}
    with pytest.raises(ConfigError, match="project"):
        load_config(TrainConfig, flags=flags)


def test_a_project_may_be_a_path_for_others():
    flags = {**NEEDED, "training.trackers": ["mlflow"], "training.project": "/Users/name/qa"}
    assert load_config(TrainConfig, flags=flags).training.project == "/Users/name/qa"
