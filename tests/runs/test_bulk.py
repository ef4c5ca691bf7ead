"""Answering in parts: each question once and in order, whatever stops the run, and nothing of another run kept."""

import json
import re
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from qakit.config import DecodingSettings, InferenceSettings, ReadConfig, WindowSettings
from qakit.data.predictions import read_predictions
from qakit.data.schemas import read_dataset, write_dataset
from qakit.errors import ConfigError, DataError
from qakit.runs import predict as bulk
from qakit.runs.predict import predict_parts
from qakit.tasks.base import Models
from qakit.tasks.questions.two_stage import answer_dataset, load_models
from tests.modeling.tiny import qa_records
from tests.runs.models import save_reader

CONFIG = ReadConfig(decoding=DecodingSettings(nbest=2))
RECORDS = qa_records(23)


@pytest.fixture(scope="module")
def models(tmp_path_factory: pytest.TempPathFactory) -> Models:
    return load_models(save_reader(tmp_path_factory.mktemp("model")), None)


@pytest.fixture
def data(tmp_path: Path) -> Path:
    return write_dataset(RECORDS, tmp_path / "questions.jsonl", "jsonl")[0]


def rows(out: Path) -> list[dict[str, object]]:
    files = sorted(out.glob("part-*.jsonl"))
    return [json.loads(line) for file in files for line in file.read_text(encoding="utf-8").splitlines()]


def test_the_parts_hold_what_predict_says(models: Models, data: Path, tmp_path: Path):
    result = predict_parts(data, models, CONFIG, out=tmp_path / "out", size=5)
    assert (result.parts, result.kept, result.questions, result.skipped) == (5, 0, 23, 0)
    expected = [answered.prediction for answered in answer_dataset(read_dataset([data]), models, CONFIG)]
    found = rows(tmp_path / "out")
    assert [row["id"] for row in found] == [record.id for record in RECORDS]
    for row, prediction in zip(found, expected, strict=True):
        best = prediction.answers[0]._asdict()
        assert (row["answer"], row["start"], row["end"]) == (best["text"], best["start"], best["end"])
        assert row["score"] == pytest.approx(best["score"], abs=1e-4)  # other questions beside it in its batch
        assert [one["text"] for one in row["nbest"]] == [answer.text for answer in prediction.answers]


def test_parquet_parts_are_prediction_files_too(models: Models, data: Path, tmp_path: Path):
    config = ReadConfig()
    predict_parts(data, models, config, out=tmp_path / "lines", size=9)
    predict_parts(data, models, config, out=tmp_path / "parquet", size=9, format="parquet")
    for name in ("part-00000", "part-00001", "part-00002"):
        lines = read_predictions(tmp_path / "lines" / f"{name}.jsonl")
        assert lines == read_predictions(tmp_path / "parquet" / f"{name}.parquet")


def test_a_stopped_run_goes_on_with_the_part_it_was_in(models: Models, data: Path, tmp_path: Path):
    whole, stopped = tmp_path / "whole", tmp_path / "stopped"
    predict_parts(data, models, CONFIG, out=whole, size=4)

    def stop_in_the_third(answers: object) -> None:
        if len(list(stopped.glob("part-*"))) == 3:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        predict_parts(data, models, CONFIG, out=stopped, size=4, progress=stop_in_the_third)
    kept = {file: file.stat().st_mtime_ns for file in stopped.glob("part-*")}
    (stopped / ".part-00003.jsonl.tmp-1").write_text("half", encoding="utf-8")
    result = predict_parts(data, models, CONFIG, out=stopped, size=4)
    assert (result.parts, result.kept, result.questions) == (6, 3, 11)
    assert {file: file.stat().st_mtime_ns for file in kept} == kept
    for file in whole.glob("part-*"):
        assert (stopped / file.name).read_bytes() == file.read_bytes()
    assert not list(stopped.glob(".part-*"))
    assert json.loads((stopped / "parts.json").read_text())["finished"] is True


