"""A dry run tells what a training would be and writes nothing; every shipped recipe passes one."""

import json
import math
import threading
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path

import numpy as np
import pytest
from huggingface_hub import constants

from qakit.config import ModelSettings, TrainConfig, TrainingSettings, WindowSettings
from qakit.config.files import load_config
from qakit.data.records import Dataset, Paragraph, Record
from qakit.errors import CheckpointError
from qakit.modeling.building import build_for_training
from qakit.runs.dry_run import _character_tokenizer, _timed_steps, dry_run, without_waiting_for_the_hub
from qakit.runs.train import train
from qakit.tasks.questions.select import ParagraphSelection
from qakit.training.order import make_plan
from tests.modeling.tiny import QA, SIZES, TOKENIZER, qa_records
from tests.runs.trainings import TASKS, config_of, run, write_data
from tests.test_recipes import CARDS, CONFIGS, RECIPES, name_of

TINY = ("hidden_size=32", "num_hidden_layers=1", "num_attention_heads=2", "intermediate_size=64")
QUESTIONS = 216  # of the sample data's training part
LARGEST = CONFIGS / "adl2022" / "seed" / "16-macbert-large-lert-large-64.yaml"


def load(task: str, *files: Path, **flags: object) -> TrainConfig:
    """A recipe on the sample data, its encoder made tiny, but for the one in the box, which is as it is."""
    sizes = [] if files[0].name == "demo.yaml" else [f"model.{size}" for size in TINY]
    part = "hw7/hw7_train" if "hw7" in files[0].parts else "adl/train"
    given = {"out": Path("run"), "data.train": [CONFIGS.parent / "data" / f"{part}.json"], **flags}
    return load_config(TrainConfig, files, section=task, overrides=sizes, flags=given)


def test_every_recipe_is_tried():
    assert len(RECIPES) * len(TASKS) == 60


@pytest.fixture(autouse=True)
def _in_the_repository(monkeypatch: pytest.MonkeyPatch):
    """The demo's tokenizer is named from there."""
    monkeypatch.chdir(CONFIGS.parent)


@pytest.mark.parametrize("task", TASKS)
@pytest.mark.parametrize("file", RECIPES, ids=name_of)
def test_a_recipe_passes_a_dry_run(file: Path, task: str):
    config = load(task, file)
    result = dry_run(TASKS[task](), config, steps=1)
    training = config.training
    steps_per_epoch = math.ceil(QUESTIONS / (training.batch_size * training.accumulation))
    assert (result.questions, result.steps_per_epoch) == (QUESTIONS, steps_per_epoch)
    assert result.total_steps == training.epochs * steps_per_epoch
    assert result.windows == QUESTIONS * (4 if task == "select" else 1)
    assert (result.steps_made, result.precision) == (1, training.precision or "fp32")
    assert not config.out.exists()


