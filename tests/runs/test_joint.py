"""Both stages together: the paragraph of the best sum wins, and what was tuned is found where it was kept."""

import json
from dataclasses import replace
from math import inf
from pathlib import Path

import pytest

from qakit.config import DecodingSettings, ReadConfig
from qakit.data.formats import read_dataset
from qakit.data.records import Dataset
from qakit.errors import ConfigError
from qakit.runs.evaluate import EvaluateRequest, evaluate
from qakit.runs.joint import WEIGHTS, Trial, best_trial, keep_joint
from qakit.runs.predict import Answered, Models, answer_dataset, load_models
from tests.runs.models import save_reader, save_selector


@pytest.fixture
def models(tmp_path: Path) -> Models:
    return load_models(save_reader(tmp_path / "qa"), save_selector(tmp_path / "select"))


@pytest.fixture(scope="module")
def valid(sample_data: Path) -> Dataset:
    dataset = read_dataset([sample_data / "adl" / "valid.json"])
    return replace(dataset, records=dataset.records[:24])


def answered(dataset: Dataset, models: Models, **decoding: float) -> list[Answered]:
    return list(answer_dataset(dataset, models, ReadConfig(decoding=DecodingSettings(**decoding))))


def by_hand(dataset: Dataset, models: Models, paragraphs: int, weight: float) -> list[tuple[int, str]]:
    """Each paragraph read alone, as the relevant one, and the best sum taken."""
    selections = [item.selection for item in answered(dataset, models)]
    readings = []
    for number in range(4):
        records = tuple(replace(record, relevant=number, answers=()) for record in dataset)
        readings.append(answered(replace(dataset, records=records), replace(models, selector=None)))
    found = []
    for row, selection in enumerate(selections):
        likeliest = sorted(range(4), key=lambda number: -selection[number])[:paragraphs]
        sums = {
            number: readings[number][row].prediction.answers[0].score + weight * selection[number]
            for number in likeliest
        }
        best = max(likeliest, key=lambda number: sums[number])
        found.append((best, readings[best][row].prediction.text))
    return found


@pytest.mark.parametrize(("paragraphs", "weight"), [(2, 1.0), (4, 0.0), (4, 0.5), (4, 30.0)])
def test_the_paragraph_of_the_best_sum_wins(models: Models, valid: Dataset, paragraphs: int, weight: float):
    found = answered(valid, models, joint_paragraphs=paragraphs, joint_weight=weight)
    assert [(item.prediction.candidate, item.prediction.text) for item in found] == by_hand(
        valid, models, paragraphs, weight
    )


def test_one_paragraph_is_the_selectors(models: Models, valid: Dataset):
    alone = answered(valid, models)
    assert [item.prediction for item in answered(valid, models, joint_paragraphs=1, joint_weight=0)] == [
        item.prediction for item in alone
    ]
    assert all(item.prediction.candidate == item.selection.index(max(item.selection)) for item in alone)
    joint = answered(valid, models, joint_paragraphs=4, joint_weight=0)
    assert [item.prediction.candidate for item in joint] != [item.prediction.candidate for item in alone]


def test_what_is_kept_with_the_model_holds_for_later_readings(models: Models, valid: Dataset, tmp_path: Path):
    keep_joint(models.reader, Trial(0.5, 1.0, 1.0, 1.0), paragraphs=3)
    kept = json.loads((tmp_path / "qa" / "qakit.json").read_text(encoding="utf-8"))
    assert (kept["joint_paragraphs"], kept["joint_weight"]) == (3, 0.5)
    again = load_models(str(tmp_path / "qa"), str(tmp_path / "select"))
    expected = answered(valid, models, joint_paragraphs=3, joint_weight=0.5)
    assert [item.prediction for item in answered(valid, again)] == [item.prediction for item in expected]
    keep_joint(again.reader, Trial(inf, 1.0, 1.0, 1.0), paragraphs=3)
    back = load_models(str(tmp_path / "qa"), str(tmp_path / "select"))
    assert [item.prediction for item in answered(valid, back)] == [item.prediction for item in answered(valid, models)]


def test_the_best_weight_is_found_and_its_scores_are_those_of_evaluate(
    models: Models, sample_data: Path, tmp_path: Path
):
    request = EvaluateRequest(
        model=str(tmp_path / "qa"), selector=str(tmp_path / "select"), data=sample_data / "adl" / "valid.json"
    )
    alone = evaluate(request, ReadConfig())
    result = evaluate(replace(request, tune_joint=4), ReadConfig())
    assert [trial.weight for trial in result.trials] == list(WEIGHTS)
    best = best_trial(result.trials)
    assert result.scores is not None
    assert (result.scores.em, result.scores.f1, result.selection_accuracy) == (best.em, best.f1, best.accuracy)
    assert alone.scores is not None
    selector = result.trials[-1]
    assert (selector.em, selector.f1, selector.accuracy) == (alone.scores.em, alone.scores.f1, alone.selection_accuracy)
    assert result.summary()["joint"][-1] == {**selector.summary(), "weight": None}
    json.dumps(result.summary(), allow_nan=False)


def test_equal_trials_lean_on_the_selector():
    trials = [Trial(weight, 50.0, 60.0, 0.0) for weight in (0.0, 1.0, inf)]
    assert best_trial(trials).weight == inf
    assert best_trial([*trials, Trial(0.5, 50.0, 60.1, 0.0)]).weight == 0.5


def test_what_cannot_be_tuned_is_told(models: Models, sample_data: Path, tmp_path: Path):
    adl, qa, select = sample_data / "adl" / "valid.json", str(tmp_path / "qa"), str(tmp_path / "select")
    request = EvaluateRequest(model=qa, selector=select, data=adl, tune_joint=3)
    for changes, message in (
        ({"selector": None}, "--model and --selector"),
        ({"data": sample_data / "hw7" / "hw7_dev.json"}, "several paragraphs"),
        ({"model": "mini-zh"}, "folder of your own"),
    ):
        with pytest.raises(ConfigError, match=message):
            evaluate(replace(request, **changes), ReadConfig())
    with pytest.raises(ConfigError, match="leave them out"):
        evaluate(request, ReadConfig(decoding=DecodingSettings(joint_weight=1.0)))
