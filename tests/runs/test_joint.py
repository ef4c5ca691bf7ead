"""Both stages together: the paragraph of the best sum wins."""

from dataclasses import replace
from pathlib import Path

import pytest

from qakit.config import DecodingSettings, ReadConfig
from qakit.data.records import Dataset
from qakit.data.schemas import read_dataset
from qakit.tasks.base import Models
from qakit.tasks.questions.two_stage import Answered, answer_dataset, load_models
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
