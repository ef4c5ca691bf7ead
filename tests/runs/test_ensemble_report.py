"""Weights that labelled questions choose, what each member adds, and what is said to be fair is."""

import json
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import pytest

from qakit.config import EnsembleConfig
from qakit.errors import ConfigError, DataError
from qakit.io import write_jsonl
from qakit.runs.ensemble import EnsembleResult
from qakit.spans.scores import QuestionScores, ScoresInfo, write_scores
from qakit.spans.token_scores import TokenScores
from qakit.tasks.requests import EnsembleRequest
from tests.runs.questions import ensemble

QUESTIONS, ARTICLES = 60, 12
TEXT = "甲乙丙丁戊己庚辛"
GREEDY = EnsembleConfig(method="greedy", metric="hw7")


def answer_of(number: int) -> int:
    return number * 7 % len(TEXT)


def context_of(number: int) -> str:
    return f"{TEXT}{number % ARTICLES}"


def data(path: Path, numbers: Sequence[int]) -> Path:
    rows = []
    for number in numbers:
        place = answer_of(number)
        answer = {"answer": TEXT[place], "answer_start": place}
        rows.append({"id": str(number), "question": "誰？", "context": context_of(number), **answer})
    write_jsonl(path, rows)
    return path


def member(
    path: Path, numbers: Sequence[int], right: Callable[[int], bool], *, sure: float = 6.0, model: str = ""
) -> Path:
    """A model that points at the right character of some questions, and at one far from it of the others."""
    rows = []
    for number in numbers:
        context = context_of(number)
        places = np.arange(len(context), dtype=np.int32)
        target = answer_of(number) if right(number) else (answer_of(number) + 4) % len(TEXT)
        logits = np.where(places == target, sure, 0).astype(np.float32)
        tokens = TokenScores(logits, logits, places, places + 1, np.array([0, len(places)]))
        rows.append(QuestionScores(str(number), context, 0, (), tokens))
    write_scores(path, rows, ScoresInfo("hw7", model or path.stem, 4))
    return path


@pytest.fixture
def four(tmp_path: Path) -> list[Path]:
    """Three that are wrong on a third each, and one that is always wrong."""
    numbers = range(QUESTIONS)
    bad = member(tmp_path / "bad.parquet", numbers, lambda number: False, sure=9.0)
    return [*wrong_on_a_third(tmp_path, "", numbers), bad]


@pytest.fixture
def gold(tmp_path: Path) -> Path:
    return data(tmp_path / "data.jsonl", range(QUESTIONS))


def wrong_on_a_third(folder: Path, part: str, numbers: Sequence[int]) -> list[Path]:
    """Three members, never two of them wrong on the same question."""

    def right_but_for(rest: int) -> Callable[[int], bool]:
        return lambda number: number % 3 != rest

    return [
        member(folder / f"{part}{rest}.parquet", numbers, right_but_for(rest), model=f"model {rest}")
        for rest in range(3)
    ]


def test_greedy_takes_what_helps_and_leaves_out_what_does_not(four: list[Path], gold: Path):
    result = ensemble(EnsembleRequest(tuple(four), tune_on=gold), GREEDY)
    assert result.weights == (1.0, 1.0, 1.0, 0.0)
    texts = {prediction.id: prediction.text for prediction in result.predictions}
    assert texts == {str(number): TEXT[answer_of(number)] for number in range(QUESTIONS)}
    report = result.report
    assert report is not None
    assert (report.how, report.records, report.texts, report.unscored) == ("out-of-fold", 60, 12, 0)
    assert report.ensemble["em"] == (100.0, 100.0, 100.0)
    assert report.in_sample is not None
    assert report.in_sample["em"].mean == 100.0
    assert [round(one.alone["em"].mean, 2) for one in report.members] == [66.67, 66.67, 66.67, 0.0]
    assert report.best == str(four[0])
    assert report.gain["em"].mean == pytest.approx(100 / 3)
    adds = [one.adds for one in report.members]
    assert all(one is not None and one["em"].mean > 0 for one in adds[:3])
    assert adds[3] is not None
    assert adds[3]["em"] == (0.0, 0.0, 0.0)


