"""Questions without a text: of tables only id and question count, other files are read as ever."""

import json
from pathlib import Path

import pytest

from qakit.data.corpus import read_corpus_questions
from qakit.data.records import Dataset
from qakit.data.schemas import read_dataset
from qakit.errors import ConfigError, DataError
from qakit.io import write_parquet
from tests.data.samples import save, squad


def asked(dataset: Dataset) -> list[tuple[str, str]]:
    return [(record.id, record.question) for record in dataset]


@pytest.mark.parametrize(
    ("name", "content", "schema"),
    [
        ("a.jsonl", '{"id": 1, "question": "何？"}\n{"id": "b", "question": "誰？", "context": 3}\n', "jsonl"),
        ("a.csv", "id,question\n1,何？\nb,誰？\n", "csv"),
    ],
)
def test_a_table_needs_no_texts(name: str, content: str, schema: str, tmp_path: Path):
    dataset = read_corpus_questions(save(tmp_path / name, content))
    assert asked(dataset) == [("1", "何？"), ("b", "誰？")]
    assert (dataset.schema, dataset.files) == (schema, (tmp_path / name,))


def test_questions_without_ids_are_numbered_and_it_is_said(tmp_path: Path):
    write_parquet(tmp_path / "a.parquet", {"question": ["何？", "誰？"]})
    dataset = read_corpus_questions(tmp_path / "a.parquet")
    assert (asked(dataset), dataset.schema) == ([("0", "何？"), ("1", "誰？")], "parquet")
    assert dataset.notes[0].startswith("2 questions have no id")
    assert asked(read_corpus_questions(save(tmp_path / "one", '{"question": "何？"}'))) == [("0", "何？")]


def test_bad_questions_are_named_or_left_out(tmp_path: Path):
    rows = [{"id": 1, "question": "何？"}, {"id": 1, "question": "誰？"}, {"id": 2, "question": " "}, {"question": "a"}]
    path = save(tmp_path / "a.jsonl", "\n".join(map(json.dumps, rows)) + "\n{")
    with pytest.raises(DataError) as caught:
        read_corpus_questions(path)
    assert [problem.record.split(" (")[0] for problem in caught.value.problems] == [f"line {n}" for n in (2, 3, 4, 5)]
    assert [problem.field for problem in caught.value.problems] == ["id", "question", "id", "JSON"]
    dataset = read_corpus_questions(path, lenient=True)
    assert (asked(dataset), dataset.skipped) == ([("1", "何？")], 4)
    with pytest.raises(DataError, match="no valid record is left"):
        read_corpus_questions(save(path, '{"question": 3}\n{"question": 4}'), lenient=True)


def test_other_schemas_are_read_as_ever(tmp_path: Path):
    path = save(tmp_path / "a.json", squad("甲", []))
    assert read_corpus_questions(path) == read_dataset([path])
    with pytest.raises(DataError, match="schema: is not recognised"):
        read_corpus_questions(save(tmp_path / "a.csv", "a,b\n1,2\n"))
    with pytest.raises(ConfigError, match="is for ADL files"):
        read_corpus_questions(save(tmp_path / "b.csv", "question\n何？\n"), context=tmp_path / "c.json")
