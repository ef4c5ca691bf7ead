"""Ensembling: scores files in, a contest's predictions out, and no files that do not belong together."""

import json
from pathlib import Path

import numpy as np
import pytest

from qakit.config import EnsembleConfig
from qakit.data.predictions import read_predictions
from qakit.errors import ConfigError, DataError
from qakit.spans.scores import QuestionScores, ScoresInfo, write_scores
from qakit.spans.token_scores import TokenScores
from qakit.tasks.requests import EnsembleRequest
from tests.runs.questions import ensemble

CONTEXT = "甲乙丙丁"


def question(name: str, favourite: int, *, margin: float = 4.0) -> QuestionScores:
    """Scores whose best answer is the single character at `favourite`."""
    places = np.arange(len(CONTEXT), dtype=np.int32)
    logits = np.where(places == favourite, margin, 0.0).astype(np.float32)
    return QuestionScores(
        name, CONTEXT, 0, (), TokenScores(logits, logits, places, places + 1, np.array([0, len(places)]))
    )


def save(path: Path, favourites: dict[str, int], *, schema: str = "hw7", margin: float = 4.0) -> Path:
    info = ScoresInfo(schema=schema, model=path.stem, max_answer_length=4)
    write_scores(path, [question(name, place, margin=margin) for name, place in favourites.items()], info)
    return path


@pytest.fixture
def three(tmp_path: Path) -> list[Path]:
    """The third model is sure of another answer to question 2 than the two others."""
    return [
        save(tmp_path / "a.parquet", {"2": 1, "1": 0}, margin=1.0),
        save(tmp_path / "b.parquet", {"1": 0, "2": 1}, margin=1.0),
        save(tmp_path / "c.parquet", {"1": 0, "2": 3}, margin=9.0),
    ]


def texts(paths: list[Path], **settings: object) -> dict[str, str]:
    result = ensemble(EnsembleRequest(tuple(paths)), EnsembleConfig.model_validate(settings))
    return {prediction.id: prediction.text for prediction in result.predictions}


def test_one_file_gives_its_own_answers_in_its_order(three: list[Path]):
    assert list(texts(three[:1]).items()) == [("2", "乙"), ("1", "甲")]


def test_the_order_is_that_of_the_first_file(three: list[Path]):
    assert list(texts(three)) == ["2", "1"]
    assert list(texts(three[1:])) == ["1", "2"]


def test_mean_weighs_how_sure_a_model_is_and_vote_does_not(three: list[Path]):
    assert texts(three, method="mean") == {"2": "丁", "1": "甲"}
    assert texts(three, method="vote") == {"2": "乙", "1": "甲"}


@pytest.mark.parametrize(("schema", "header"), [("hw7", "ID,Answer"), ("adl2022", "id,answer")])
def test_the_file_has_the_form_of_the_contest_that_the_scores_are_of(schema: str, header: str, tmp_path: Path):
    scores = save(tmp_path / "a.parquet", {"1": 0, "2": 2}, schema=schema)
    result = ensemble(EnsembleRequest((scores,)), EnsembleConfig(), out=tmp_path / "out.csv")
    assert (tmp_path / "out.csv").read_text(encoding="utf-8") == f"{header}\n1,甲\n2,丙\n"
    assert (result.format, result.files, result.members) == (schema, (tmp_path / "out.csv",), ("a",))


def test_nbest_lists_are_written_best_first(three: list[Path], tmp_path: Path):
    ensemble(EnsembleRequest(tuple(three)), EnsembleConfig(nbest=3), nbest_out=tmp_path / "n.json")
    lists = json.loads((tmp_path / "n.json").read_text(encoding="utf-8"))
    assert list(lists) == ["2", "1"]
    assert [len(answers) for answers in lists.values()] == [3, 3]
    scores = [answer["score"] for answer in lists["2"]]
    assert scores == sorted(scores, reverse=True)


def test_files_of_other_questions_are_refused_by_name(three: list[Path], tmp_path: Path):
    other = save(tmp_path / "other.parquet", {"1": 0, "9": 1})
    with pytest.raises(DataError, match=r"other\.parquet.*1 \(2\) missing, 1 \(9\) more"):
        ensemble(EnsembleRequest((three[0], other)), EnsembleConfig())


def test_a_file_named_twice_and_an_unknown_format_are_refused_before_anything_is_written(
    three: list[Path], tmp_path: Path
):
    before = sorted(tmp_path.iterdir())
    with pytest.raises(ConfigError, match="named twice"):
        ensemble(EnsembleRequest((three[0], three[0])), EnsembleConfig(), out=tmp_path / "out.csv")
    with pytest.raises(ConfigError, match="did you mean adl2022"):
        ensemble(EnsembleRequest(tuple(three), format="adl202"), EnsembleConfig(), out=tmp_path / "out.csv")
    assert sorted(tmp_path.iterdir()) == before


def test_predictions_are_no_scores_file(tmp_path: Path):
    from qakit.data.predictions import write_predictions

    for name, form in (("p.csv", "csv"), ("p.parquet", "parquet")):
        write_predictions({"1": "甲"}, tmp_path / name, form)
        assert read_predictions(tmp_path / name) == {"1": "甲"}
        with pytest.raises(DataError, match=f"{name}.*(not a scores file|not a readable parquet)"):
            ensemble(EnsembleRequest((tmp_path / name,)), EnsembleConfig())
