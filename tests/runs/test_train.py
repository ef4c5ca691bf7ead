"""A training leaves a whole run folder that tells what it is, holds the best model, and can be repeated from itself."""

import json

import pytest
import torch
import transformers

from qakit.config import ReadConfig, TrainConfig
from qakit.config.files import load_config
from qakit.data.records import Paragraph, Record
from qakit.data.schemas import read_dataset, write_dataset
from qakit.errors import CheckpointError, ConfigError, QakitError
from qakit.io import sha256_of
from qakit.modeling.models import load_trained
from qakit.runs.train import _train_entry, train
from qakit.tasks.questions.qa import QuestionAnswering
from qakit.tasks.questions.reading import read_answers
from qakit.training.checkpoints import load_checkpoint
from qakit.training.events import Evaluated, Note, Started
from qakit.training.loop import StepEvent
from tests.modeling.tiny import QA, qa_records, weights
from tests.runs.trainings import FILES, STEPS, config_of, content, run, run_until, write_data


class Scripted(QuestionAnswering):
    """Span extraction whose evaluations give prepared scores."""

    def __init__(self, scores):
        self.scores = iter(scores)

    def evaluate(self, loaded, dataset, config):
        return dict(zip(("em", "f1"), next(self.scores), strict=True))


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    return write_data(tmp_path_factory.mktemp("data"))


