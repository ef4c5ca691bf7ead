"""What two processes do in `test_deepspeed.py`: train, stop and go on, in the way that the environment tells.

Run by `torchrun`.
"""

import sys
from contextlib import suppress
from pathlib import Path

import qakit.runs.train
from qakit.modeling.processes import leave_process_group
from qakit.signals import Stopped
from tests.runs.trainings import config_of, run
from tests.runs.two_processes import CHANGES, PLAIN, stop

EIGHT_STEPS = {**CHANGES, **PLAIN, "training.accumulation": 2, "training.epochs": 4}
BF16 = {**EIGHT_STEPS, "training.precision": "bf16", "tricks.freeze_embeddings": True}


def main(data, out, begun):
    """`begun` may hold a training that was stopped half-way: it goes on there."""
    qakit.runs.train.draw_curves = lambda *_, **__: None
    if begun.exists():
        run(config_of(data, begun, EIGHT_STEPS), resume="auto")
    run(config_of(data, out / "fp32", EIGHT_STEPS))
    run(config_of(data, out / "bf16", BF16))
    for name in ("stopped", "left"):
        with suppress(Stopped):
            run(config_of(data, out / name, EIGHT_STEPS), listen=stop)
    run(config_of(data, out / "stopped", EIGHT_STEPS), resume="auto")


if __name__ == "__main__":
    main(*map(Path, sys.argv[1:]))
    leave_process_group()
