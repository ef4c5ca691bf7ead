"""SIGKILL at every optimiser step of a training, then resume: is the end the same to the bit? With a peer's figures.

`python benchmarks/resume.py [DATA]` trains a small model with dropout on real questions, three epochs of an
accumulation that does not divide them, for both tasks; kills it at each step (in the middle of its accumulation, and
after it), in evaluations and while a checkpoint is saved; resumes, and compares the last checkpoint and the best model
with those of a training that was left alone. SIGTERM and SIGINT are sent in every phase likewise. The kills after each
step are done to `transformers.Trainer` too.
"""

import argparse
import hashlib
import json
import os
import signal
import sys
import tempfile
import traceback
from collections import Counter
from collections.abc import Callable
from pathlib import Path

import torch
import transformers
import typer

from qakit.cli.console import guarded
from qakit.config import TrainConfig
from qakit.data.schemas import read_dataset, write_dataset
from qakit.modeling.loading import load_tokenizer
from qakit.runs import train as runs_train
from qakit.spans.windowing import encode_pairs
from qakit.tasks.questions.qa import QuestionAnswering
from qakit.tasks.questions.select import ParagraphSelection
from qakit.training import checkpoints, loop
from qakit.training.events import Evaluated, Note

DEFAULT = Path(os.environ.get("QAKIT_DATA", Path(__file__).resolve().parents[2] / "shared" / "data"))
QUESTIONS, EPOCHS, STEPS_PER_EPOCH = 25, 3, 5
STEPS = EPOCHS * STEPS_PER_EPOCH
TASKS = {"qa": QuestionAnswering, "select": ParagraphSelection}
SIZES = {"hidden_size": 32, "num_hidden_layers": 2, "num_attention_heads": 2, "intermediate_size": 64}


def make_data(source: Path, folder: Path) -> None:
    """A training file of 25 questions on different paragraphs, and a development file of 8, from ADL's files."""
    for name, given, count in (("train", "train", QUESTIONS), ("valid", "valid", 8)):
        write_dataset(
            read_dataset([source / "adl2022" / f"{given}.json"]).records[:count], folder / f"{name}.jsonl", "jsonl"
        )


def config_of(data: Path, out: Path, vocabulary: Path) -> TrainConfig:
    """Steps of 3 x 2 questions: 25 of them are four full steps and one of a single question."""
    return TrainConfig.model_validate(
        {
            "out": out,
            "data": {"train": [data / "train.jsonl"], "dev": [data / "valid.jsonl"]},
            "model": {"name": "bert", "from_scratch": True, "tokenizer": str(vocabulary), **SIZES},
            "windows": {"max_length": 128},
            "training": {
                "epochs": EPOCHS,
                "batch_size": 2,
                "accumulation": 3,
                "learning_rate": 1e-3,
                "precision": "fp32",
                "evaluate_every": 3,
                "save_every": 2,
            },
        }
    )


def in_child(work: Callable[[], None]) -> int:
    """Run in a process of its own; gives its exit status, negative for a signal."""
    pid = os.fork()
    if pid == 0:
        try:
            torch.set_num_threads(1)
            work()
        except BaseException:
            traceback.print_exc()
            os._exit(1)
        os._exit(0)
    return os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])


def train(
    config: TrainConfig, task: str, log: Path, moment: str = "", number: int = 0, signum: int = signal.SIGKILL
) -> None:
    """Train or go on, logging what each step sees, and send this process a signal at a moment."""
    load, write, run_pass = loop._load, checkpoints._write_files, loop._run_pass
    module = sys.modules[TASKS[task].__module__]
    run_windows, encode_pairs = module.run_windows, module.encode_pairs
    calls = Counter()

    def logged_load(training_set: object, plan: object, step: int, accelerator: object) -> object:
        seen: list[tuple[int, int]] = []

        class Recorder:
            def batch(self, index: list[int], epoch: int) -> object:
                seen.extend((epoch, record) for record in index)
                return training_set.batch(index, epoch)

        loaded = load(Recorder(), plan, step, accelerator)
        with open(log, "a") as file:
            file.write(json.dumps([os.getpid(), step, seen]) + "\n")
        return loaded

    def counted_pass(*args: object, **options: object) -> object:
        signal_at("pass")
        return run_pass(*args, **options)

    def counted_windows(*args: object, **options: object) -> object:
        signal_at("evaluating")
        return run_windows(*args, **options)

    def counted_pairs(*args: object, **options: object) -> object:
        signal_at("tokenising")
        return encode_pairs(*args, **options)

    def signal_at(place: str) -> None:
        calls[place] += 1
        if moment == place and calls[place] == number:
            os.kill(os.getpid(), signum)

    def interrupted_write(folder: Path, checkpoint: checkpoints.Checkpoint) -> None:
        write(folder, checkpoint)
        if moment == "save" and checkpoint.step == number:
            os.kill(os.getpid(), signum)

    def listen(event: object) -> None:
        if isinstance(event, Note) and event.text.startswith("resumed from step"):
            with open(log, "a") as file:
                file.write(json.dumps([os.getpid(), "resumed", int(event.text.split()[-1])]) + "\n")
        if moment == "step" and isinstance(event, loop.StepEvent) and event.step == number:
            os.kill(os.getpid(), signum)
        if moment == "evaluation" and isinstance(event, Evaluated) and event.step == number:
            os.kill(os.getpid(), signum)

    loop._load, loop._run_pass, checkpoints._write_files = logged_load, counted_pass, interrupted_write
    module.run_windows, module.encode_pairs = counted_windows, counted_pairs
    runs_train.draw_curves = lambda *_, **__: None
    try:
        guarded(runs_train.train)(TASKS[task](), config, resume="auto", listen=listen)
    except typer.Exit as ended:
        os._exit(ended.exit_code)