@pytest.fixture(scope="module")
def finished(data, tmp_path_factory):
    """A training that ran to its end with pictures and all: its folder, its result and its events."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("ACCELERATE_USE_CPU", "true")
        folder = tmp_path_factory.mktemp("finished") / "run"
        events = []
        result = run(config_of(data, folder), listen=events.append)
    return folder, result, events


def lines(folder):
    return [json.loads(line) for line in (folder / "metrics.jsonl").read_text().splitlines()]


# What a run leaves


def test_a_run_folder_holds_what_it_promises(finished):
    folder, result, _ = finished
    assert {path.name for path in folder.iterdir()} == {*FILES, "curves.svg", "curves.png"}
    assert (result.out, result.steps) == (folder, STEPS)
    best = {path.name for path in (folder / "best").iterdir()}
    assert best >= {"model.safetensors", "config.json", "tokenizer.json", "qakit.json", "README.md"}
    steps = [f"step-{step:06d}" for step in (3, 6, 9, 12, 15)]
    assert sorted(path.name for path in (folder / "checkpoints").iterdir()) == steps


def test_the_metrics_are_the_events(finished):
    folder, result, events = finished
    trained = [event for event in events if isinstance(event, StepEvent)]
    evaluated = [event for event in events if isinstance(event, Evaluated)]
    found = lines(folder)
    assert [entry["loss"] for entry in found if entry["kind"] == "train"] == [event.loss for event in trained]
    assert [event.step for event in trained] == list(range(1, STEPS + 1))
    assert [entry["f1"] for entry in found if entry["kind"] == "evaluation"] == [e.scores["f1"] for e in evaluated]
    assert [event.step for event in evaluated] == [4, 8, 12, 15]
    (best,) = [event for event in evaluated if event.step == result.best_step]
    assert best.is_best
    assert best.scores == result.scores
    (started,) = [event for event in events if isinstance(event, Started)]
    assert (started.first_step, started.plan.total_steps, started.precision) == (0, STEPS, "fp32")


def test_the_manifest_tells_the_data(data, finished):
    manifest = json.loads((finished[0] / "manifest.json").read_text())
    assert manifest["task"] == "qa"
    assert manifest["data"] == {str(data / name): sha256_of(data / name) for name in ("train.json", "dev.json")}


def test_qakit_json_tells_the_longest_answer_of_the_training_data(data, finished):
    info = json.loads((finished[0] / "best" / "qakit.json").read_text())
    longest = max(len(record.span.text) for record in read_dataset([data / "train.json"]))
    assert info["task"] == "qa"
    assert info["windows"] == {**info["windows"], "max_length": 64}
    assert info["max_answer_length"] == longest
    assert (info["answers_null"], info["null_threshold"]) == (False, 0.0)


@pytest.mark.usefixtures("without_pictures")
def test_qakit_json_tells_whether_there_were_questions_without_answer(tmp_path):
    records = qa_records(8)
    records += [Record(f"x{r.id}", r.question, r.paragraphs, relevant=0, impossible=True) for r in records[:3]]
    write_dataset(records, tmp_path / "train.json", "squad2")
    changes = {"data.dev": (), "training.max_steps": 1, "decoding.null_threshold": 0.5, "decoding.max_answer_length": 9}
    run(config_of(tmp_path, tmp_path / "run", changes))
    info = json.loads((tmp_path / "run" / "best" / "qakit.json").read_text())
    assert (info["answers_null"], info["null_threshold"], info["max_answer_length"]) == (True, 0.5, 9)


def test_the_best_model_is_a_plain_transformers_model_with_the_same_logits(data, finished):
    folder = finished[0] / "best"
    plain = transformers.AutoModelForQuestionAnswering.from_pretrained(folder).eval()
    tokenizer = transformers.AutoTokenizer.from_pretrained(folder)
    records = [record for record in read_dataset([data / "dev.json"]) if len(record.context) < 40]
    assert records
    loaded = load_trained(str(finished[0]), task="qa", auto_class=QA)
    for record, (_, scores) in zip(records, read_answers(loaded, records, ReadConfig()), strict=True):
        encoding = tokenizer(record.question, record.context, return_tensors="pt")
        with torch.inference_mode():
            output = plain(**encoding)
        paragraph = [place for place, part in enumerate(encoding.sequence_ids(0)) if part == 1]
        assert output.start_logits[0, paragraph].tolist() == pytest.approx(scores.start.tolist(), abs=1e-5)
        assert output.end_logits[0, paragraph].tolist() == pytest.approx(scores.end.tolist(), abs=1e-5)


def test_a_run_repeats_from_its_own_config(finished, tmp_path):
    folder = finished[0]
    config = load_config(TrainConfig, [folder / "config.yaml"], flags={"out": tmp_path / "again"})
    run(config)
    names = ["metrics.jsonl", "best/model.safetensors", "best/qakit.json"]
    names += [f"checkpoints/step-000015/{kind}.safetensors" for kind in ("model", "optimizer")]
    before, after = content(folder), content(tmp_path / "again")
    assert [name for name in names if before[name] != after[name]] == []


# The best model

SCORES = {
    "an earlier one": ([(1, 1), (9, 2), (3, 9), (4, 4)], 8),
    "the first of equals": ([(1, 1), (5, 2), (5, 2), (5, 2)], 8),
    "the later score decides between equals": ([(5, 1), (5, 2), (5, 4), (5, 3)], 12),
    "none is above 0": ([(0, 0)] * 4, 4),
    "the last": ([(1, 1), (2, 2), (3, 3), (4, 4)], 15),
}


@pytest.mark.usefixtures("without_pictures")
@pytest.mark.parametrize(("scores", "best"), SCORES.values(), ids=SCORES)
def test_the_model_of_the_best_scores_is_kept(data, tmp_path, scores, best):
    config = config_of(data, tmp_path / "run", {"training.save_every": 4})
    result = train(Scripted(scores), config)
    assert result.best_step == best
    assert tuple(result.scores.values()) in scores
    kept = weights(load_trained(str(tmp_path / "run"), task="qa", auto_class=QA).model)
    saved = load_checkpoint(tmp_path / "run" / "checkpoints" / f"step-{best:06d}").tensors["model"]
    assert [name for name, tensor in kept.items() if not torch.equal(tensor, saved[name])] == []


@pytest.mark.usefixtures("without_pictures")
def test_the_best_scores_outlive_a_kill(data, tmp_path):
    config = config_of(data, tmp_path / "run", {"training.save_every": 4})
    scores = [(1, 1), (9, 9), (3, 3), (4, 4)]
    with pytest.raises(StopIteration):
        train(Scripted(scores[:2]), config)
    result = train(Scripted(scores[2:]), config, resume="auto")
    assert (result.best_step, result.scores) == (8, {"em": 9, "f1": 9})


@pytest.mark.usefixtures("without_pictures")
def test_without_development_data_the_last_model_is_kept(data, tmp_path):
    result = run(config_of(data, tmp_path / "run", {"data.dev": ()}))
    assert (result.best_step, result.scores) == (STEPS, {})
    assert {entry["kind"] for entry in lines(tmp_path / "run")} == {"train"}
    kept = weights(load_trained(str(tmp_path / "run"), task="qa", auto_class=QA).model)
    saved = load_checkpoint(tmp_path / "run" / "checkpoints" / f"step-{STEPS:06d}").tensors["model"]
    assert [name for name, tensor in kept.items() if not torch.equal(tensor, saved[name])] == []


# Folders in the way


@pytest.mark.usefixtures("without_pictures")
def test_a_folder_that_holds_a_run_is_only_replaced_when_told(data, tmp_path):
    config = config_of(data, tmp_path / "run", {"training.max_steps": 2})
    run_until(config, lambda event: isinstance(event, StepEvent))
    (tmp_path / "run" / "notes.txt").write_text("mine")
    before = content(tmp_path / "run")
    with pytest.raises(ConfigError, match="already holds a run; give --resume auto, --overwrite or another --out"):
        run(config)
    with pytest.raises(ConfigError, match="--resume keeps the run and --overwrite replaces it"):
        run(config, resume="auto", overwrite=True)
    assert content(tmp_path / "run") == before
    run(config, overwrite=True)
    assert [entry["step"] for entry in lines(tmp_path / "run")] == [1, 2, 2]
    assert (tmp_path / "run" / "notes.txt").read_text() == "mine"


def test_a_folder_with_other_things_is_left_alone(data, tmp_path):
    (tmp_path / "thesis").mkdir()
    (tmp_path / "thesis" / "chapter.txt").write_text("1")
    for options in ({}, {"overwrite": True}, {"resume": "auto"}):
        with pytest.raises(ConfigError, match="is not empty and not a run folder"):
            run(config_of(data, tmp_path / "thesis"), **options)
    assert content(tmp_path / "thesis") == {"chapter.txt": b"1"}


@pytest.mark.usefixtures("without_pictures")
def test_an_empty_folder_is_taken_and_resume_starts_there(data, tmp_path):
    (tmp_path / "run").mkdir()
    events = []
    run(config_of(data, tmp_path / "run", {"training.max_steps": 1}), resume="auto", listen=events.append)
    assert Note("no checkpoint to resume from: training starts at the beginning") in events


# Mistakes


MISTAKES = {
    "fp16 without a GPU": ({"training.precision": "fp16"}, ConfigError, "fp16 needs a GPU"),
    "an unknown metric": ({"metric": "hw8"}, ConfigError, "hw8"),
    "windows that no model has": ({"windows.max_length": 600}, ConfigError, "max_length is 600, but the model has 512"),
    "an unknown model setting": ({"model.hiden_size": 8}, ConfigError, "did you mean hidden_size"),
    "no such tokenizer": ({"model.tokenizer": "nowhere/at-all"}, CheckpointError, "nowhere/at-all"),
}


@pytest.mark.parametrize(("changes", "error", "message"), MISTAKES.values(), ids=MISTAKES)
def test_a_mistake_is_told_before_anything_is_written(data, tmp_path, changes, error, message):
    with pytest.raises(error, match=message):
        run(config_of(data, tmp_path / "run", changes))
    assert not (tmp_path / "run").exists()


@pytest.mark.parametrize("task", ["qa", "select"])
def test_development_data_without_answers_is_refused_at_once(tmp_path, task):
    data = write_data(tmp_path, task)
    paragraphs = (Paragraph("0", "河山"), Paragraph("1", "城湖"))
    unlabelled = [Record("q", "何處？", paragraphs if task == "select" else paragraphs[:1])]
    write_dataset(unlabelled, tmp_path / "test.jsonl", "jsonl")
    changes = {"data.dev": [tmp_path / "test.jsonl"]}
    with pytest.raises(ConfigError, match=r"test.jsonl: no question has a known answer"):
        run(config_of(data, tmp_path / "run", changes, task), task)
    assert not (tmp_path / "run").exists()


@pytest.mark.usefixtures("without_pictures")
def test_bf16_trains_on_the_cpu(data, tmp_path):
    events = []
    config = config_of(data, tmp_path / "run", {"training.precision": "bf16", "training.max_steps": 3})
    run(config, listen=events.append)
    assert [event.precision for event in events if isinstance(event, Started)] == ["bf16"]
    kept = load_trained(str(tmp_path / "run"), task="qa", auto_class=QA).model
    assert {tensor.dtype for tensor in kept.parameters()} == {torch.float32}


@pytest.mark.usefixtures("without_pictures")
def test_a_tracker_is_told_steps_and_evaluations(data, tmp_path):
    changes = {"training.trackers": ["tensorboard"], "training.project": "drcd", "training.max_steps": 4}
    run(config_of(data, tmp_path / "run", changes))
    (written,) = (tmp_path / "run" / "trackers" / "drcd").glob("events.out.tfevents.*")
    told = written.read_bytes()
    assert told.count(b"train/loss") == 4
    assert told.count(b"evaluation/em") == 1


@pytest.mark.parametrize(
    ("name", "message"), [("tensorbored", "tensorbored is unknown"), ("wandb", "wandb is not installed")]
)
def test_a_tracker_that_would_hear_nothing_is_refused(data, tmp_path, name, message):
    with pytest.raises(ConfigError, match=f"training.trackers: {message}"):
        run(config_of(data, tmp_path / "run", {"training.trackers": [name]}))


def test_a_gradient_that_is_no_number_stops_the_training_before_it_touches_the_weights(data, tmp_path, monkeypatch):
    monkeypatch.setattr("qakit.training.loop._clip", lambda *_: float("inf"))
    with pytest.raises(QakitError, match="gradient's norm of step 1 is inf"):
        run(config_of(data, tmp_path / "run", {"training.max_steps": 4}))


def test_a_gradient_norm_that_fp16_made_infinite_is_logged_as_null():
    entry = _train_entry(StepEvent(1, 0.5, 2.0, 1e-4, float("inf"), 8))
    assert (entry["gradient_norm"], entry["loss"]) == (None, 2.0)
