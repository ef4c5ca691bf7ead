"""Cross-validation leaves every question out once, and scores it with the model that never saw it."""

import os
import signal
from types import SimpleNamespace

import pytest

from qakit.config import ReadConfig
from qakit.data.schemas import read_dataset
from qakit.data.splits import held_out
from qakit.errors import CheckpointError, ConfigError, ResourceError
from qakit.runs.folds import train_fold, train_folds
from qakit.runs.train import train
from qakit.signals import Stopped
from qakit.spans.scores import read_scores
from qakit.tasks.questions.qa import QuestionAnswering
from qakit.tasks.questions.select import ParagraphSelection
from qakit.tasks.questions.two_stage import load_models
from tests.runs.questions import predict
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
    with pytest.raises(
        ConfigError, match=r"was made with data.folds 3 and data.fold None, not data.folds 2 .* give --ov"
    ):
        train_folds(QuestionAnswering(), more, resume="auto")
    with pytest.raises(ConfigError, match=r"was made with data.folds 3 and data.fold None, not data.folds None"):
        train(QuestionAnswering(), config_of(data, tmp_path / "run"), resume="auto")
    train_folds(QuestionAnswering(), more, overwrite=True)
    assert sorted(path.name for path in (tmp_path / "run").glob("fold-*")) == ["fold-1", "fold-2"]


def test_what_is_to_be_replaced_is_there_until_its_replacement_begins(data, tmp_path):
    config = folded(data, tmp_path / "run")
    train_folds(QuestionAnswering(), config)
    before = content(tmp_path / "run")
    wrong = folded(data, tmp_path / "run", **{"model.tokenizer": str(tmp_path / "nowhere")})
    with pytest.raises(CheckpointError, match="nowhere"):
        train_folds(QuestionAnswering(), wrong, overwrite=True)
    assert content(tmp_path / "run") == before


def test_a_refused_resume_changes_nothing(data, tmp_path):
    train_folds(QuestionAnswering(), folded(data, tmp_path / "run"))
    before = content(tmp_path / "run")
    other = folded(data, tmp_path / "run", **{"training.learning_rate": 1e-4})
    with pytest.raises(CheckpointError, match=r"training.learning_rate: was 0.001, is 0.0001"):
        train_folds(QuestionAnswering(), other, resume="auto")
    assert content(tmp_path / "run") == before


def test_a_signal_at_the_end_of_a_fold_ends_them_all(data, tmp_path, monkeypatch):
    monkeypatch.setattr("qakit.runs.train.draw_curves", lambda *_, **__: os.kill(os.getpid(), signal.SIGTERM))
    with pytest.raises(Stopped) as stopped:
        train_folds(QuestionAnswering(), folded(data, tmp_path / "run"))
    assert stopped.value.exit_code == 143
    assert [path.name for path in (tmp_path / "run").glob("fold-*")] == ["fold-1"]


def test_room_is_asked_for_all_folds_or_for_the_one_that_is_trained(data, tmp_path, monkeypatch):
    def needed(training, config):
        with monkeypatch.context() as patch, pytest.raises(ResourceError) as refused:
            patch.setattr("shutil.disk_usage", lambda path: SimpleNamespace(free=0))
            training(QuestionAnswering(), config)
        return int(str(refused.value).split("up to ")[1].split()[0])

    one, two = (needed(train_fold, folded(data, tmp_path / "one", **{"data.fold": fold})) for fold in (1, 2))
    assert one == two
    assert needed(train_folds, folded(data, tmp_path / "all")) == 3 * one


def test_a_full_disk_that_holds_the_folds_already_lets_them_go_on(data, tmp_path, monkeypatch):
    config = folded(data, tmp_path / "run")
    train_folds(QuestionAnswering(), config)
    present = sum(path.stat().st_size for path in (tmp_path / "run").rglob("*") if path.is_file())
    with pytest.raises(ResourceError) as refused:
        monkeypatch.setattr("shutil.disk_usage", lambda path: SimpleNamespace(free=0))
        train_folds(QuestionAnswering(), config, resume="auto")
    needed = int(str(refused.value).split("up to ")[1].split()[0])
    monkeypatch.setattr("shutil.disk_usage", lambda path: SimpleNamespace(free=needed - present))
    train_folds(QuestionAnswering(), config, resume="auto")


def test_folds_that_were_trained_one_by_one_are_put_together(data, tmp_path):
    whole = train_folds(QuestionAnswering(), folded(data, tmp_path / "whole"))
    for fold in (3, 1, 2):
        train_fold(QuestionAnswering(), folded(data, tmp_path / "run" / f"fold-{fold}", **{"data.fold": fold}))
    apart = train_folds(QuestionAnswering(), folded(data, tmp_path / "run"), resume="auto")
    assert [result.steps for result in apart.results] == [3, 3, 3]
    first, second = (read_scores(result.scores_file)[0] for result in (whole, apart))
    assert [question.id for question in first] == [question.id for question in second]
    for one, other in zip(first, second, strict=True):
        assert one.tokens.start.tolist() == other.tokens.start.tolist()