def samples(log: Path) -> tuple[int, int]:
    """How many (epoch, question) pairs the training that counts has seen twice, and never."""
    steps: dict[int, list[tuple[int, int]]] = {}
    for _, step, seen in map(json.loads, log.read_text().splitlines()):
        if step == "resumed":
            steps = {number: ids for number, ids in steps.items() if number < seen}
        else:
            steps[step] = [tuple(pair) for pair in seen]
    counts = Counter(pair for ids in steps.values() for pair in ids)
    expected = {(epoch, record) for epoch in range(EPOCHS) for record in range(QUESTIONS)}
    return sum(count > 1 for count in counts.values()), len(expected - counts.keys())


def digest(folder: Path, names: list[str]) -> str:
    return hashlib.sha256(b"".join((folder / name).read_bytes() for name in names)).hexdigest()


KEPT = [f"checkpoints/step-{STEPS:06d}/{kind}.safetensors" for kind in ("model", "optimizer")]
KEPT += ["best/model.safetensors", "metrics.jsonl"]
MOMENTS = {
    "after the update of each step": [("step", step) for step in range(1, STEPS + 1)],
    "in the accumulation of each step": [
        ("pass", 13 * epoch + 3 * step + 2) for epoch in range(EPOCHS) for step in range(4)
    ],
    "in each evaluation": [("evaluation", step) for step in (3, 6, 9, 12, 15)],
    "in each save": [("save", step) for step in (2, 4, 6, 8, 10, 12, 14, 15)],
}


def ours(task: str, data: Path, folder: Path, vocabulary: Path) -> None:
    whole = folder / "whole"
    in_child(lambda: train(config_of(data, whole, vocabulary), task, folder / "whole.log"))
    expected = digest(whole, KEPT)
    assert samples(folder / "whole.log") == (0, 0)
    for name, moments in MOMENTS.items():
        same, twice, never = 0, 0, 0
        for moment, number in moments:
            out, log = folder / f"{moment}-{number}", folder / f"{moment}-{number}.log"
            config = config_of(data, out, vocabulary)
            status = in_child(lambda: train(config, task, log, moment, number))  # noqa: B023 - runs at once
            assert status == -signal.SIGKILL, (moment, number, status)
            in_child(lambda: train(config, task, log))  # noqa: B023
            same += digest(out, KEPT) == expected
            again, missing = samples(log)
            twice, never = twice + again, never + missing
        print(
            f"qakit, {task}, killed {name}: identical {same}/{len(moments)}, seen twice {twice}, never {never}",
            flush=True,
        )


SIGNALLED = {
    "tokenising": [("tokenising", 1)],
    "a step": [("pass", 13 * epoch + 3 * step + 2) for epoch in range(EPOCHS) for step in range(4)],
    "evaluation": [("evaluating", number) for number in range(1, 6)],
    "saving": [("save", step) for step in (2, 4, 6, 8, 10, 12, 14, 15)],
}


def signalled(task: str, data: Path, folder: Path, vocabulary: Path) -> None:
    """SIGTERM and SIGINT: is there a checkpoint of the last step, and the right exit code?"""
    expected = digest(folder / "whole", KEPT)
    for signum in (signal.SIGTERM, signal.SIGINT):
        for name, moments in SIGNALLED.items():
            saved, coded, same = 0, 0, 0
            for moment, number in moments:
                out, log = folder / f"{signum.name}-{moment}-{number}", folder / f"{signum.name}-{moment}-{number}.log"
                config = config_of(data, out, vocabulary)
                status = in_child(lambda: train(config, task, log, moment, number, signum))  # noqa: B023
                coded += status == 128 + signum
                in_child(lambda: train(config, task, log))  # noqa: B023
                lines = [json.loads(line) for line in log.read_text().splitlines()]
                resumed = [seen for _, step, seen in lines if step == "resumed"]
                made = {
                    "pass": (number + 1) // 13 * 5 + (number % 13 + 1) // 3,
                    "evaluating": 3 * number,
                    "save": number,
                }
                saved += resumed == ([] if moment == "tokenising" else [made[moment]])
                same += digest(out, KEPT) == expected
            count = len(moments)
            print(
                f"qakit, {task}, {signum.name} in {name}: no step lost {saved}/{count}, exit code {128 + signum} "
                f"{coded}/{count}, identical after resuming {same}/{count}",
                flush=True,
            )