def test_weights_chosen_on_other_questions_are_used_and_reported_where_answers_are(tmp_path: Path):
    numbers = {"dev": range(40), "test": range(40, 60)}
    files = {part: wrong_on_a_third(tmp_path, part, asked) for part, asked in numbers.items()}
    dev, test = (data(tmp_path / f"{part}.jsonl", asked) for part, asked in numbers.items())
    request = EnsembleRequest(tuple(files["test"]), dev, tuple(files["dev"]), test)
    result = ensemble(request, GREEDY)
    assert len(result.predictions) == 20
    assert result.report is not None
    assert (result.report.how, result.report.records, result.report.in_sample) == ("fixed", 20, None)
    assert result.report.ensemble["em"].mean == 100.0
    swapped = EnsembleRequest(tuple(files["test"]), dev, tuple(files["dev"][::-1]))
    with pytest.raises(ConfigError, match="give both in the same order"):
        ensemble(swapped, GREEDY)


def test_what_chance_chose_does_not_score_out_of_fold(tmp_path: Path):
    """Members that know nothing: in-sample the best of them looks good, out of fold it must not."""
    numbers = range(400)
    random = np.random.default_rng(0)
    known = (random.random((12, 400)) < 0.5).tolist()
    files = [member(tmp_path / f"{one}.parquet", numbers, row.__getitem__) for one, row in enumerate(known)]
    result = ensemble(EnsembleRequest(tuple(files), data(tmp_path / "d.jsonl", numbers)), GREEDY)
    assert result.report is not None
    assert result.report.in_sample is not None
    assert result.report.in_sample["em"].mean > result.report.ensemble["em"].mean
    assert result.report.in_sample["em"].mean >= max(one.alone["em"].mean for one in result.report.members)


@pytest.mark.parametrize("method", ["mean", "vote"])
def test_mean_and_vote_report_what_each_member_adds(method: str, four: list[Path], gold: Path):
    config = EnsembleConfig.model_validate({"method": method, "metric": "hw7", "weights": [2, 2, 2, 1]})
    result = ensemble(EnsembleRequest(tuple(four), data=gold), config)
    assert result.weights == (2.0, 2.0, 2.0, 1.0)
    assert result.report is not None
    assert [one.weight for one in result.report.members] == [1, 1, 1, 0.5]
    assert result.report.ensemble["em"].mean == 100.0
    json.dumps(result.report.summary(), allow_nan=False)


def test_a_member_alone_adds_nothing_that_could_be_told(four: list[Path], gold: Path):
    result = ensemble(EnsembleRequest((four[0],), data=gold), EnsembleConfig(metric="hw7"))
    assert result.report is not None
    assert result.report.members[0].adds is None
    assert result.report.gain["em"] == (0.0, 0.0, 0.0)


def test_labelled_questions_without_scores_are_counted(four: list[Path], tmp_path: Path):
    more = data(tmp_path / "more.jsonl", range(QUESTIONS + 5))
    result: EnsembleResult = ensemble(EnsembleRequest(tuple(four), data=more), EnsembleConfig(metric="hw7"))
    assert result.report is not None
    assert (result.report.records, result.report.unscored) == (60, 5)


def test_questions_that_do_not_fit_are_refused(four: list[Path], tmp_path: Path):
    other = data(tmp_path / "other.jsonl", range(900, 930))
    with pytest.raises(DataError, match=r"0\.parquet: .*no record has a label in .*other\.jsonl"):
        ensemble(EnsembleRequest(tuple(four), other), GREEDY)
    few = data(tmp_path / "few.jsonl", range(3))
    with pytest.raises(ConfigError, match=r"3 articles, which cannot be split into 5 parts .*--set folds=N"):
        ensemble(EnsembleRequest(tuple(four), few), GREEDY)
    write_jsonl(tmp_path / "none.jsonl", [{"id": "1", "question": "誰？", "context": context_of(1)}])
    with pytest.raises(ConfigError, match="holds no answers"):
        ensemble(EnsembleRequest(tuple(four), tmp_path / "none.jsonl"), GREEDY)
