"""Ensembles of intents and of tags: weights, reports, and that a file says exactly what its model predicted."""

import json
from pathlib import Path

import numpy as np
import pytest

from qakit.config import EnsembleConfig
from qakit.errors import ConfigError, DataError
from qakit.io import write_json
from qakit.tasks.labels.scores import LabelScores, LabelScoresInfo, write_label_scores
from qakit.tasks.requests import EnsembleRequest
from tests.runs.labels import ensemble_labels, evaluate_labels, load_labeller, predict_labels, read
from tests.runs.test_labelled import NAMES, data, trained

__all__ = ["data", "trained"]  # fixtures

COUNT = 60
CLASSES = ("a", "b", "c")


def right_of(number: int) -> int:
    return number * 7 % len(CLASSES)


def member(path: Path, wrong: int | None, *, numbers: range = range(COUNT), threshold: float | None = None) -> Path:
    """A model that is wrong on every third text, or on all."""
    rows = []
    for number in numbers:
        shift = wrong is None or number // 3 % 3 == wrong
        logs = np.full((1, len(CLASSES)), -3.0, dtype=np.float32)
        logs[0, (right_of(number) + shift) % len(CLASSES)] = -0.1
        rows.append(LabelScores(str(number), f"text {number}", logs))
    write_label_scores(path, rows, LabelScoresInfo("intent", path.stem, CLASSES, oos_threshold=threshold))
    return path


def gold(path: Path, numbers: range = range(COUNT)) -> Path:
    write_json(path, [{"id": str(n), "text": f"text {n}", "intent": CLASSES[right_of(n)]} for n in numbers])
    return path


@pytest.fixture
def three(tmp_path: Path) -> tuple[Path, ...]:
    """Never two of them wrong on the same text."""
    return tuple(member(tmp_path / f"{wrong}.parquet", wrong) for wrong in range(3))


@pytest.mark.parametrize("task", NAMES)
def test_one_file_says_what_its_model_predicted(data, trained, tmp_path, task):
    dev = read(data[task] / "dev.json", task)
    loaded = load_labeller(trained[task], task)
    files = {"out": tmp_path / "p.csv", "scores": tmp_path / "s.parquet"}
    predicted = predict_labels(dev, loaded, **files)
    assert predicted.files == tuple(files.values())
    result = ensemble_labels(EnsembleRequest((tmp_path / "s.parquet",)), EnsembleConfig(), out=tmp_path / "e.csv")
    assert result.predictions == predicted.predictions
    assert (tmp_path / "e.csv").read_bytes() == (tmp_path / "p.csv").read_bytes()
    request = EnsembleRequest((tmp_path / "s.parquet",), data=dev.files[0])
    report = ensemble_labels(request, EnsembleConfig()).report
    scored = evaluate_labels(dev.files[0], task, model=str(trained[task]))
    (name,) = report.ensemble
    assert report.ensemble[name].mean == pytest.approx(scored.scores[name])
    assert (report.metric, report.records) == (name, len(dev))


@pytest.mark.parametrize("config", [{}, {"average": "probability"}, {"method": "vote"}])
def test_members_that_err_elsewhere_put_each_other_right(three, tmp_path, config):
    request = EnsembleRequest(three, data=gold(tmp_path / "gold.json"))
    report = ensemble_labels(request, EnsembleConfig(**config)).report
    assert [one.alone["accuracy"].mean for one in report.members] == [65, 65, 70]
    assert report.ensemble["accuracy"].mean == 100
    assert report.gain["accuracy"].mean == 30
    assert (report.how, report.texts, report.unscored) == ("fixed", COUNT, 0)


def test_greedy_leaves_out_what_does_not_help(three, tmp_path):
    bad = member(tmp_path / "bad.parquet", None)
    request = EnsembleRequest((*three, bad), tune_on=gold(tmp_path / "gold.json"))
    result = ensemble_labels(request, EnsembleConfig(method="greedy"))
    assert result.weights[3] == 0
    assert result.report.how == "out-of-fold"
    assert result.report.in_sample["accuracy"].mean == 100
    assert json.loads(json.dumps(result.report.summary()))["members"][3]["weight"] == 0


