"""Small trainings on disk, what makes them stop half-way, and what they leave behind."""

from contextlib import suppress

from qakit.config import TrainConfig
from qakit.data.schemas import write_dataset
from qakit.runs.train import train
from qakit.tasks.questions.qa import QuestionAnswering
from qakit.tasks.questions.select import ParagraphSelection
from tests.modeling.tiny import SIZES, TOKENIZER, qa_records, select_records

TASKS = {"qa": QuestionAnswering, "select": ParagraphSelection}
STEPS = 15  # of the trainings that `config_of` describes
FILES = (".lock", "best", "checkpoints", "config.yaml", "environment.json", "manifest.json", "metrics.jsonl")


class Killed(Exception):
    """Nothing in qakit catches it."""


def write_data(folder, task="qa"):
    """A training file of 20 questions and a development file of 6."""
    records = qa_records(26, longest=70) if task == "qa" else select_records(26, longest=40)
    schema = "squad" if task == "qa" else "jsonl"
    for name, part in {"train": records[:20], "dev": records[20:]}.items():
        write_dataset(part, folder / f"{name}.{'json' if task == 'qa' else 'jsonl'}", schema)
    return folder


def config_of(data, out, changes=None, task="qa"):
    """Five steps an epoch, three epochs; evaluations and checkpoints that do not fall together."""
    suffix = "json" if task == "qa" else "jsonl"
    values = {
        "out": out,
        "data": {"train": [data / f"train.{suffix}"], "dev": [data / f"dev.{suffix}"]},
        "model": {"name": "bert", "from_scratch": True, "tokenizer": str(TOKENIZER), **SIZES, "num_hidden_layers": 1},
        "windows": {"max_length": 64},
        "training": {
            "epochs": 3,
            "batch_size": 2,
            "accumulation": 2,
            "learning_rate": 1e-3,
            "precision": "fp32",
            "evaluate_every": 4,
            "save_every": 3,
            "keep_checkpoints": 9,
        },
    }
    for dotted, value in (changes or {}).items():
        section, _, key = dotted.partition(".")
        values[section] = {**values.get(section, {}), key: value} if key else value
    return TrainConfig.model_validate(values)


def run(config, task="qa", **options):
    return train(TASKS[task](), config, **options)


def run_until(config, stops, task="qa", **options):
    """Train until `stops` says so of an event, and die there."""

    def listen(event):
        if stops(event):
            raise Killed

    with suppress(Killed):
        run(config, task, listen=listen, **options)
        raise AssertionError("the training was not stopped")


def content(folder):
    """Every file of a folder as bytes."""
    return {str(path.relative_to(folder)): path.read_bytes() for path in sorted(folder.rglob("*")) if path.is_file()}
