"""What is tuned scores as the table says, is kept with the model, and holds wherever the model answers."""

import json
from collections.abc import Callable
from dataclasses import replace
from math import inf
from pathlib import Path
from typing import Any

import pytest

from qakit import Reader, pipeline
from qakit.config import DecodingSettings, EnsembleConfig, ReadConfig
from qakit.data.records import Answer, Paragraph, Record
from qakit.data.schemas import read_dataset, write_dataset
from qakit.errors import ConfigError
from qakit.metrics.presets import evaluate as score
from qakit.modeling.info import ModelInfo, read_info
from qakit.spans.scores import read_scores
from qakit.tasks.questions.evaluation import _tuning_lines
from qakit.tasks.questions.tuning import JOINT_WEIGHTS, LENGTH_WEIGHTS, Trial, Tuned, tune
from qakit.tasks.questions.two_stage import answer_dataset, load_models
from qakit.tasks.requests import EnsembleRequest, EvaluateRequest
from tests.runs.models import save_reader, save_selector
from tests.runs.questions import ensemble, evaluate, predict

PRIOR = (-6.0, -4.0, -0.5, -3.0, -6.0)  # answers of three tokens


@pytest.fixture(scope="module")
def hw7(sample_data: Path) -> Path:
    return sample_data / "hw7" / "hw7_dev.json"


