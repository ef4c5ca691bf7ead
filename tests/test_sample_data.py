"""The sample data: large enough, split without overlap, made by `data/make.py` as it is, with a tokenizer for all."""

import importlib.util
import json
import subprocess
import sys
from pathlib import Path

import pytest

from qakit.data.predictions import read_predictions
from qakit.data.records import Dataset
from qakit.data.schemas import read_dataset

REPOSITORY = Path(__file__).resolve().parents[1]
PARTS = {
    "hw7": ("hw7_train.json", "hw7_dev.json", "hw7_test.json"),
    "adl": ("train.json", "valid.json", "test.json"),
}
GOLD = {"hw7": "hw7_test_gold.csv", "adl": "test_gold.csv"}


def parts_of(folder: Path) -> list[Dataset]:
    return [read_dataset([folder / name]) for name in PARTS[folder.name]]


def texts_of(dataset: Dataset) -> set[str]:
    return {paragraph.text for record in dataset for paragraph in record.paragraphs}


@pytest.fixture(scope="module")
def source(sample_data: Path) -> Dataset:
    return read_dataset([sample_data / "source.json"])


def test_the_source_is_large_enough_and_every_question_has_an_answer(source: Dataset):
    assert len(texts_of(source)) >= 60
    assert len(source) >= 240
    assert all(record.span is not None for record in source)
    assert len({record.question for record in source}) == len(source)


@pytest.mark.parametrize("course", PARTS)
def test_every_question_is_in_one_part_and_no_paragraph_is_in_two(course: str, source: Dataset, sample_data: Path):
    train, dev, test = parts_of(sample_data / course)
    questions = [record.question for part in (train, dev, test) for record in part]
    assert sorted(questions) == sorted(record.question for record in source)
    assert texts_of(train).isdisjoint(texts_of(dev))
    assert texts_of(train).isdisjoint(texts_of(test))
    assert texts_of(dev).isdisjoint(texts_of(test))


def test_adl_questions_have_four_paragraphs_with_the_right_one_at_every_place(sample_data: Path):
    train, dev, test = parts_of(sample_data / "adl")
    assert {len(record.paragraphs) for part in (train, dev, test) for record in part} == {4}
    assert {record.relevant for record in train} == {0, 1, 2, 3}


@pytest.mark.parametrize("course", PARTS)
def test_the_test_part_tells_no_answer_and_its_gold_file_has_them_all(course: str, source: Dataset, sample_data: Path):
    test = parts_of(sample_data / course)[-1]
    assert not any(record.is_labelled for record in test)
    gold = read_predictions(sample_data / course / GOLD[course])
    assert list(gold) == [record.id for record in test]
    answers = {record.question: record.references[0] for record in source}
    commas = "," if course == "hw7" else ""
    assert [gold[record.id] for record in test] == [answers[record.question].replace(commas, "") for record in test]


def test_the_contest_files_are_what_the_script_makes_now(sample_data: Path, tmp_path: Path):
    spec = importlib.util.spec_from_file_location("sample_data_make", sample_data / "make.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    module.make_contest_files(tmp_path)
    made = {path.relative_to(tmp_path): path.read_bytes() for path in tmp_path.rglob("*") if path.is_file()}
    kept = {
        path.relative_to(sample_data): path.read_bytes()
        for course in PARTS
        for path in (sample_data / course).iterdir()
    }
    assert made.keys() == kept.keys()
    assert [name for name in made if made[name] != kept[name]] == []


def test_the_tokenizer_knows_every_character_of_the_source(source: Dataset, sample_data: Path):
    from qakit.modeling.loading import load_tokenizer

    tokenizer = load_tokenizer(sample_data / "tokenizer")
    characters = sorted(
        set("".join(texts_of(source)) + "".join(record.question for record in source)) - set(" \n\u3000")
    )
    encoded = tokenizer(characters, add_special_tokens=False)["input_ids"]
    unknown = [char for char, ids in zip(characters, encoded, strict=True) if not ids or tokenizer.unk_token_id in ids]
    assert unknown == []
    assert tokenizer.unk_token_id in tokenizer("鑫", add_special_tokens=False)["input_ids"]


def test_the_source_is_written_as_squad_writes_it(sample_data: Path):
    text = (sample_data / "source.json").read_text(encoding="utf-8")
    assert json.loads(text)["version"] == "1.1"
    assert "\\u" not in text


def test_the_parts_of_drcds_dev_file_are_those_of_the_model_in_the_box(real_data: Path, tmp_path: Path):
    command = [
        sys.executable,
        REPOSITORY / "data" / "drcd_dev_parts.py",
        real_data / "drcd" / "DRCD_dev.json",
        tmp_path,
    ]
    subprocess.run(command, check=True)
    for part, count in (("train", 2482), ("dev", 487), ("test", 555)):
        made = read_dataset([tmp_path / f"{part}.json"])
        known = read_dataset([real_data / "hw7" / f"hw7_{part}.json"])
        assert len(made) == count
        assert [(record.question, record.context) for record in made] == [
            (record.question, record.context) for record in known
        ]


def test_another_file_than_drcds_dev_file_is_refused(tmp_path: Path):
    (tmp_path / "train.json").write_text('{"data": [{"id": "1"}]}')
    command = [sys.executable, REPOSITORY / "data" / "drcd_dev_parts.py", tmp_path / "train.json", tmp_path / "out"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 1
    assert "other articles than DRCD's dev file" in done.stderr
    assert not (tmp_path / "out").exists()
