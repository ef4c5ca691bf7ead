"""SIGTERM and SIGINT in every phase of a training: it stops with the right code and goes on as if nothing had been."""

import os
import signal
import subprocess
import sys
import textwrap

import pytest

from qakit.errors import ConfigError
from qakit.signals import Stopped, StopSignals
from qakit.training.checkpoints import find_checkpoints
from qakit.training.events import Evaluated, Note
from qakit.training.loop import StepEvent
from tests.runs.trainings import STEPS, TASKS, config_of, content, run, run_until, write_data

RESULTS = ("metrics.jsonl", "best/model.safetensors", "best/README.md", "best/qakit.json")


pytestmark = pytest.mark.usefixtures("without_pictures")


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    return write_data(tmp_path_factory.mktemp("data"))


@pytest.fixture(scope="module")
def expected(data, tmp_path_factory):
    """What a training that is left alone leaves."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("qakit.runs.train.draw_curves", lambda *_, **__: None)
        patch.setenv("ACCELERATE_USE_CPU", "true")
        folder = tmp_path_factory.mktemp("whole") / "run"
        run(config_of(data, folder))
    return results(folder)


def results(folder):
    names = [f"checkpoints/step-{STEPS:06d}/{kind}.safetensors" for kind in ("model", "optimizer")]
    found = content(folder)
    return {name: found[name] for name in (*names, *RESULTS)}


def interrupt(monkeypatch, name, call, signum):
    """Send a signal to this process in call number `call` of a function, before it does its work."""
    module, _, attribute = name.rpartition(".")
    original = getattr(sys.modules[module], attribute)
    calls = []

    def interrupted(*arguments, **options):
        calls.append(1)
        if len(calls) == call:
            os.kill(os.getpid(), signum)
        return original(*arguments, **options)

    monkeypatch.setattr(name, interrupted)


# What is interrupted, in which call, and the step whose checkpoint there is afterwards.
PHASES = {
    "reading": ("qakit.tasks.questions.base.read_dataset", 1, None),
    "building": ("qakit.runs.setup.build_for_training", 1, None),
    "tokenising": ("qakit.tasks.questions.qa.encode_pairs", 1, None),
    "a first step": ("qakit.training.loop._run_pass", 1, 1),
    "the middle of an accumulation": ("qakit.training.loop._run_pass", 12, 6),
    "a step that saves anyway": ("qakit.training.loop._run_pass", 6, 3),
    "an evaluation": ("qakit.modeling.inference.run_windows", 1, 4),
    "a later evaluation": ("qakit.modeling.inference.run_windows", 3, 12),
    "the last evaluation": ("qakit.modeling.inference.run_windows", 4, STEPS),
    "keeping the best model": ("qakit.runs.train.save_trained", 1, 4),
    "saving": ("qakit.training.checkpoints._write_files", 2, 6),
}


@pytest.mark.parametrize("signum", [signal.SIGTERM, signal.SIGINT], ids=["SIGTERM", "SIGINT"])
@pytest.mark.parametrize(("name", "call", "step"), PHASES.values(), ids=PHASES)
def test_a_stopped_training_is_saved_and_ends_as_if_it_had_not_been(
    data, expected, tmp_path, monkeypatch, name, call, step, signum
):
    config = config_of(data, tmp_path / "run")
    with monkeypatch.context() as patch:
        interrupt(patch, name, call, signum)
        with pytest.raises(Stopped) as stopped:
            run(config)
    assert stopped.value.exit_code == {signal.SIGTERM: 143, signal.SIGINT: 130}[signum]
    if step is None:
        assert not (tmp_path / "run").exists()
    else:
        assert find_checkpoints(tmp_path / "run" / "checkpoints")[-1].name == f"step-{step:06d}"
    events = []
    run(config, resume="auto", listen=events.append)
    assert (Note(f"resumed from step {step}") in events) == (step is not None)
    made = [event.step for event in events if isinstance(event, StepEvent)]
    assert made == list(range((step or 0) + 1, STEPS + 1)), "a step was lost"
    assert results(tmp_path / "run") == expected


def test_a_second_signal_ends_at_once(data, tmp_path):
    def listen(event):
        if isinstance(event, StepEvent) and event.step == 2:
            os.kill(os.getpid(), signal.SIGTERM)
            os.kill(os.getpid(), signal.SIGINT)

    with pytest.raises(Stopped) as stopped:
        run(config_of(data, tmp_path / "run"), listen=listen)
    assert stopped.value.exit_code == 130
    assert not (tmp_path / "run" / "checkpoints").exists()


def test_an_evaluation_that_was_cut_short_is_made_up_for_before_the_next_step(data, tmp_path, monkeypatch):
    with monkeypatch.context() as patch, pytest.raises(Stopped):
        interrupt(patch, "qakit.modeling.inference.run_windows", 1, signal.SIGTERM)
        run(config_of(data, tmp_path / "run"))
    events = []
    run(config_of(data, tmp_path / "run"), resume="auto", listen=events.append)
    kinds = [event for event in events if isinstance(event, StepEvent | Evaluated)]
    assert isinstance(kinds[0], Evaluated)
    assert [event.step for event in kinds[:2]] == [4, 5]


def test_an_evaluation_made_up_for_is_told_once_though_the_training_dies_after_it(
    data, expected, tmp_path, monkeypatch
):
    config = config_of(data, tmp_path / "run")
    with monkeypatch.context() as patch, pytest.raises(Stopped):
        interrupt(patch, "qakit.modeling.inference.run_windows", 1, signal.SIGTERM)
        run(config)
    run_until(config, lambda event: isinstance(event, StepEvent) and event.step == 5, resume="auto")
    run(config, resume="auto")
    assert results(tmp_path / "run") == expected


@pytest.mark.parametrize("signum", [signal.SIGTERM, signal.SIGINT], ids=["SIGTERM", "SIGINT"])
def test_a_signal_while_the_last_curves_are_drawn_is_not_forgotten(data, expected, tmp_path, monkeypatch, signum):
    interrupt(monkeypatch, "qakit.runs.train.draw_curves", 1, signum)
    with pytest.raises(Stopped) as stopped:
        run(config_of(data, tmp_path / "run"))
    assert stopped.value.exit_code == {signal.SIGTERM: 143, signal.SIGINT: 130}[signum]
    assert results(tmp_path / "run") == expected


def test_curves_that_cannot_be_drawn_change_no_ending(data, expected, tmp_path, monkeypatch):
    def full(*_, **__):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("qakit.runs.train.draw_curves", full)
    events = []
    run(config_of(data, tmp_path / "run"), listen=events.append)
    assert any("the curves could not be drawn" in event.text for event in events if isinstance(event, Note))
    assert results(tmp_path / "run") == expected
    interrupt(monkeypatch, "qakit.training.loop._run_pass", 1, signal.SIGTERM)
    with pytest.raises(Stopped):
        run(config_of(data, tmp_path / "stopped"))


def test_handlers_are_put_back():
    before = [signal.getsignal(number) for number in (signal.SIGTERM, signal.SIGINT)]
    with pytest.raises(Stopped), StopSignals():
        os.kill(os.getpid(), signal.SIGTERM)
    assert [signal.getsignal(number) for number in (signal.SIGTERM, signal.SIGINT)] == before


@pytest.mark.parametrize(("signum", "code"), [("SIGTERM", 143), ("SIGINT", 130)])
def test_the_command_ends_with_the_code_of_its_signal(data, tmp_path, signum, code):
    script = f"""
        import os, signal, sys
        import qakit.training.loop as loop
        run_pass, calls = loop._run_pass, []
        def interrupted(*arguments, **options):
            calls.append(1)
            if len(calls) == 5:
                os.kill(os.getpid(), signal.{signum})
            return run_pass(*arguments, **options)
        loop._run_pass = interrupted
        from qakit.cli import main
        main()
    """
    config = config_of(data, tmp_path / "run")
    from qakit.config.files import to_yaml

    (tmp_path / "config.yaml").write_text(to_yaml(config), encoding="utf-8")
    done = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(script), "train-qa", "--config", str(tmp_path / "config.yaml")],
        capture_output=True,
        text=True,
        check=False,
        env={**os.environ, "ACCELERATE_USE_CPU": "true", "OMP_NUM_THREADS": "1"},
    )
    assert done.returncode == code, done.stderr
    assert "Traceback" not in done.stderr
    assert [path.name for path in find_checkpoints(tmp_path / "run" / "checkpoints")] == ["step-000003"]


def test_patience_ends_a_training_and_outlives_a_kill(data, tmp_path):
    class Worse(TASKS["qa"]):
        def __init__(self, scores):
            self.scores = iter(scores)

        def evaluate(self, loaded, dataset, config):
            return {"em": next(self.scores), "f1": 0.0}

    from qakit.runs.train import train

    changes = {"training.patience": 2, "training.evaluate_every": 2, "training.save_every": 2}
    whole = train(Worse([5, 4, 6, 1, 1, 9]), config_of(data, tmp_path / "whole", changes))
    assert (whole.steps, whole.best_step) == (10, 6)
    config = config_of(data, tmp_path / "run", changes)
    with pytest.raises(StopIteration):
        train(Worse([5, 4, 6, 1]), config)
    again = train(Worse([1, 9]), config, resume="auto")
    assert (again.steps, again.best_step) == (10, 6)
    finished = train(Worse([]), config, resume="auto")
    assert (finished.steps, finished.best_step) == (10, 6)


def test_a_second_signal_ends_the_save_after_a_cut_evaluation_at_once(data, tmp_path, monkeypatch):
    interrupt(monkeypatch, "qakit.modeling.inference.run_windows", 1, signal.SIGTERM)
    interrupt(monkeypatch, "qakit.training.checkpoints._write_files", 2, signal.SIGINT)
    with pytest.raises(Stopped) as stopped:
        run(config_of(data, tmp_path / "run"))
    assert stopped.value.exit_code == 130
    assert [path.name for path in (tmp_path / "run" / "checkpoints").iterdir()] == ["step-000003"]


def test_patience_without_evaluations_is_refused(data, tmp_path):
    with pytest.raises(ConfigError, match=r"training.patience counts evaluations"):
        run(config_of(data, tmp_path / "run", {"training.patience": 2, "data.dev": ()}))