@pytest.fixture(scope="module")
def with_impossible(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Twelve questions on one text, of which every other one has no answer."""
    context = "甲城在山上，乙城在河邊。丙城在一九二八年建成。"
    records = [
        Record(str(number), f"{name}城在哪裡{'？' * (number % 5 + 1)}", (Paragraph("0", context),), 0, *answer)
        for number, (name, *answer) in enumerate(
            [("甲", (Answer("山上", 3),)), ("丁", (), True), ("乙", (Answer("河邊", 9),)), ("戊", (), True)] * 3
        )
    ]
    file = tmp_path_factory.mktemp("null") / "dev.json"
    write_dataset(records, file, "squad2")
    return file


def tuned_of(model: str, data: Path, *what: str, config: ReadConfig | None = None, **request: Any):
    return evaluate(EvaluateRequest(model=model, data=data, tune=what, **request), config or ReadConfig())


def stored(model: str) -> ModelInfo:
    info = read_info(model)
    assert info is not None
    return info


# Each setting


def test_the_length_weight_of_the_best_score_is_kept(hw7: Path, tmp_path: Path):
    # The right answers are the model's own best spans of three tokens, so lengths tell all that it does not know.
    of_three = load_models(
        save_reader(tmp_path / "three", length_prior=(-90.0, -90.0, 0.0, -90.0), length_weight=1.0), None
    )
    found = [
        (item.record, item.prediction.answers[0])
        for item in answer_dataset(read_dataset([hw7]), of_three, ReadConfig())
    ]
    records = [replace(record, answers=(Answer(answer.text, answer.start),)) for record, answer in found]
    write_dataset(records, tmp_path / "dev.json", "drcd")
    model = save_reader(tmp_path / "qa")
    before = tuned_of(model, tmp_path / "dev.json")
    result = tuned_of(model, tmp_path / "dev.json", "length")
    (length,) = result.tuned
    assert [trial.value for trial in length.trials] == list(LENGTH_WEIGHTS)
    assert result.scores is not None and before.scores is not None
    assert (length.trials[0].em, length.trials[0].f1) == (before.scores.em, before.scores.f1)
    best = max((trial.em, trial.f1) for trial in length.trials)
    assert (result.scores.em, result.scores.f1) == (length.chosen.em, length.chosen.f1) == best
    assert best > (before.scores.em, before.scores.f1)
    kept = stored(model)
    assert kept.length_weight == length.chosen.value
    assert kept.length_prior.index(max(kept.length_prior)) == 2
    assert len(kept.length_prior) == 12


def test_the_temperature_is_kept_and_leaves_the_answers(hw7: Path, tmp_path: Path):
    model = save_reader(tmp_path / "qa")
    before = tuned_of(model, hw7)
    result = tuned_of(model, hw7, "temperature")
    (temperature,) = result.tuned
    one, chosen = temperature.trials
    assert (one.value, chosen) == (1.0, temperature.chosen)
    assert chosen.figures["log_loss"] < one.figures["log_loss"]
    assert chosen.figures.keys() == one.figures.keys() == {"log_loss", "ece"}
    assert stored(model).temperature == chosen.value != 1.0
    after, plain = result.frame(), before.frame()
    assert after.drop(columns="probability").equals(plain.drop(columns="probability"))
    assert (after["probability"] != plain["probability"]).all()
    assert result.analysis.calibration.error == pytest.approx(chosen.figures["ece"])


def test_the_best_null_threshold_is_found_and_kept(with_impossible: Path, tmp_path: Path):
    model = save_reader(tmp_path / "qa", answers_null=True)
    result = tuned_of(model, with_impossible, "null")
    (null,) = result.tuned
    assert result.scores is not None
    assert (result.scores.em, result.scores.f1) == (null.chosen.em, null.chosen.f1)
    always, never = null.trials[0], null.trials[-1]
    assert (always.value, always.em, always.figures["no_answer"]) == (-inf, 50.0, 100.0)
    assert (never.value, never.figures["no_answer"]) == (inf, 0.0)
    assert null.chosen in null.trials
    threshold = stored(model).null_threshold
    assert threshold == null.chosen.value
    for other in (threshold - 0.05, threshold + 0.05, -50.0, 50.0):
        scores = tuned_of(model, with_impossible, config=decoding(null_threshold=other)).scores
        assert scores is not None and (scores.em, scores.f1) <= (null.chosen.em, null.chosen.f1)


def test_the_best_joint_weight_is_found_and_its_scores_are_those_of_evaluate(sample_data: Path, tmp_path: Path):
    model, selector = save_reader(tmp_path / "qa"), save_selector(tmp_path / "select")
    adl = sample_data / "adl" / "valid.json"
    alone = tuned_of(model, adl, selector=selector)
    result = tuned_of(model, adl, "joint", selector=selector)
    (joint,) = result.tuned
    assert [trial.value for trial in joint.trials] == list(JOINT_WEIGHTS)
    chosen = joint.chosen
    assert result.scores is not None and alone.scores is not None
    found = (result.scores.em, result.scores.f1, result.selection_accuracy)
    assert found == (chosen.em, chosen.f1, chosen.figures["right_paragraph"])
    last = joint.trials[-1]
    assert (last.em, last.f1) == (alone.scores.em, alone.scores.f1)
    assert last.figures["right_paragraph"] == alone.selection_accuracy
    assert result.summary()["tuned"]["joint"]["trials"][-1] == {**last.summary(), "value": "inf"}
    json.dumps(result.summary(), allow_nan=False)


def test_equal_joint_trials_lean_on_the_selector_and_it_alone_is_kept_as_one_paragraph(
    sample_data: Path, tmp_path: Path
):
    dataset = read_dataset([sample_data / "adl" / "valid.json"])
    models = load_models(save_reader(tmp_path / "qa"), save_selector(tmp_path / "select"))
    golds = {record.id: ["在此無人能答"] for record in dataset.records[:6]}  # every weight scores 0
    found, (joint,) = tune(["joint"], dataset, golds, models, ReadConfig(), metric="adl")
    assert joint.chosen.value == inf
    assert found.reader is not None
    assert (found.reader.info.joint_paragraphs, found.reader.info.joint_weight) == (1, 1.0)


def test_settings_build_on_those_before_them(with_impossible: Path, tmp_path: Path):
    model = save_reader(tmp_path / "qa", answers_null=True)
    result = tuned_of(model, with_impossible, "null", "temperature", "length")
    assert [one.what for one in result.tuned] == ["length", "temperature", "null"]
    assert result.scores is not None
    last = result.tuned[-1].chosen
    assert (result.scores.em, result.scores.f1) == (last.em, last.f1)
    kept = stored(model)
    assert (kept.length_weight, kept.temperature, kept.null_threshold) == tuple(
        one.chosen.value for one in result.tuned
    )


# What is kept holds everywhere


def decoding(**settings: Any) -> ReadConfig:
    return ReadConfig(decoding=DecodingSettings(**settings))


@pytest.mark.parametrize("settings", [{}, {"choose_by": "text"}, {"nbest": 3}])
def test_a_tuned_model_answers_alike_everywhere(hw7: Path, tmp_path: Path, settings: dict[str, Any]):
    model = save_reader(tmp_path / "qa", length_prior=PRIOR, length_weight=0.5, temperature=2.0)
    dataset, config = read_dataset([hw7]), decoding(**settings)
    scores = tmp_path / "a.parquet"
    predicted = predict(dataset, load_models(model, None), config, scores=scores).predictions
    reader = Reader(model, config=config)
    read = list(reader.batch([(record.question, record.context) for record in dataset]))
    assert read == [prediction.answers for prediction in predicted]
    texts = {prediction.id: prediction.text for prediction in predicted}
    expected = score(texts, {record.id: record.references for record in dataset}, "hw7")
    evaluated = tuned_of(model, hw7, config=config).scores
    assert evaluated == expected
    if settings.get("choose_by"):
        return  # a setting, which scores files do not hold
    combined = ensemble(EnsembleRequest((scores,)), EnsembleConfig(**settings)).predictions
    assert combined == predicted


def test_the_former_pipeline_knows_no_lengths(tmp_path: Path, hw7: Path):
    plain = save_reader(tmp_path / "plain")
    tuned = save_reader(tmp_path / "tuned", length_prior=PRIOR, length_weight=0.5, temperature=2.0)
    asked = [{"question": record.question, "context": record.context} for record in read_dataset([hw7]).records[:8]]
    assert pipeline(model=tuned)(asked) == pipeline(model=plain)(asked)


def test_a_setting_overrides_what_is_kept(hw7: Path, tmp_path: Path):
    plain = save_reader(tmp_path / "plain")
    tuned = save_reader(tmp_path / "tuned", length_prior=PRIOR, length_weight=0.5, temperature=2.0)
    dataset = read_dataset([hw7])

    def answers(model: str, **settings: float):
        return [
            item.prediction.answers for item in answer_dataset(dataset, load_models(model, None), decoding(**settings))
        ]

    assert answers(tuned) != answers(plain)
    assert answers(tuned, length_weight=0.0, temperature=1.0) == answers(plain)
    assert answers(tuned, temperature=1.0) != answers(tuned)
    assert answers(tuned, length_weight=0.1) != answers(tuned)
    with pytest.raises(ConfigError, match=r"has no prior of answer lengths.*--tune length"):
        answers(plain, length_weight=0.5)


def test_models_and_scores_files_of_before_read_as_they_did(tmp_path: Path, hw7: Path):
    model = Path(save_reader(tmp_path / "qa"))
    written = json.loads((model / "qakit.json").read_text(encoding="utf-8"))
    old = {
        name: value for name, value in written.items() if name not in ("temperature", "length_weight", "length_prior")
    }
    (model / "qakit.json").write_text(json.dumps(old), encoding="utf-8")
    info = stored(str(model))
    assert (info.temperature, info.length_weight, info.length_prior) == (1.0, 0.0, ())
    predict(read_dataset([hw7]), load_models(str(model), None), ReadConfig(), scores=tmp_path / "a.parquet")
    _, told = read_scores(tmp_path / "a.parquet")
    assert (told.temperature, told.length_bonus) == (1.0, ())


# What cannot be tuned


def refused(change: Callable[[EvaluateRequest], EvaluateRequest], config: ReadConfig, folder: Path, data: Path) -> str:
    model = folder / "qa"
    request = EvaluateRequest(model=str(model) if model.exists() else save_reader(model), data=data)
    with pytest.raises(ConfigError) as error:
        evaluate(change(request), config)
    return str(error.value)


@pytest.mark.parametrize(
    ("change", "settings", "message"),
    [
        ({"tune": ("lenght",)}, {}, "'lenght' is not one of length, temperature, joint, null (did you mean length?)"),
        ({"tune": ("joint",)}, {}, "--tune joint: give --model and --selector"),
        ({"tune": ("joint",)}, {"joint_weight": 1.0}, "decoding.joint_weight would say; leave that out"),
        ({"tune": ("length",)}, {"length_weight": 1.0}, "decoding.length_weight would say; leave that out"),
        ({"tune": ("null",)}, {}, "never taught that a question has no answer"),
        ({"tune": ("length",), "model": "mini-zh"}, {}, "folder of your own"),
        ({"tune": ("length",), "model": None, "pred": Path("p.csv")}, {}, "--tune: give --model"),
    ],
)
def test_what_cannot_be_tuned_is_told(
    hw7: Path, tmp_path: Path, change: dict[str, Any], settings: dict[str, Any], message: str
):
    assert message in refused(lambda request: replace(request, **change), decoding(**settings), tmp_path, hw7)


def test_data_that_tell_nothing_of_a_setting_are_refused(sample_data: Path, tmp_path: Path, hw7: Path):
    select = save_selector(tmp_path / "select")
    message = refused(lambda request: replace(request, tune=("joint",), selector=select), ReadConfig(), tmp_path, hw7)
    assert "several paragraphs" in message
    taught = save_reader(tmp_path / "taught", answers_null=True)
    message = refused(lambda request: replace(request, tune=("null",), model=taught), ReadConfig(), tmp_path, hw7)
    assert "questions without one" in message


def test_nothing_is_kept_where_something_cannot_be_tuned(hw7: Path, tmp_path: Path):
    model = Path(save_reader(tmp_path / "qa"))
    before = (model / "qakit.json").read_bytes()
    with pytest.raises(ConfigError):
        tuned_of(str(model), hw7, "length", "null")
    assert (model / "qakit.json").read_bytes() == before


# The table


def test_the_table_has_a_row_for_each_value_and_a_star_at_the_one_kept():
    trials = (Trial(0.5, 1.0, 2.0, {"right_paragraph": 3.0}), Trial(inf, 4.0, 5.0, {"right_paragraph": 6.0}))
    lines = list(_tuning_lines(Tuned("joint", trials, trials[1], {})))
    assert [line.split() for line in lines] == [
        ["weight", "of", "the", "selector", "EM", "F1", "right", "paragraph"],
        ["0.5", "1.000", "2.000", "3.000"],
        ["*", "selector", "alone", "4.000", "5.000", "6.000"],
        [],
    ]
    assert len({len(line) for line in lines[:3]}) == 1
