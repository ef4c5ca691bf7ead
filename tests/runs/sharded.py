"""What two processes do with FSDP in `test_processes.py`: train, stop and go on. Run by `torchrun`.

accelerate shards on GPUs only, so it is told here that it does; torch itself shards on CPUs as well.
"""

import sys
from pathlib import Path

from accelerate.utils import DistributedType, FullyShardedDataParallelPlugin

import qakit.runs.train
from qakit.modeling.processes import leave_process_group
from qakit.signals import Stopped
from tests.runs.trainings import config_of, run
from tests.runs.two_processes import CHANGES, PLAIN, stop


def main(data, out):
    make_accelerator = qakit.runs.train.make_accelerator

    def make_sharding_accelerator(*arguments):
        accelerator = make_accelerator(*arguments)
        accelerator.state.distributed_type = DistributedType.FSDP
        accelerator.state.fsdp_plugin = FullyShardedDataParallelPlugin(
            fsdp_version=2, auto_wrap_policy="transformer_based_wrap", transformer_cls_names_to_wrap=["BertLayer"]
        )
        return accelerator

    qakit.runs.train.draw_curves = lambda *_, **__: None
    qakit.runs.train.make_accelerator = make_sharding_accelerator
    changes = {**CHANGES, **PLAIN}
    run(config_of(data, out / "sharded", changes))
    try:
        run(config_of(data, out / "sharded-stopped", changes), listen=stop)
    except Stopped:
        run(config_of(data, out / "sharded-stopped", changes), resume="auto")


if __name__ == "__main__":
    main(*map(Path, sys.argv[1:]))
    leave_process_group()
