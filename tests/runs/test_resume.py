"""A killed training goes on and ends as if nothing had been, byte for byte; one of other settings is refused."""

import shutil

import pytest

from qakit.errors import CheckpointError, ConfigError
from qakit.training.events import Evaluated, Note
from qakit.training.loop import StepEvent
from tests.modeling.tiny import SIZES, TOKENIZER
from tests.runs.trainings import STEPS, config_of, content, run, run_until, write_data

pytestmark = pytest.mark.usefixtures("without_pictures")


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    return {task: write_data(tmp_path_factory.mktemp(task), task) for task in ("qa", "select")}


@pytest.fixture(scope="module")
def whole_runs():
    """What each task's uninterrupted training leaves, made once."""
    return {}


def _expected(whole_runs, data, tmp_path, task):
    if task not in whole_runs:
        run(config_of(data[task], tmp_path / "whole", task=task), task)
        whole_runs[task] = _results(tmp_path / "whole")
    return whole_runs[task]


def _results(folder):
    """All files but those that name the run, and the checkpoints' manifests and states, whose parts are compared."""
    names = ("metrics.jsonl", "best/model.safetensors", "best/config.json", "best/qakit.json")
    checkpoints = [
        f"checkpoints/step-{step:06d}/{kind}.safetensors" for step in (12, 15) for kind in ("model", "optimizer")
    ]
    found = content(folder)
    return {name: found[name] for name in (*names, *checkpoints)}


def after_step(number):
    return lambda event: isinstance(event, StepEvent) and event.step == number


def after_evaluation(number):
    return lambda event: isinstance(event, Evaluated) and event.step == number


KILLS = {
    "before the first checkpoint": after_step(2),
    "at a step that saves, before it does": after_step(3),
    "between a checkpoint and the next step": after_step(4),
    "at an evaluation, before its model is kept": after_evaluation(4),
    "at the start of an epoch": after_step(6),
    "in the middle of the second epoch": after_step(8),
    "at an evaluation with a checkpoint to come": after_evaluation(12),
    "at the last step": after_step(STEPS),
    "at the last evaluation": after_evaluation(STEPS),
}


@pytest.mark.parametrize("kill", KILLS.values(), ids=KILLS)
def test_a_killed_training_ends_as_if_it_had_not_been(data, whole_runs, tmp_path, kill):
    expected = _expected(whole_runs, data, tmp_path, "qa")
    config = config_of(data["qa"], tmp_path / "run")
    run_until(config, kill)
    result = run(config, resume="auto")
    assert result.steps == STEPS
    assert _results(tmp_path / "run") == expected


@pytest.mark.parametrize("step", [2, 8])
def test_a_killed_selection_ends_as_if_it_had_not_been(data, whole_runs, tmp_path, step):
    expected = _expected(whole_runs, data, tmp_path, "select")
    config = config_of(data["select"], tmp_path / "run", task="select")
    run_until(config, after_step(step), "select")
    run(config, "select", resume="auto")
    assert _results(tmp_path / "run") == expected


def test_a_training_may_be_killed_again_and_again(data, whole_runs, tmp_path):
    config = config_of(data["qa"], tmp_path / "run")
    for step in (2, 5, 7, 10, 14):
        run_until(config, after_step(step), resume="auto")
    run(config, resume="auto")
    assert _results(tmp_path / "run") == _expected(whole_runs, data, tmp_path, "qa")


@pytest.mark.parametrize("step", [2, 8])
def test_a_line_of_metrics_that_was_half_written_is_dropped(data, whole_runs, tmp_path, step):
    config = config_of(data["qa"], tmp_path / "run")
    run_until(config, after_step(step))
    with open(tmp_path / "run" / "metrics.jsonl", "a", encoding="utf-8") as file:
        file.write('{"kind": "train", "step": 9, "epo')
    run(config, resume="auto")
    assert _results(tmp_path / "run") == _expected(whole_runs, data, tmp_path, "qa")