def test_weights_of_other_texts_are_used(three, tmp_path):
    numbers, errors = range(100, 130), (9, None, None)
    tuned = tuple(member(tmp_path / f"dev-{n}.parquet", one, numbers=numbers) for n, one in enumerate(errors))
    request = EnsembleRequest(three, gold(tmp_path / "dev.json", numbers), tuned, data=gold(tmp_path / "gold.json"))
    result = ensemble_labels(request, EnsembleConfig(method="greedy"))
    assert result.weights == (1, 0, 0)
    assert (result.report.how, result.report.gain["accuracy"].mean <= 0) == ("fixed", True)


def test_texts_of_other_intents_are_out_of_scope_to_members_that_know_of_one(tmp_path):
    files = tuple(member(tmp_path / f"{n}.parquet", 9, threshold=0.999) for n in range(2))
    write_json(tmp_path / "gold.json", [{"id": str(n), "text": f"text {n}", "intent": "unknown"} for n in range(COUNT)])
    report = ensemble_labels(EnsembleRequest(files, data=tmp_path / "gold.json"), EnsembleConfig()).report
    assert report.ensemble["accuracy"].mean == 100


@pytest.mark.parametrize("config", [{}, {"method": "vote"}, {"weights": (1, 0)}])
def test_another_threshold_takes_the_place_of_those_of_the_files(tmp_path, config):
    files = (member(tmp_path / "a.parquet", 9, threshold=0.999), member(tmp_path / "b.parquet", 9, threshold=0.9999))
    request = EnsembleRequest(files, data=gold(tmp_path / "gold.json"))
    for value, accuracy in ((None, 0), (0.0, 100), (0.5, 100), (0.999, 0)):
        result = ensemble_labels(request, EnsembleConfig(oos_threshold=value, **config))
        assert result.report.ensemble["accuracy"].mean == accuracy
        assert ("oos" in {one.label for one in result.predictions}) == (accuracy == 0)


def test_files_are_written_and_what_only_questions_have_is_refused(three, tmp_path):
    result = ensemble_labels(
        EnsembleRequest(three), EnsembleConfig(), out=tmp_path / "o.csv", nbest_out=tmp_path / "n.json"
    )
    assert result.files == (tmp_path / "o.csv", tmp_path / "n.json")
    assert (tmp_path / "o.csv").read_text(encoding="utf-8").splitlines()[:2] == ["id,intent", "0,a"]
    assert json.loads((tmp_path / "n.json").read_text(encoding="utf-8"))["0"][0]["intent"] == "a"
    with pytest.raises(ConfigError, match="--metric: texts are scored by accuracy"):
        ensemble_labels(EnsembleRequest(three), EnsembleConfig(metric="hw7"))
    with pytest.raises(ConfigError, match="--gold: does not apply to texts"):
        ensemble_labels(EnsembleRequest(three, data=three[0], gold=three[1]), EnsembleConfig())
    with pytest.raises(ConfigError, match=r"ends in \.csv"):
        ensemble_labels(EnsembleRequest(three), EnsembleConfig(), out=tmp_path / "o.json")


def test_all_members_are_scored_against_the_same_labels(tmp_path):
    """A member that finds everything out of scope is wrong about an intent that another one knows."""
    knows_of_scope = member(tmp_path / "a.parquet", None, threshold=0.999)
    files = (knows_of_scope, member(tmp_path / "b.parquet", 0))
    request = EnsembleRequest(files, tune_on=gold(tmp_path / "gold.json"))
    result = ensemble_labels(request, EnsembleConfig(method="greedy"))
    assert [one.alone["accuracy"].mean for one in result.report.members] == [0, 65]
    assert result.weights == (0, 1)


def test_labels_of_other_texts_are_refused(three, tmp_path):
    write_json(tmp_path / "gold.json", [{"id": str(n), "text": f"other {n}", "intent": "a"} for n in range(COUNT)])
    with pytest.raises(DataError, match=r"gold\.json: .*text: that of 0 is another one than in .*0\.parquet"):
        ensemble_labels(EnsembleRequest(three, data=tmp_path / "gold.json"), EnsembleConfig())
