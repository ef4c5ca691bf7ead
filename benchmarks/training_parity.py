"""Compare qakit's training with a plain transformers loop, and a step in one pass with the same step in several.

    python benchmarks/training_parity.py [DATA]

DATA is the folder with `hw7`, `adl2022` and `vocab` (default: $QAKIT_DATA or ../shared/data). Both models are BERT from
random weights (hidden 32, 4 heads, 4 layers, intermediate 3072), windows have 256 tokens, weights are fp32 on the CPU.
Prints the largest difference in the loss of a step over 20 steps for each comparison. Dropout is on against the plain
loop, which draws from the same seed, and off between ways to cut a step, which draw differently. Where a gradient is
nothing but rounding errors, as that of the selection head's bias, Adam makes whole steps of them: that is the 1e-5 that
selection differs by when a step is cut (1e-7 with an `adam_epsilon` of 1e-4). Takes about ten minutes on two cores.
"""

import os
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch
import transformers
from accelerate import Accelerator

REPOSITORY = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(REPOSITORY))

from qakit.config import TrainConfig  # noqa: E402
from qakit.data.records import Dataset  # noqa: E402
from qakit.data.schemas import read_dataset  # noqa: E402
from qakit.modeling.building import build_for_training  # noqa: E402
from qakit.tasks.base import Task  # noqa: E402
from qakit.tasks.questions.qa import QuestionAnswering  # noqa: E402
from qakit.tasks.questions.select import ParagraphSelection  # noqa: E402
from qakit.training.order import make_plan  # noqa: E402
from tests.training.plain import loop_losses, plain_losses  # noqa: E402

STEPS = 20
RECORDS = 400  # of each file, to start soon
SEED = 42


def config_of(data: Path, task: Task, *, batch_size: int, accumulation: int, dropout: float) -> TrainConfig:
    files = {"qa": data / "hw7" / "hw7_train.json", "select": data / "adl2022" / "train.json"}
    return TrainConfig.model_validate(
        {
            "out": "unused",
            "data": {"train": [files[task.name]]},
            "model": {
                "name": "bert",
                "from_scratch": True,
                "tokenizer": str(data / "vocab" / "bert-base-chinese-vocab.txt"),
                "hidden_size": 32,
                "num_attention_heads": 4,
                "num_hidden_layers": 4,
                "intermediate_size": 3072,
                "hidden_dropout_prob": dropout,
                "attention_probs_dropout_prob": dropout,
            },
            "windows": {"max_length": 256},
            "training": {
                "batch_size": batch_size,
                "accumulation": accumulation,
                "learning_rate": 1e-3,
                "max_steps": STEPS,
                "precision": "fp32",
                "seed": SEED,
            },
        }
    )


def losses(task: Task, dataset: Dataset, config: TrainConfig, *, plain: bool = False) -> list[float]:
    """The loss of each step, from the same weights and the same random state however they are computed."""
    transformers.set_seed(SEED)
    model, tokenizer, _ = build_for_training(config.model, task.auto_class, config.windows)
    training_set = task.prepare(dataset, tokenizer, config).training_set
    transformers.set_seed(SEED)
    if plain:
        return plain_losses(model, training_set, make_plan(training_set.lengths, config.training))
    return loop_losses(model, training_set, config, Accelerator(cpu=True))


def show(name: str, first: list[float], second: list[float]) -> None:
    difference = max(abs(one - other) for one, other in zip(first, second, strict=True))
    print(f"{name:62} loss {first[0]:.4f} to {first[-1]:.4f}, largest difference {difference:.1e}")


def compare(task: Task, dataset: Dataset, config: Callable[..., TrainConfig]) -> None:
    # One question a pass for span extraction: transformers' own loss looks for answers in the padding too.
    passes: dict[str, Any] = {"batch_size": 1, "accumulation": 8} if task.name == "qa" else {"batch_size": 8}
    alike = config(**{"accumulation": 1, **passes}, dropout=0.1)
    cut = f"{alike.training.batch_size}x{alike.training.accumulation}"
    theirs, ours = losses(task, dataset, alike, plain=True), losses(task, dataset, alike)
    show(f"{task.name}: plain transformers loop and qakit, both {cut}", theirs, ours)
    whole = losses(task, dataset, config(batch_size=8, accumulation=1, dropout=0.0))
    for batch_size, accumulation in ((2, 4), (1, 8)):
        parts = losses(task, dataset, config(batch_size=batch_size, accumulation=accumulation, dropout=0.0))
        show(f"{task.name}: 8x1 and {batch_size}x{accumulation}", whole, parts)


def main() -> None:
    default = os.environ.get("QAKIT_DATA", REPOSITORY.parent / "shared" / "data")
    data = Path(sys.argv[1] if len(sys.argv) > 1 else default)
    torch.set_num_threads(min(4, os.cpu_count() or 1))
    for task in (QuestionAnswering(), ParagraphSelection()):

        def config(task: Task = task, **options: Any) -> TrainConfig:
            return config_of(data, task, **options)

        dataset = read_dataset(config(batch_size=8, accumulation=1, dropout=0.0).data.train)
        compare(task, replace(dataset, records=dataset.records[:RECORDS]), config)


if __name__ == "__main__":
    main()
