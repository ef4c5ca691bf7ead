"""Prediction: every question once and in order, from the right paragraph, and checked before the work begins."""

import json
from dataclasses import replace
from pathlib import Path

import pytest

from qakit.config import DecodingSettings, ReadConfig, WindowSettings
from qakit.data.predictions import read_predictions
from qakit.data.records import Dataset
from qakit.data.schemas import read_dataset
from qakit.errors import CheckpointError, ConfigError, DataError
from qakit.spans.scores import read_scores
from qakit.tasks.base import Models
from qakit.tasks.questions.base import read_questions
from qakit.tasks.questions.two_stage import answer_dataset, load_models
from tests.runs.models import save_reader, save_selector
from tests.runs.questions import predict

CONFIG = ReadConfig()


@pytest.fixture(scope="module")
def models(tmp_path_factory: pytest.TempPathFactory) -> Models:
    folder = tmp_path_factory.mktemp("models")
    return load_models(save_reader(folder / "qa"), save_selector(folder / "select"))


@pytest.fixture(scope="module")
def test_part(sample_data: Path) -> Dataset:
    """The first questions of ADL's test part: four paragraphs each, none of them marked."""
    dataset = read_dataset([sample_data / "adl" / "test.json"])
    return replace(dataset, records=dataset.records[:8])


def test_the_selector_says_which_paragraph_is_read(models: Models, test_part: Dataset):
    answered = list(answer_dataset(test_part, models, CONFIG))
    assert [item.record for item in answered] == list(test_part)
    for item in answered:
        assert len(item.selection) == len(item.record.paragraphs)
        assert item.prediction.candidate == item.selection.index(max(item.selection))
        answer = item.prediction.answers[0]
        assert item.record.paragraphs[item.prediction.candidate].text[answer.start : answer.end] == answer.text != ""
    assert len({item.prediction.candidate for item in answered}) > 1


def test_without_a_selector_the_relevant_paragraph_is_read(models: Models, test_part: Dataset):
    places = [number % 4 for number in range(len(test_part))]
    known = tuple(replace(record, relevant=place) for record, place in zip(test_part, places, strict=True))
    reader = replace(models, selector=None)
    answered = list(answer_dataset(replace(test_part, records=known), reader, CONFIG))
    assert [item.prediction.candidate for item in answered] == places
    assert [item.selection for item in answered] == [()] * len(known)


def test_a_question_of_several_paragraphs_needs_a_selector(models: Models, test_part: Dataset):
    with pytest.raises(ConfigError, match=f"question {test_part.records[0].id} has 4 paragraphs.*--selector"):
        list(answer_dataset(test_part, replace(models, selector=None), CONFIG))


def test_questions_have_no_scope(models: Models, test_part: Dataset):
    config = ReadConfig(decoding=DecodingSettings(oos_threshold=0.5))
    with pytest.raises(ConfigError, match=r"oos_threshold: is for intents; questions have --null-threshold"):
        list(answer_dataset(test_part, models, config))


def test_a_selector_alone_answers_nothing(models: Models, test_part: Dataset):
    with pytest.raises(ConfigError, match="give --model"):
        list(answer_dataset(test_part, replace(models, reader=None), CONFIG))


def test_all_files_hold_every_question_once_in_order(models: Models, test_part: Dataset, tmp_path: Path):
    out, scores, nbest = tmp_path / "p.csv", tmp_path / "s.parquet", tmp_path / "n.json"
    config = ReadConfig(decoding=DecodingSettings(nbest=3))
    result = predict(test_part, models, config, out=out, scores=scores, nbest_out=nbest)
    ids = [record.id for record in test_part]
    assert result.files == (out, nbest, scores)
    assert (result.format, out.read_text(encoding="utf-8").split("\n")[0]) == ("adl2022", "id,answer")
    assert read_predictions(out) == {prediction.id: prediction.text for prediction in result.predictions}
    assert list(read_predictions(out)) == list(json.loads(nbest.read_text(encoding="utf-8"))) == ids
    questions, info = read_scores(scores)
    assert [question.id for question in questions] == ids
    assert [question.candidate for question in questions] == [p.candidate for p in result.predictions]
    assert (info.schema, info.max_answer_length) == ("adl2022", 12)
    assert all(len(prediction.answers) == 3 for prediction in result.predictions)


def test_nothing_is_answered_when_the_format_is_wrong(models: Models, test_part: Dataset, tmp_path: Path):
    def refuse(answers: object) -> object:
        raise AssertionError("the questions were being answered")

    for options in ({"format": "hw8"}, {"format": "parquet"}, {"out": tmp_path / "a.txt"}):
        with pytest.raises(ConfigError):
            predict(test_part, models, CONFIG, progress=refuse, **options)
    assert list(tmp_path.iterdir()) == []


def test_windows_longer_than_the_model_are_refused(models: Models, test_part: Dataset):
    config = ReadConfig(windows=WindowSettings(max_length=600))
    for some in (models, replace(models, selector=None)):
        known = tuple(replace(record, relevant=0) for record in test_part)
        with pytest.raises(ConfigError, match="max_length is 600, but the model has 512 positions"):
            list(answer_dataset(replace(test_part, records=known), some, config))


def test_models_of_the_other_task_are_refused(tmp_path: Path):
    reader, selector = save_reader(tmp_path / "qa"), save_selector(tmp_path / "select")
    with pytest.raises(CheckpointError, match="was trained for the task select, not for qa"):
        load_models(selector, None)
    with pytest.raises(CheckpointError, match="was trained for the task qa, not for select"):
        load_models(None, reader)


def test_one_question_and_its_text_make_a_dataset():
    (record,) = read_questions(None, question="誰？", text="小明[/x]是人")
    assert (record.question, record.context) == ("誰？", "小明[/x]是人")


@pytest.mark.parametrize(
    "given",
    [
        {},
        {"question": "誰？"},
        {"text": "小明"},
        {"data": Path("a.json"), "question": "誰？"},
        {"data": Path("a.json"), "text": "小明"},
    ],
)
def test_either_a_file_or_a_question_with_its_text_is_needed(given: dict[str, object]):
    with pytest.raises(ConfigError, match=r"give --data FILE, or --question \(-q\) and --text \(-c\) together"):
        read_questions(given.pop("data", None), **given)


@pytest.mark.parametrize(("question", "text", "field"), [(" ", "小明", "question"), ("誰？", "\n", "context")])
def test_an_empty_question_or_text_is_named(question: str, text: str, field: str):
    with pytest.raises(DataError) as caught:
        read_questions(None, question=question, text=text)
    assert [(problem.file, problem.field) for problem in caught.value.problems] == [("command line", field)]