def test_a_part_that_was_lost_is_made_again(models: Models, data: Path, tmp_path: Path):
    out = tmp_path / "out"
    predict_parts(data, models, CONFIG, out=out, size=4)
    before = (out / "part-00001.jsonl").read_bytes()
    (out / "part-00001.jsonl").unlink()
    assert predict_parts(data, models, CONFIG, out=out, size=4).questions == 4
    assert (out / "part-00001.jsonl").read_bytes() == before


@pytest.mark.parametrize("changed", ["data", "part_size", "decoding", "windows", "model", "format"])
def test_parts_of_another_run_are_not_taken_over(models: Models, data: Path, tmp_path: Path, changed: str):
    out = tmp_path / "out"
    predict_parts(data, models, CONFIG, out=out, size=8)
    config, size, kind = CONFIG, 8, None
    if changed == "data":
        write_dataset(RECORDS[1:], data, "jsonl")
    elif changed == "part_size":
        size = 9
    elif changed == "decoding":
        config = ReadConfig()
    elif changed == "windows":
        config = ReadConfig(decoding=CONFIG.decoding, windows=WindowSettings(max_length=48))
    elif changed == "format":
        kind = "parquet"
    else:
        models = load_models(save_reader(tmp_path / "other", seed=5), None)
    with pytest.raises(ConfigError, match=f"choose another --out\n.*{changed}"):
        predict_parts(data, models, config, out=out, size=size, format=kind)


def identity_of(models: Models, **inference: Any) -> dict[str, str]:
    config = ReadConfig(inference=InferenceSettings(**inference))
    return bulk._state([], models, config, 1, "jsonl")["model"]


def test_the_model_is_what_runs_it_its_precision_and_all_its_files(tmp_path: Path):
    folder = Path(save_reader(tmp_path / "model"))
    found = identity_of(load_models(str(folder), None))
    assert (found["backend"], found["precision"]) == ("torch", "fp32")
    assert {"config.json", "model.safetensors", "qakit.json", "tokenizer.json", "tokenizer_config.json"} <= found.keys()
    for name in ("vocab.txt", "spiece.model", "sentencepiece.bpe.model", "model.onnx", "model.int8.onnx"):
        (folder / name).write_text(name)
    reader = load_models(str(folder), None).reader
    assert reader is not None
    changed = {
        "torch": {"vocab.txt", "spiece.model", "sentencepiece.bpe.model"},
        "onnx": {"vocab.txt", "spiece.model", "sentencepiece.bpe.model", "model.onnx"},
        "int8": {"vocab.txt", "spiece.model", "sentencepiece.bpe.model", "model.int8.onnx"},
    }
    for backend, names in changed.items():
        files = identity_of(Models(replace(reader, backend=backend)))
        assert files.pop("backend") == backend
        assert files.keys() - found.keys() == names
        assert ("model.safetensors" in files, "precision" in files) == (backend == "torch", backend == "torch")


@pytest.mark.parametrize("changed", ["precision", "autocast", "vocab.txt", "backend"])
def test_parts_of_another_way_to_compute_are_not_taken_over(data: Path, tmp_path: Path, changed: str):
    folder, config, out = Path(save_reader(tmp_path / "model")), ReadConfig(), tmp_path / "out"
    models = load_models(str(folder), None)
    predict_parts(data, models, config, out=out, size=8)
    bf16 = InferenceSettings(precision="bf16")
    if changed == "precision":
        models = load_models(str(folder), None, inference=bf16)
    elif changed == "autocast":
        config = ReadConfig(inference=bf16)
    elif changed == "backend":
        assert models.reader is not None
        models = Models(replace(models.reader, backend="int8"))
    else:
        (folder / changed).write_text("年")
    words = {
        "precision": r"  model\.precision: was fp32, is bf16",
        "autocast": r"  model\.precision: was fp32, is bf16",
        "backend": r"  model\.backend: was torch, is int8",
        "vocab.txt": r"  model\.vocab\.txt: was None, is \w{64}",
    }
    with pytest.raises(ConfigError, match=f"choose another --out\n{words[changed]}"):
        predict_parts(data, models, config, out=out, size=8)