def test_a_finished_training_is_left_as_it_is(data, tmp_path):
    config = config_of(data["qa"], tmp_path / "run")
    first = run(config)
    before = content(tmp_path / "run")
    second = run(config, resume="auto")
    assert (second.steps, second.best_step, second.scores) == (first.steps, first.best_step, first.scores)
    assert content(tmp_path / "run") == before


def test_how_often_is_saved_has_no_effect_on_the_weights(data, whole_runs, tmp_path):
    expected = _expected(whole_runs, data, tmp_path, "qa")["checkpoints/step-000015/model.safetensors"]
    config = config_of(data["qa"], tmp_path / "run", {"training.save_every": 5})
    run_until(config, after_step(11))
    changed = config_of(data["qa"], tmp_path / "run", {"training.save_every": 2})
    run(changed, resume="auto")
    assert content(tmp_path / "run")["checkpoints/step-000015/model.safetensors"] == expected


def test_a_run_goes_on_from_a_checkpoint_that_is_named(data, whole_runs, tmp_path):
    config = config_of(data["qa"], tmp_path / "run")
    run_until(config, after_step(11))
    notes = []
    run(config, resume=str(tmp_path / "run" / "checkpoints" / "step-000003"), listen=notes.append)
    assert Note("resumed from step 3") in notes
    assert _results(tmp_path / "run") == _expected(whole_runs, data, tmp_path, "qa")


def test_a_damaged_checkpoint_is_passed_over_with_a_note(data, whole_runs, tmp_path):
    config = config_of(data["qa"], tmp_path / "run")
    run_until(config, after_step(8))
    damaged = tmp_path / "run" / "checkpoints" / "step-000006" / "model.safetensors"
    damaged.write_bytes(damaged.read_bytes()[:-1])
    notes = []
    run(config, resume="auto", listen=notes.append)
    assert any("damaged checkpoint" in event.text for event in notes if isinstance(event, Note))
    assert Note("resumed from step 3") in notes
    assert _results(tmp_path / "run") == _expected(whole_runs, data, tmp_path, "qa")


# Refusals

CHANGES = {
    "training.seed": (42, 43),
    "training.batch_size": (2, 4),
    "training.accumulation": (2, 1),
    "training.learning_rate": (0.001, 0.002),
    "training.epochs": (3.0, 4.0),
    "training.precision": ("fp32", "bf16"),
    "windows.max_length": (64, 65),
    "model.num_hidden_layers": (1, 2),
    "model.hidden_dropout_prob": (0.1, 0.2),
}


@pytest.fixture(scope="module")
def killed(data, tmp_path_factory):
    """A run that stopped after its first checkpoint."""
    folder = tmp_path_factory.mktemp("killed") / "run"
    run_until(config_of(data["qa"], folder), after_step(4))
    return folder


@pytest.mark.parametrize(("name", "values"), CHANGES.items(), ids=CHANGES)
def test_a_run_of_other_settings_does_not_go_on_and_is_left_as_it_is(data, killed, name, values):
    before = content(killed)
    with pytest.raises(CheckpointError, match=rf"\n  {name}: was {values[0]}, is {values[1]}$"):
        run(config_of(data["qa"], killed, {name: values[1]}), resume="auto")
    assert content(killed) == before


def test_all_settings_that_differ_are_named_at_once(data, killed):
    with pytest.raises(CheckpointError) as caught:
        run(config_of(data["qa"], killed, {"training.seed": 1, "model.hidden_size": 32}), resume="auto")
    assert str(caught.value).splitlines()[1:] == [
        f"  model.hidden_size: was {SIZES['hidden_size']}, is 32",
        "  training.seed: was 42, is 1",
    ]


def test_a_run_does_not_go_on_with_training_data_that_differs_in_one_byte(data, killed, tmp_path):
    shutil.copytree(data["qa"], tmp_path / "changed")
    file = tmp_path / "changed" / "train.json"
    file.write_bytes(file.read_bytes() + b"\n")
    with pytest.raises(CheckpointError, match=r"data.training file 1: was [0-9a-f]{64}, is [0-9a-f]{64}$"):
        run(config_of(tmp_path / "changed", killed), resume="auto")


