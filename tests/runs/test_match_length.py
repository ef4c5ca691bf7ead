"""Exact-match token types hold from the first step to the last prediction, without being asked for again."""

import json
import re
from itertools import pairwise

import pytest
import torch
import transformers

from qakit.config import ReadConfig, TrainConfig, WindowSettings
from qakit.config.files import load_config
from qakit.data.schemas import read_dataset
from qakit.errors import CheckpointError, ConfigError
from qakit.modeling.models import load_trained
from qakit.runs.dry_run import dry_run
from qakit.runs.setup import _with_match_length
from qakit.tasks.questions.reading import read_answers
from qakit.tasks.questions.two_stage import answer_dataset, load_models
from qakit.tasks.registry import TASKS as ALL_TASKS
from qakit.training.events import Note
from qakit.training.loop import StepEvent
from tests.modeling.tiny import CHOICE, QA, SIZES, tokenizer
from tests.runs.models import save_reader
from tests.runs.trainings import TASKS, config_of, content, run, run_until, write_data

pytestmark = pytest.mark.usefixtures("without_pictures")

MATCHES = {"windows.match_length": 2}
CLASSES = {"qa": QA, "select": CHOICE}


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    return {task: write_data(tmp_path_factory.mktemp(task), task) for task in TASKS}


@pytest.fixture(scope="module")
def finished(data, tmp_path_factory):
    """A training of each task from random weights, and what it told."""
    found = {}
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("ACCELERATE_USE_CPU", "true")
        patch.setattr("qakit.runs.train.draw_curves", lambda *_, **__: None)
        for task in TASKS:
            folder, events = tmp_path_factory.mktemp(f"run-{task}") / "run", []
            run(config_of(data[task], folder, MATCHES, task), task, listen=events.append)
            found[task] = folder, events
    return found


def texts_of(records):
    return [(record.question, paragraph.text) for record in records for paragraph in record.paragraphs]


@pytest.mark.parametrize("task", TASKS)
def test_the_trained_model_has_its_types_and_says_so(finished, task):
    folder, events = finished[task]
    info, config = (json.loads((folder / "best" / name).read_text()) for name in ("qakit.json", "config.json"))
    assert (info["windows"]["match_length"], config["type_vocab_size"]) == (2, 4)
    assert any("runs of up to 2 tokens" in event.text for event in events if isinstance(event, Note))


@pytest.mark.parametrize("task", TASKS)
def test_every_type_was_learnt(data, finished, tmp_path, task):
    """The other training ends where this one began."""
    trained = load_trained(str(finished[task][0]), task=task, auto_class=CLASSES[task]).model
    changes = {**MATCHES, "training.max_steps": 1, "training.learning_rate": 1e-12}
    run(config_of(data[task], tmp_path / "run", changes, task), task)
    untrained = load_trained(str(tmp_path / "run"), task=task, auto_class=CLASSES[task]).model
    found, before = (one.bert.embeddings.token_type_embeddings.weight for one in (trained, untrained))
    assert found.shape == (4, SIZES["hidden_size"])
    assert ((found - before).abs().amax(dim=1) > 1e-3).all()


def test_a_reader_from_its_folder_reads_with_the_types(data, finished):
    folder = finished["qa"][0]
    plain = transformers.AutoModelForQuestionAnswering.from_pretrained(folder / "best").eval()
    records = [record for record in read_dataset([data["qa"] / "dev.json"]) if len(record.context) < 40]
    loaded = load_trained(str(folder), task="qa", auto_class=QA)
    differs = False
    for record, (_, scores) in zip(records, read_answers(loaded, records, ReadConfig()), strict=True):
        encoding = tokenizer()(record.question, record.context, return_tensors="pt")
        paragraph = [place for place, part in enumerate(encoding.sequence_ids(0)) if part == 1]
        ids = encoding["input_ids"][0].tolist()
        question = [number for number in ids[1 : paragraph[0] - 1] if number != tokenizer().unk_token_id]
        pairs = set(pairwise(ids[1 : paragraph[0] - 1]))
        for place in paragraph:
            near = [(ids[place - 1], ids[place]), (ids[place], ids[place + 1])]
            is_double = any(pair in pairs and tokenizer().unk_token_id not in pair for pair in near)
            encoding["token_type_ids"][0, place] += 2 if is_double else int(ids[place] in question)
        with torch.inference_mode():
            output = plain(**encoding)
            without = plain(input_ids=encoding["input_ids"], token_type_ids=encoding["token_type_ids"].clamp(max=1))
        assert output.start_logits[0, paragraph].tolist() == pytest.approx(scores.start.tolist(), abs=1e-5)
        differs |= not torch.allclose(output.start_logits, without.start_logits, atol=1e-3)
    assert differs


def test_both_models_answer_from_their_folders_and_longer_windows_keep_the_types(data, finished):
    dataset = read_dataset([data["select"] / "dev.jsonl"])
    models = load_models(str(finished["qa"][0]), str(finished["select"][0]))
    found = []
    for windows in (None, WindowSettings(max_length=64), WindowSettings(match_length=0)):
        answered = list(answer_dataset(dataset, models, ReadConfig(windows=windows)))
        assert len(answered) == len(dataset)
        found.append([item.selection for item in answered])
    assert found[0] == found[1]
    assert found[0] != found[2]


def test_a_model_of_plain_types_does_not_read_with_others(data, tmp_path):
    models = load_models(save_reader(tmp_path), None)
    dataset = read_dataset([data["qa"] / "dev.json"])
    with pytest.raises(ConfigError, match=r"windows.match_length 2 needs 4 token types, and the model has 2"):
        list(answer_dataset(dataset, models, ReadConfig(windows=WindowSettings(match_length=2))))