@pytest.mark.parametrize(
    ("text", "error", "fault"),
    [
        ("{", DataError, r"parts\.json: whole file: JSON"),
        ("[]", ConfigError, "other data, models or settings; choose another --out"),
        ('{"part_size": 9}', ConfigError, "  part_size: was 9, is 8"),
    ],
)
def test_a_damaged_account_of_the_parts_is_told_of(models: Models, data: Path, tmp_path: Path, text, error, fault):
    out = tmp_path / "out"
    predict_parts(data, models, CONFIG, out=out, size=8)
    (out / "parts.json").write_text(text)
    with pytest.raises(error, match=fault):
        predict_parts(data, models, CONFIG, out=out, size=8)


def test_files_of_the_users_beside_the_parts_are_no_parts(models: Models, data: Path, tmp_path: Path):
    out = tmp_path / "out"
    first = predict_parts(data, models, CONFIG, out=out, size=8)
    for name in ("part-all.jsonl", "part-9.jsonl", "part-00001.csv", "part-00001.parquet", "part-\u0663.jsonl"):
        (out / name).write_text("mine")
    (out / "part-00001.jsonl").unlink()
    again = predict_parts(data, models, CONFIG, out=out, size=8)
    assert (again.parts, again.kept, again.questions) == (first.parts, first.parts - 1, 8)


def test_a_folder_with_something_else_is_left_alone(models: Models, data: Path, tmp_path: Path):
    (tmp_path / "mine").write_text("mine")
    with pytest.raises(ConfigError, match="is not empty"):
        predict_parts(data, models, CONFIG, out=tmp_path, size=5)
    with pytest.raises(ConfigError, match="csv"):
        predict_parts(data, models, CONFIG, out=tmp_path / "out", size=5, format="csv")
    assert not (tmp_path / "out").exists()


def test_mistakes_leave_the_parts_before_them(models: Models, data: Path, tmp_path: Path):
    lines = data.read_text(encoding="utf-8").splitlines()
    data.write_text("\n".join([*lines[:7], "{]", *lines[7:]]), encoding="utf-8")
    with pytest.raises(DataError, match="line 8"):
        predict_parts(data, models, CONFIG, out=tmp_path / "out", size=3)
    assert len(rows(tmp_path / "out")) == 6
    result = predict_parts(data, models, CONFIG, out=tmp_path / "out", size=3, lenient=True)
    assert (result.kept, result.skipped) == (2, 1)
    assert [row["id"] for row in rows(tmp_path / "out")] == [record.id for record in RECORDS]


def lines_with_faults(data: Path) -> dict[int, str]:
    """Put bad lines into the data: the number of each, and what is wrong with it."""
    lines = data.read_text(encoding="utf-8").splitlines()
    bad = {
        2: ("{]", "JSON: column 2"),
        9: ('{"id": "x", "context": 3}', "answers: .*; question: is missing.*; context: found the number 3"),
        10: ("3", "value: found the number 3; expected an object"),
        20: (r'{"id": "\ud800", "question": "", "context": "a"}', "answers: .*; id: holds half of a surrogate pair"),
    }
    for number, (line, _) in bad.items():
        lines.insert(number - 1, line)
    data.write_text("\n".join(lines), encoding="utf-8")
    return {number: fault for number, (_, fault) in bad.items()}


def skipped_rows(out: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in (out / "skipped.jsonl").read_text(encoding="utf-8").splitlines()]


def test_bad_records_are_listed_with_their_place_and_fault(models: Models, data: Path, tmp_path: Path):
    faults = lines_with_faults(data)
    result = predict_parts(data, models, CONFIG, out=tmp_path / "out", size=30, lenient=True)
    assert (result.skipped, result.skipped_file) == (4, tmp_path / "out" / "skipped.jsonl")
    found = skipped_rows(tmp_path / "out")
    assert len(found) == len(faults)
    for row, (number, fault) in zip(found, faults.items(), strict=True):
        assert (row["part"], row["file"]) == (0, str(data))
        assert re.match(rf"line {number}\b", row["record"])
        assert re.match(fault, row["fault"])