@pytest.mark.parametrize("card", CARDS, ids=name_of)
@pytest.mark.parametrize("task", TASKS)
def test_a_card_goes_over_a_recipe(task: str, card: Path):
    # Batches of 8 make the same steps as 8 passes of one question, in less time.
    plain, layered = load(task, LARGEST), load(task, LARGEST, card, **{"training.batch_size": 8})
    layered = layered.model_copy(
        update={"training": layered.training.model_copy(update={"accumulation": plain.training.accumulation // 8})}
    )
    result = dry_run(TASKS[task](), layered, steps=1)
    assert result.precision == "bf16"
    assert result.questions_per_step == plain.training.accumulation
    assert result.total_steps == {"select": 2 * 27, "qa": 10 * 4}[task]


def test_the_file_of_tricks_goes_over_a_recipe():
    plain = dry_run(TASKS["qa"](), load("qa", CONFIGS / "demo.yaml"), steps=1)
    layered = dry_run(TASKS["qa"](), load("qa", CONFIGS / "demo.yaml", CONFIGS / "tricks.yaml"), steps=1)
    assert (layered.total_steps, layered.parameters) == (plain.total_steps, plain.parameters)


def test_the_steps_of_the_largest_recipe_are_those_reckoned_by_hand():
    # 216 questions, 64 an update: 3 full updates and one of 24; 10 epochs.
    result = dry_run(TASKS["qa"](), load("qa", LARGEST), steps=1)
    assert (result.steps_per_epoch, result.total_steps, result.warmup_steps) == (4, 40, 0)
    # One question a pass: nothing to pad.
    assert (result.questions_per_step, result.padding) == (64, 0.0)
    # Two moments of AdamW beside each weight, 4 bytes each.
    assert result.checkpoint_bytes == 3 * 4 * result.parameters


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_data(tmp_path_factory.mktemp("data"))


def told(config: TrainConfig, task: str = "qa", **options: int):
    """A dry run's result, and the notes that it gave."""
    notes = []
    result = dry_run(TASKS[task](), config, listen=lambda event: notes.append(event.text), **options)
    return result, notes


@pytest.mark.parametrize("task", TASKS)
def test_a_dry_run_tells_what_the_training_then_does(task: str, tmp_path: Path):
    config = config_of(write_data(tmp_path, task), tmp_path / "run", {"training.warmup": 0.2}, task)
    result, notes = told(config, task)
    assert not config.out.exists()
    assert not any("place" in note for note in notes)
    events = []
    trained = run(config, task, listen=events.append)
    started = next(event for event in events if hasattr(event, "first_step"))
    assert result.total_steps == trained.steps == 15
    assert (result.steps_per_epoch, result.warmup_steps) == (started.plan.steps_per_epoch, started.plan.warmup_steps)
    assert (result.parameters, result.trained) == (started.parameters, started.trained)
    assert (result.device, result.precision, result.processes) == (started.device, "fp32", 1)
    checkpoints = [folder for folder in (config.out / "checkpoints").iterdir() if folder.is_dir()]
    for folder in checkpoints:
        size = sum(file.stat().st_size for file in folder.glob("*.safetensors"))
        assert result.checkpoint_bytes <= size < 1.2 * result.checkpoint_bytes
    assert sum(file.stat().st_size for file in config.out.rglob("*.safetensors")) < result.disk_bytes


class Watched(ParagraphSelection):
    """Notes the shape and the tokens of every batch that is made."""

    def prepare(self, dataset, tokenizer, config):
        prepared = super().prepare(dataset, tokenizer, config)
        make, self.made = prepared.training_set.batch, []

        def batch(index, epoch):
            made = make(index, epoch)
            self.made.append((made.inputs["input_ids"].shape, int(made.inputs["attention_mask"].sum())))
            return made

        prepared.training_set.batch = batch
        return prepared


def test_with_a_budget_of_tokens_a_selectors_passes_are_those_of_the_training(tmp_path: Path):
    changes = {"training": {"batch_tokens": 600, "accumulation": 2, "epochs": 1, "precision": "fp32"}}
    config = config_of(write_data(tmp_path, "select"), tmp_path / "run", changes, "select")
    result, _ = told(config, "select")
    task = Watched()
    assert train(task, config).steps == result.total_steps == math.ceil(len(task.made) / 2) > 3
    assert result.windows == sum(shape[:-1].numel() for shape, _ in task.made)
    assert result.tokens == sum(tokens for _, tokens in task.made)
    read = [shape.numel() for shape, _ in task.made]
    assert max(read) <= 600
    assert result.padding == 1 - result.tokens / sum(read)


def test_tokens_and_padding_of_an_epoch_are_counted(data: Path, tmp_path: Path):
    config = config_of(data, tmp_path / "run", {"windows": {"max_length": 128}, "training": {"batch_size": 20}})
    result, _ = told(config)
    lengths = [len(r.question) + len(r.context) + 3 for r in qa_records(26, longest=70)[:20]]
    assert result.tokens == sum(lengths)
    assert result.padding == pytest.approx(1 - sum(lengths) / (20 * max(lengths)))


def test_frozen_weights_are_not_counted_as_trained(data: Path, tmp_path: Path):
    whole, _ = told(config_of(data, tmp_path / "run"), steps=1)
    frozen, _ = told(config_of(data, tmp_path / "run", {"tricks.freeze_layers": 1}), steps=1)
    assert frozen.parameters == whole.parameters == whole.trained
    assert frozen.trained == 2 * SIZES["hidden_size"] + 2
    assert frozen.checkpoint_bytes < whole.checkpoint_bytes


def test_no_more_steps_are_made_than_the_training_has(data: Path, tmp_path: Path):
    result, _ = told(config_of(data, tmp_path / "run", {"training.max_steps": 2}))
    assert (result.steps_made, result.total_steps) == (2, 2)
    assert result.training_seconds == 2 * result.seconds_per_step > 0
    assert result.peak_memory_bytes > 10**8


class Recorder:
    """In the place of a learner: notes which steps are made."""

    def __init__(self, lengths: list[int], **settings: object) -> None:
        self.plan = make_plan(np.array(lengths), TrainingSettings.model_validate(settings))
        self.steps_done = 0
        self.made: list[int] = []

    def steps(self):
        for step in range(self.steps_done, self.plan.total_steps):
            self.made.append(step)
            yield step


def test_the_step_of_the_largest_pass_is_made_first():
    learner = Recorder([9] * 40, batch_size=2, accumulation=5, epochs=1)
    assert len(_timed_steps(learner, 13, 3)) == 3  # the third pass of step 2 (from 0)
    assert learner.made == [2, 0, 1]
    # A training that ends before it makes its last step instead.
    learner = Recorder([9] * 40, batch_size=2, accumulation=5, epochs=1, max_steps=2)
    assert len(_timed_steps(learner, 13, 3)) == 2
    assert learner.made == [1, 0]


def test_with_folds_the_first_one_is_told(data: Path, tmp_path: Path):
    changes = {"data.dev": (), "data.folds": 4}
    result, notes = told(config_of(data, tmp_path / "run", changes), steps=1)
    third, _ = told(config_of(data, tmp_path / "run", {**changes, "data.fold": 1}), steps=1)
    assert "the figures are those of fold 1; a training makes 4 such" in notes
    assert result.questions == third.questions < 20


def test_an_unknown_model_is_refused(data: Path, tmp_path: Path):
    with pytest.raises(CheckpointError, match="nobody/nothing: no such folder here"):
        told(config_of(data, tmp_path / "run", {"model": {"name": "nobody/nothing"}}))
    with pytest.raises(CheckpointError, match="nobody/nothing: no such folder here"):
        told(config_of(data, tmp_path / "run", {"model.tokenizer": "nobody/nothing"}))


def config_only(folder: Path) -> Path:
    """A folder with a model's config and nothing else."""
    settings = ModelSettings(name="bert", from_scratch=True, tokenizer=str(TOKENIZER), **SIZES)
    model, _, _ = build_for_training(settings, QA, WindowSettings(max_length=64))
    model.config.save_pretrained(folder)
    return folder


def test_a_config_without_weights_is_enough(data: Path, tmp_path: Path):
    folder = config_only(tmp_path / "model")
    model = {"name": str(folder), "tokenizer": str(TOKENIZER)}
    result, notes = told(config_of(data, tmp_path / "run", {"model": model}), steps=1)
    assert f"random weights in the shape of {folder} replace its own" in notes
    assert not any(note.startswith("a tokenizer") for note in notes)
    vocabulary = json.loads((folder / "config.json").read_text())["vocab_size"]
    assert result.parameters > vocabulary * SIZES["hidden_size"]


def test_a_known_model_has_its_own_shape_and_vocabulary(data: Path, tmp_path: Path):
    model = {"name": "bert-base-chinese", **SIZES, "num_hidden_layers": 1}
    result, notes = told(config_of(data, tmp_path / "run", {"model": model}), steps=1)
    assert "random weights in the shape of bert-base-chinese replace its own" in notes
    assert sum(note.startswith("a tokenizer made from the training data replaces") for note in notes) == 1
    embeddings = (21128 + SIZES["max_position_embeddings"] + 2) * SIZES["hidden_size"]
    assert embeddings < result.parameters < embeddings + 5000
    # One token type is all that some have.
    told(config_of(data, tmp_path / "run", {"model": {**model, "name": "FacebookAI/xlm-roberta-base"}}), steps=1)


@pytest.mark.parametrize("file", ["model.safetensors", "tokenizer.json"])
def test_a_damaged_file_is_an_error_as_in_the_training(file: str, data: Path, tmp_path: Path):
    folder = config_only(tmp_path / "model")
    (folder / file).write_text("{")
    config = config_of(data, tmp_path / "run", {"model": {"name": str(folder)}})
    for command in (dry_run, train):
        with pytest.raises(CheckpointError, match=str(folder)):
            command(TASKS["qa"](), config)


def test_the_stand_in_tokenizer_makes_a_token_of_each_character():
    records = qa_records(3)
    tokenizer = _character_tokenizer(Dataset(tuple(records), "squad", ()), 21128)
    text = records[0].context
    assert tokenizer.tokenize(text) == list(text)
    assert tokenizer.is_fast
    assert "token_type_ids" not in tokenizer(text)
    small = _character_tokenizer(Dataset(tuple(records), "squad", ()), 7)
    assert len(small) == 7
    assert "[UNK]" in small.tokenize(text)


def test_words_and_numbers_are_characters_too():
    text = "城山Qakit, 2024年"
    record = Record("1", "?", (Paragraph("1", text),), relevant=0)
    tokenizer = _character_tokenizer(Dataset((record,), "squad", ()), 21128)
    words = ["q", "##a", "##k", "##i", "##t", ",", "2", "##0", "##2", "##4"]
    assert tokenizer.tokenize(text) == ["城", "山", *words, "年"]


class _Hub(BaseHTTPRequestHandler):
    def do_HEAD(self):
        self.send_response(200)
        self.end_headers()

    def log_message(self, *_: object) -> None:
        pass


def test_a_hub_that_does_not_answer_is_left_alone(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", False)
    server = HTTPServer(("127.0.0.1", 0), _Hub)
    monkeypatch.setattr(constants, "ENDPOINT", f"http://127.0.0.1:{server.server_port}")
    remote, local = ModelSettings(name="hfl/chinese-lert-base"), ModelSettings(name=str(TOKENIZER))
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    with without_waiting_for_the_hub(remote):
        assert not constants.HF_HUB_OFFLINE
    server.shutdown()
    thread.join()
    server.server_close()
    with without_waiting_for_the_hub(remote):
        assert constants.HF_HUB_OFFLINE
    assert not constants.HF_HUB_OFFLINE
    with without_waiting_for_the_hub(local):  # which is not asked for
        assert not constants.HF_HUB_OFFLINE