def test_the_same_data_elsewhere_is_the_same_data(data, killed, tmp_path):
    shutil.copytree(data["qa"], tmp_path / "moved")
    shutil.copytree(killed, tmp_path / "run")
    assert run(config_of(tmp_path / "moved", tmp_path / "run"), resume="auto").steps == STEPS


# What was there before


def test_a_run_whose_checkpoints_are_all_damaged_does_not_start_anew(data, tmp_path):
    config = config_of(data["qa"], tmp_path / "run")
    run_until(config, after_step(8))
    for file in (tmp_path / "run" / "checkpoints").glob("*/model.safetensors"):
        file.write_bytes(file.read_bytes() + b"\0")
    before = content(tmp_path / "run")
    with pytest.raises(
        CheckpointError, match="every checkpoint is damaged, so the training cannot resume; --overwrite"
    ):
        run(config, resume="auto")
    assert content(tmp_path / "run") == before


def test_a_damaged_checkpoint_is_set_aside_until_its_step_is_made_again(data, tmp_path):
    config = config_of(data["qa"], tmp_path / "run")
    run_until(config, after_step(8))
    damaged = tmp_path / "run" / "checkpoints" / "step-000006"
    (damaged / "model.safetensors").write_bytes(b"")
    run_until(config, after_step(5), resume="auto")
    names = sorted(path.name for path in damaged.parent.iterdir())
    assert names == ["step-000003", "step-000006.aside"]
    run_until(config, after_step(7), resume="auto")
    assert sorted(path.name for path in damaged.parent.iterdir()) == ["step-000003", "step-000006"]


def test_a_run_goes_on_in_another_folder_with_its_best_model(data, whole_runs, tmp_path):
    first = config_of(data["qa"], tmp_path / "first")
    run_until(first, after_step(8))
    checkpoint = tmp_path / "first" / "checkpoints" / "step-000006"
    run(config_of(data["qa"], tmp_path / "second"), resume=str(checkpoint))
    assert _results(tmp_path / "second") == _expected(whole_runs, data, tmp_path, "qa")


def test_a_best_model_that_is_gone_is_found_anew(data, tmp_path):
    config = config_of(data["qa"], tmp_path / "run")
    run(config)
    shutil.rmtree(tmp_path / "run" / "best")
    before = (tmp_path / "run" / "metrics.jsonl").read_text(encoding="utf-8")
    notes = []
    result = run(config, resume="auto", listen=notes.append)
    assert any("is gone: the best is found anew" in note.text for note in notes if isinstance(note, Note))
    assert (result.best_step, (tmp_path / "run" / "best" / "model.safetensors").is_file()) == (STEPS, True)
    assert (tmp_path / "run" / "metrics.jsonl").read_text(encoding="utf-8") == before, "an evaluation is told twice"


def test_a_tokenizer_that_moved_is_the_same_and_another_one_is_not(data, killed, tmp_path):
    shutil.copytree(TOKENIZER, tmp_path / "moved")
    shutil.copytree(killed, tmp_path / "run")
    moved = config_of(data["qa"], tmp_path / "run", {"model.tokenizer": str(tmp_path / "moved")})
    run_until(moved, after_step(6), resume="auto")
    file = tmp_path / "moved" / "tokenizer.json"
    file.write_text(file.read_text(encoding="utf-8").replace('"##2"', '"##甲"', 1), encoding="utf-8")
    with pytest.raises(CheckpointError, match=r"\n  tokenizer: was [0-9a-f]{64}, is [0-9a-f]{64}"):
        run(moved, resume="auto")


@pytest.mark.parametrize(
    ("resume", "message"), [("", "give auto, or the path"), ("RUN", "is a run folder; give one of")]
)
def test_what_cannot_be_resumed_is_told(data, killed, resume, message):
    with pytest.raises(ConfigError, match=message):
        run(config_of(data["qa"], killed), resume=resume.replace("RUN", str(killed)))
