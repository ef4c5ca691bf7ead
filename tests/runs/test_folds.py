"""Cross-validation leaves every question out once, and scores it with the model that never saw it."""

import pytest

from qakit.config import ReadConfig
from qakit.data.formats import read_dataset
from qakit.data.splits import held_out
from qakit.errors import ConfigError
from qakit.runs.folds import train_folds
from qakit.runs.predict import load_models, predict
from qakit.spans.scores import read_scores
from qakit.tasks.qa import QuestionAnswering
from qakit.tasks.select import ParagraphSelection
from tests.runs.trainings import config_of, content, write_data

pytestmark = pytest.mark.usefixtures("without_pictures")


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    return write_data(tmp_path_factory.mktemp("data"))


def folded(data, out, **changes):
    return config_of(data, out, {"data.dev": (), "data.folds": 3, "training.max_steps": 3, **changes})


def test_the_parts_leave_every_question_out_once_and_divide_no_article(data):
    dataset = read_dataset([data / "train.json"])
    parts = [held_out(dataset, fold, 3) for fold in (1, 2, 3)]
    left_out = [record.id for _, part in parts for record in part]
    assert sorted(left_out) == sorted(record.id for record in dataset)
    for others, part in parts:
        assert {record.article for record in others}.isdisjoint(record.article for record in part)
        assert len(others) + len(part) == len(dataset)


def test_each_question_is_scored_by_the_model_that_never_saw_it(data, tmp_path):
    result = train_folds(QuestionAnswering(), folded(data, tmp_path / "run"))
    dataset = read_dataset([data / "train.json"])
    questions, _ = read_scores(result.scores_file)
    assert [question.id for question in questions] == [record.id for record in dataset]
    merged = {question.id: question.tokens.start.tolist() for question in questions}
    for fold in (1, 2, 3):
        _, part = held_out(dataset, fold, 3)
        predict(part, load_models(str(tmp_path / "run" / f"fold-{fold}"), None), ReadConfig(), scores=tmp_path / "own")
        own, _ = read_scores(tmp_path / "own")
        assert {question.id: question.tokens.start.tolist() for question in own}.items() <= merged.items()
        assert len(own) == len(part)


def test_a_resume_leaves_finished_folds_as_they_are(data, tmp_path):
    config = folded(data, tmp_path / "run")
    train_folds(QuestionAnswering(), config)
    before = content(tmp_path / "run")
    train_folds(QuestionAnswering(), config, resume="auto")
    after = content(tmp_path / "run")
    assert {name for name in before if before[name] != after[name]} == set()


def test_a_selector_is_trained_in_folds_too(tmp_path):
    data = write_data(tmp_path, "select")
    changes = {"data.dev": (), "data.folds": 2, "training.max_steps": 1}
    result = train_folds(ParagraphSelection(), config_of(data, tmp_path / "run", changes, task="select"))
    assert len(result.results) == 2
    assert result.scores_file is None


def test_a_named_checkpoint_cannot_be_resumed_in_folds(data, tmp_path):
    with pytest.raises(ConfigError, match="--resume x: with folds each has checkpoints of its own"):
        train_folds(QuestionAnswering(), folded(data, tmp_path / "run"), resume="x")


def test_a_folder_is_for_one_kind_of_training(data, tmp_path):
    config = folded(data, tmp_path / "run", **{"training.max_steps": 1})
    train_folds(QuestionAnswering(), config)
    with pytest.raises(ConfigError, match="already holds a run"):
        train_folds(QuestionAnswering(), config)
    more = folded(data, tmp_path / "run", **{"training.max_steps": 1, "data.folds": 2})
    with pytest.raises(ConfigError, match=r"was made with data.folds 3, not 2; give --overwrite"):
        train_folds(QuestionAnswering(), more, resume="auto")
    train_folds(QuestionAnswering(), more, overwrite=True)
    assert sorted(path.name for path in (tmp_path / "run").glob("fold-*")) == ["fold-1", "fold-2"]
