"""What two processes do in `test_processes.py`: train, stop and go on, evaluate, predict. Run by `torchrun`."""

import os
import signal
import sys
from pathlib import Path

import qakit.runs.train
from qakit.config import ReadConfig
from qakit.data.schemas import read_dataset
from qakit.modeling.processes import leave_process_group
from qakit.signals import Stopped
from qakit.tasks.questions.two_stage import load_models
from qakit.training.loop import StepEvent
from tests.runs.questions import predict
from tests.runs.trainings import config_of, run

CHANGES = {
    "training.batch_size": 3,
    "training.accumulation": 1,
    "training.evaluate_every": 4,
    "training.save_every": 3,
    "training.epochs": 2,
}
PLAIN = {"model.hidden_dropout_prob": 0.0, "model.attention_probs_dropout_prob": 0.0}
STOPPED_AT = 5


def stop(event):
    """SIGTERM to the main process alone: the other one must hear of it."""
    if isinstance(event, StepEvent) and event.step == STOPPED_AT:
        os.kill(os.getpid(), signal.SIGTERM)


def main(data, out):
    qakit.runs.train.draw_curves = lambda *_, **__: None
    changes = {**CHANGES, **PLAIN}
    run(config_of(data, out / "plain", changes))
    run(config_of(data, out / "dropout", CHANGES))
    try:
        run(config_of(data, out / "stopped", CHANGES), listen=stop)
    except Stopped as stopped:
        (out / f"stopped-{os.environ['RANK']}").write_text(str(stopped.exit_code))
    run(config_of(data, out / "stopped", CHANGES), resume="auto")
    run(config_of(data, out / "adversarial", {**changes, "tricks.adversarial": "fgm"}))
    models = load_models(str(out / "plain"), None)
    predict(read_dataset([data / "dev.json"]), models, ReadConfig(), out=out / "two.csv", scores=out / "two.parquet")


if __name__ == "__main__":
    main(*map(Path, sys.argv[1:]))
    leave_process_group()