@pytest.mark.parametrize("killed_after", ["skipped", "half a line", "part"])
def test_the_list_is_whole_and_has_nothing_twice_after_a_kill(
    models: Models, data: Path, tmp_path: Path, killed_after: str, monkeypatch: pytest.MonkeyPatch
):
    lines_with_faults(data)
    whole, killed = tmp_path / "whole", tmp_path / "killed"
    predict_parts(data, models, CONFIG, out=whole, size=8, lenient=True)
    assert {row["part"] for row in skipped_rows(whole)} == {0, 1, 2}

    def kill(*_: object, **__: object) -> None:
        raise KeyboardInterrupt

    options: dict[str, Any] = {"out": killed, "size": 8, "lenient": True}
    write = bulk._write
    with pytest.raises(KeyboardInterrupt), monkeypatch.context() as patch:
        if killed_after == "part":
            predict_parts(data, models, CONFIG, **options, progress=kill)
        patch.setattr(
            bulk, "_write", lambda file, *args, **kw: kill() if "1." in file.name else write(file, *args, **kw)
        )
        predict_parts(data, models, CONFIG, **options)
    if killed_after == "half a line":
        with open(killed / "skipped.jsonl", "a", encoding="utf-8") as file:
            file.write('{"part": 1, "fi')
    result = predict_parts(data, models, CONFIG, **options)
    assert (result.kept, result.skipped) == (1, 4)
    assert (killed / "skipped.jsonl").read_bytes() == (whole / "skipped.jsonl").read_bytes()


def test_without_bad_records_there_is_no_list(models: Models, data: Path, tmp_path: Path):
    result = predict_parts(data, models, CONFIG, out=tmp_path / "out", size=8, lenient=True)
    assert (result.skipped, result.skipped_file) == (0, None)
    assert not (tmp_path / "out" / "skipped.jsonl").exists()


@pytest.mark.parametrize("content", ["", "\n \n"])
def test_data_without_a_question_is_a_mistake(models: Models, tmp_path: Path, content: str):
    file = tmp_path / "empty.jsonl"
    file.write_text(content, encoding="utf-8")
    with pytest.raises(DataError, match=r"empty\.jsonl: whole file: file: is empty"):
        predict_parts(file, models, CONFIG, out=tmp_path / "out", size=8)
    assert not (tmp_path / "out").exists()


def test_one_run_at_a_time(models: Models, data: Path, tmp_path: Path):
    with bulk.lock_folder(tmp_path / "out"), pytest.raises(ConfigError, match="is in use"):
        predict_parts(data, models, CONFIG, out=tmp_path / "out", size=5)


@pytest.mark.parametrize(
    ("row", "field"),
    [
        ("{", "line 1"),
        ("{}", "part: None"),
        ("3", "part: None"),
        ("[]", "part: None"),
        ('{"part": []}', "part: []"),
        ('{"part": true, "file": "f", "record": "r", "fault": "x"}', "part: True"),
        ('{"part": 0}', "file: None"),
        ('{"part": 0, "file": "f", "record": 1e999, "fault": "x"}', "record: inf"),
        (r'{"part": 0, "file": "f", "record": "r", "fault": "\ud800"}', r"fault: '\ud800'"),
    ],
)
def test_a_damaged_list_of_skipped_records_is_told_of(models: Models, data: Path, tmp_path: Path, row: str, field: str):
    out = tmp_path / "out"
    predict_parts(data, models, CONFIG, out=out, size=8)
    (out / "skipped.jsonl").write_text(row + "\n")
    with pytest.raises(DataError, match=r"skipped\.jsonl: line 1") as caught:
        predict_parts(data, models, CONFIG, out=out, size=8)
    assert field in str(caught.value)