def train_peer(data: Path, out: Path, vocabulary: Path, kill_at: int = 0, in_save: bool = False) -> None:
    """The same questions, model and steps with `transformers.Trainer`, in the example's features."""
    from transformers.trainer_utils import get_last_checkpoint

    tokenizer = load_tokenizer(vocabulary)
    records = read_dataset([data / "train.jsonl"]).records
    config = config_of(data, out, vocabulary)
    pairs = encode_pairs(tokenizer, [(record.question, record.context) for record in records], config.windows)
    settings, _ = QuestionAnswering().prepare(read_dataset([data / "train.jsonl"]), tokenizer, config), pairs
    features = []
    for number in range(QUESTIONS):
        batch = settings.training_set.batch([number], 0)
        places = {name: int(batch.targets[name][0]) for name in ("start_positions", "end_positions")}
        features.append({name: tensor[0].tolist() for name, tensor in batch.inputs.items()} | places)

    class Killer(transformers.TrainerCallback):
        def on_step_end(
            self, arguments: object, state: transformers.TrainerState, control: object, **_: object
        ) -> None:
            if state.global_step == kill_at and not in_save:
                os.kill(os.getpid(), signal.SIGKILL)

    transformers.set_seed(42)
    model_config = transformers.BertConfig(vocab_size=len(tokenizer), **SIZES)
    arguments = transformers.TrainingArguments(
        output_dir=str(out),
        num_train_epochs=EPOCHS,
        per_device_train_batch_size=2,
        gradient_accumulation_steps=3,
        learning_rate=1e-3,
        save_steps=2,
        save_total_limit=2,
        report_to=[],
        use_cpu=True,
        disable_tqdm=True,
        seed=42,
        logging_strategy="no",
    )
    trainer = transformers.Trainer(
        model=transformers.BertForQuestionAnswering(model_config),
        args=arguments,
        train_dataset=features,
        data_collator=transformers.DataCollatorWithPadding(tokenizer),
        callbacks=[Killer()],
    )
    save_optimizer = trainer._save_optimizer_and_scheduler

    def killed_save(folder: str) -> None:
        if in_save and trainer.state.global_step == kill_at:
            os.kill(os.getpid(), signal.SIGKILL)
        save_optimizer(folder)

    trainer._save_optimizer_and_scheduler = killed_save
    trainer.train(resume_from_checkpoint=get_last_checkpoint(str(out)) if out.is_dir() else None)
    trainer.save_model(str(out / "final"))
    torch.save(trainer.optimizer.state_dict(), out / "final" / "optimizer.pt")


def peer(data: Path, folder: Path, vocabulary: Path) -> None:
    def weights(out: Path) -> tuple[bytes, str]:
        optimizer = torch.load(out / "final" / "optimizer.pt")
        moments = hashlib.sha256()
        for _, state in sorted(optimizer["state"].items()):
            for name in sorted(state):
                moments.update(torch.as_tensor(state[name]).numpy().tobytes())
        return (out / "final" / "model.safetensors").read_bytes(), moments.hexdigest()

    in_child(lambda: train_peer(data, folder / "whole", vocabulary))
    expected = weights(folder / "whole")
    saves = (2, 4, 6, 8, 10, 12, 14, 15)
    for name, steps in (("after the update of each step", range(1, STEPS + 1)), ("in each save", saves)):
        same, failed = 0, 0
        for step in steps:
            out, in_save = folder / f"{name}-{step}", name == "in each save"
            in_child(lambda: train_peer(data, out, vocabulary, step, in_save))  # noqa: B023 - runs at once
            if in_child(lambda: train_peer(data, out, vocabulary)):  # noqa: B023
                failed += 1
            else:
                same += weights(out) == expected
        print(
            f"transformers.Trainer {transformers.__version__}, qa, killed {name}: identical {same}/{len(steps)}, "
            f"resume failed {failed}",
            flush=True,
        )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("data", type=Path, nargs="?", default=DEFAULT)
    arguments = parser.parse_args()
    os.environ.update(ACCELERATE_USE_CPU="true", HF_HUB_OFFLINE="1", TOKENIZERS_PARALLELISM="false", TQDM_DISABLE="1")
    transformers.utils.logging.disable_progress_bar()
    transformers.logging.set_verbosity_error()
    vocabulary = arguments.data / "vocab" / "bert-base-chinese-vocab.txt"
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary)
        make_data(arguments.data, folder)
        for task in TASKS:
            (folder / task).mkdir()
            ours(task, folder, folder / task, vocabulary)
            signalled(task, folder, folder / task, vocabulary)
        (folder / "peer").mkdir()
        peer(folder, folder / "peer", vocabulary)


if __name__ == "__main__":
    sys.exit(main())