# Starting from a model that was trained with a length


def notes_of(config, task="qa", **options):
    events = []
    run(config, task, listen=events.append, **options)
    return [event.text for event in events if isinstance(event, Note)]


@pytest.mark.parametrize("task", TASKS)
@pytest.mark.parametrize("given", [{}, {"windows.match_length": None}])
def test_a_length_that_is_not_given_is_that_of_the_model_to_start_from(data, finished, tmp_path, task, given):
    start = {"model": {"name": str(finished[task][0])}, "training.max_steps": 1}
    explicit = config_of(data[task], tmp_path / "explicit" / "run", start | MATCHES, task)
    left = config_of(data[task], tmp_path / "left" / "run", start | given, task)
    told = notes_of(explicit, task)
    assert not any("windows.match_length" in text for text in told)
    told = notes_of(left, task)
    assert any(text.startswith("windows.match_length is 2, as ") and str(finished[task][0]) in text for text in told)
    assert content(left.out / "best") == content(explicit.out / "best")
    assert json.loads((left.out / "best" / "qakit.json").read_text())["windows"]["match_length"] == 2
    assert load_config(TrainConfig, [left.out / "config.yaml"]).windows.match_length == 2


def test_a_length_of_0_stays_and_is_told_of(data, finished, tmp_path):
    changes = {"model": {"name": str(finished["qa"][0])}, "windows.match_length": 0, "training.max_steps": 1}
    told = notes_of(config_of(data["qa"], tmp_path / "run", changes))
    assert any(re.search(r"match_length is 0, and .* was trained with 2: .* is lost$", text) for text in told)
    assert load_trained(str(tmp_path / "run"), task="qa", auto_class=QA).info.windows.match_length == 0


def test_a_model_of_plain_types_keeps_them_without_a_word(data, tmp_path):
    changes = {"model": {"name": save_reader(tmp_path / "start")}, "training.max_steps": 1}
    assert not any("match_length" in text for text in notes_of(config_of(data["qa"], tmp_path / "run", changes)))
    assert load_config(TrainConfig, [tmp_path / "run" / "config.yaml"]).windows.match_length == 0


def test_a_run_that_took_its_length_from_its_model_goes_on_with_it(data, finished, tmp_path):
    config = config_of(data["qa"], tmp_path / "run", {"model": {"name": str(finished["qa"][0])}})
    run_until(config, lambda event: isinstance(event, StepEvent) and event.step == 4)
    assert "resumed from step 3" in notes_of(config, resume="auto")


def test_texts_without_a_question_take_no_length_from_their_model(data, finished, tmp_path):
    config = config_of(data["qa"], tmp_path / "run", {"model": {"name": str(finished["qa"][0])}})
    events = []
    assert _with_match_length(ALL_TASKS["intent"], config, events.append).windows.match_length == 0
    assert not events


def test_a_dry_run_takes_the_length_too(data, finished, tmp_path):
    events = []
    config = config_of(data["qa"], tmp_path / "run", {"model": {"name": str(finished["qa"][0])}})
    dry_run(TASKS["qa"](), config, steps=1, listen=events.append)
    assert any(event.text.startswith("windows.match_length is 2, as ") for event in events)


# Resuming


@pytest.mark.parametrize("tricks", [{}, {"tricks.lora_rank": 2}])
def test_a_fine_tuning_that_was_killed_goes_on_to_the_bit(data, tmp_path, tricks):
    start = save_reader(tmp_path / "start")
    changes = {**MATCHES, **tricks, "model": {"name": start}}
    whole, killed = (config_of(data["qa"], tmp_path / name, changes) for name in ("whole", "killed"))
    run(whole)
    run_until(killed, lambda event: isinstance(event, StepEvent) and event.step == 8)
    run(killed, resume="auto")
    results = [
        content(config.out / "best") | content(config.out / "checkpoints" / "step-000015") for config in (whole, killed)
    ]
    for name in ("model.safetensors", "optimizer.safetensors", "config.json", "qakit.json"):
        assert results[0][name] == results[1][name]
    assert json.loads(results[0]["config.json"])["type_vocab_size"] == 4


def test_a_run_of_another_length_does_not_go_on(data, tmp_path):
    config = config_of(data["qa"], tmp_path / "run", MATCHES)
    run_until(config, lambda event: isinstance(event, StepEvent) and event.step == 4)
    changes = {"windows.match_length": 1, "model.type_vocab_size": 4}
    with pytest.raises(CheckpointError, match=r":\n  windows.match_length: was 2, is 1$"):
        run(config_of(data["qa"], tmp_path / "run", changes), resume="auto")


# Dry runs


def test_a_dry_run_stands_in_for_a_known_model_with_types(data, tmp_path):
    model = {"name": "bert-base-chinese", **SIZES, "num_hidden_layers": 1}
    sizes = []
    for match_length in (0, 2):
        changes = {"model": model, "windows.match_length": match_length}
        sizes.append(dry_run(TASKS["qa"](), config_of(data["qa"], tmp_path / "run", changes), steps=1).parameters)
    assert sizes[1] - sizes[0] == 2 * SIZES["hidden_size"]


def test_a_dry_run_refuses_a_known_model_whose_tokenizer_gives_no_types(data, tmp_path):
    model = {"name": "FacebookAI/xlm-roberta-base", **SIZES, "num_hidden_layers": 1}
    with pytest.raises(ConfigError, match="gives its model none"):
        dry_run(TASKS["qa"](), config_of(data["qa"], tmp_path / "run", {**MATCHES, "model": model}), steps=1)
