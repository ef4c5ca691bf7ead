"""Every schema is read as published, and its peculiarities are known."""

import json
from pathlib import Path
from typing import Any

import pytest

from qakit.data.records import Answer, Paragraph
from qakit.data.schemas import read_dataset, write_dataset
from qakit.errors import ConfigError, DataError
from tests.data.samples import record_of, save, squad

# --- the published files ---------------------------------------------------------------------------------------------

PUBLISHED = [
    ("hw7/hw7_train.json", "hw7", 2482, 2482),
    ("hw7/hw7_dev.json", "hw7", 487, 487),
    ("hw7/hw7_test.json", "hw7", 555, 0),
    ("adl2022/train.json", "adl2022", 2482, 2482),
    ("adl2022/valid.json", "adl2022", 487, 487),
    ("adl2022/test.json", "adl2022", 555, 0),
    ("adl2021/train.json", "adl2021", 416, 416),
    ("adl2021/public.json", "adl2021", 268, 268),
    ("adl2021/private.json", "adl2021", 124, 0),
    ("drcd/DRCD_dev.json", "drcd", 3524, 3524),
    ("cmrc2018/cmrc2018_dev.json", "cmrc", 3219, 3219),
    ("xquad/xquad.zh.json", "squad", 1190, 1190),
    ("squad2-zh/dev-v2.0-zh.json", "squad2", 9936, 9936),
]


@pytest.mark.parametrize(("name", "schema", "count", "labelled"), PUBLISHED)
def test_published_file(real_data: Path, tmp_path: Path, name: str, schema: str, count: int, labelled: int) -> None:
    dataset = read_dataset([real_data / name])
    assert (dataset.schema, len(dataset), dataset.skipped) == (schema, count, 0)
    assert sum(record.is_labelled for record in dataset) == labelled
    if schema != "adl2022" and schema != "adl2021":  # their paragraph ids are those of a shared list
        written = write_dataset(dataset, tmp_path / "copy.json", schema)
        assert read_dataset(written).records == dataset.records


def test_the_questions_of_drcd_share_their_paragraphs(real_data: Path) -> None:
    dataset = read_dataset([real_data / "drcd/DRCD_dev.json"])
    assert len({id(record.paragraphs[0]) for record in dataset}) == 1000
    first = dataset.records[0]
    assert (first.id, first.paragraphs[0].id, first.paragraphs[0].title) == ("1147-5-1", "1147-5", "梵文")
    assert all(len(record.answers) == 2 for record in dataset)


def test_cmrc_notes_free_texts_and_utf16_offsets(real_data: Path) -> None:
    dataset = read_dataset([real_data / "cmrc2018/cmrc2018_dev.json"])
    assert sum(answer.start is None for record in dataset for answer in record.answers) == 193
    free, converted = dataset.notes
    assert free.startswith("193 answers")
    assert converted.startswith("7 answer offsets counted UTF-16 units")


def test_cmrc_trial_has_two_empty_questions(real_data: Path) -> None:
    path = real_data / "cmrc2018/cmrc2018_trial.json"
    with pytest.raises(DataError) as caught:
        read_dataset([path])
    assert [problem.message for problem in caught.value.problems] == ["is empty", "is empty"]
    dataset = read_dataset([path], lenient=True)
    assert (len(dataset), dataset.skipped) == (1000, 2)
    assert dataset.notes == ("5 answer offsets counted UTF-16 units and were converted to characters",)


# --- reading ---------------------------------------------------------------------------------------------------------


def test_utf16_offset_is_converted_in_cmrc_only(tmp_path: Path) -> None:
    context, answers = "𠀀𠀁甲乙丙", [{"text": "乙", "answer_start": 5}]
    dataset = read_dataset([save(tmp_path / "c.json", squad(context, answers, version="v1.0"))])
    assert record_of(dataset).answers == (Answer("乙", 3),)
    assert dataset.notes == ("1 answer offsets counted UTF-16 units and were converted to characters",)
    with pytest.raises(DataError, match="the context has it at 3"):
        read_dataset([save(tmp_path / "s.json", squad(context, answers, version="1.1"))])


def test_offset_that_fits_as_it_is_is_not_converted(tmp_path: Path) -> None:
    path = save(tmp_path / "c.json", squad("𠀀甲甲甲", [{"text": "甲", "answer_start": 2}], version="v1.0"))
    dataset = read_dataset([path])
    assert record_of(dataset).answers == (Answer("甲", 2),)
    assert dataset.notes == ()


def test_wrong_offset_before_a_rare_character_is_refused(tmp_path: Path) -> None:
    path = save(tmp_path / "c.json", squad("𠀀甲乙", [{"text": "乙", "answer_start": 1}], version="v1.0"))
    with pytest.raises(DataError, match="the context has it at 2"):
        read_dataset([path])


def test_minus_one_is_a_free_text_in_cmrc_only(tmp_path: Path) -> None:
    answers = [{"text": "丁", "answer_start": -1}, {"text": "乙", "answer_start": 1}]
    record = record_of(read_dataset([save(tmp_path / "c.json", squad("甲乙", answers, version="v1.0"))]))
    assert record.answers == (Answer("丁", None), Answer("乙", 1))
    assert record.span == Answer("乙", 1)
    with pytest.raises(DataError, match="-1 is negative"):
        read_dataset([save(tmp_path / "s.json", squad("甲乙", answers))])


def test_cmrc_flat_takes_the_first_place_and_says_so(tmp_path: Path) -> None:
    question = {"query_id": "Q", "query_text": "何？", "answers": ["乙", "甲", "丁"]}
    value = [{"context_id": "C", "context_text": "甲乙甲", "title": "t", "qas": [question]}]
    dataset = read_dataset([save(tmp_path / "f.json", value)])
    assert record_of(dataset).answers == (Answer("乙", 1), Answer("甲", 0), Answer("丁", None))
    assert [note.split(" answers")[0] for note in dataset.notes] == ["1", "1"]
    assert "more than once" in dataset.notes[0]
    assert "free texts" in dataset.notes[1]


@pytest.mark.parametrize(
    ("answers", "extra", "schema"),
    [
        ([{"text": "乙", "answer_start": 1}], {}, "cmrc"),
        ([{"text": "乙", "answer_start": 1}], {"version": "v1.0"}, "cmrc"),
        ([{"text": "乙", "answer_start": 1}], {"version": "v2.0"}, "squad2"),
        ([{"text": "乙", "answer_start": 1, "id": "1"}], {}, "drcd"),
    ],
)
def test_squad_family_is_told_apart(
    answers: list[dict[str, Any]], extra: dict[str, Any], schema: str, tmp_path: Path
) -> None:
    value = squad("甲乙", answers, **extra)
    value["data"][0]["paragraphs"][0]["id"] = "DEV_0"
    if schema == "drcd":
        value["data"][0]["id"] = "7"
    assert read_dataset([save(tmp_path / "x.json", value)]).schema == schema


def test_suffix_does_not_matter_for_json_and_jsonl(tmp_path: Path) -> None:
    row = {"id": "a", "question": "何？", "context": "甲乙", "answers": {"text": ["乙"], "answer_start": [1]}}
    lines = json.dumps(row) + "\n" + json.dumps(row | {"id": "b"}) + "\n"
    assert len(read_dataset([save(tmp_path / "data.json", lines)])) == 2
    assert len(read_dataset([save(tmp_path / "one.txt", json.dumps(row))])) == 1
    assert read_dataset([save(tmp_path / "one.jsonl", json.dumps(row))]).schema == "jsonl"
    table = "id,question,context,answer,answer_start\na,何？,甲乙,乙,1\n"
    assert read_dataset([save(tmp_path / "table.txt", table)]).records[0].answers == (Answer("乙", 1),)


def test_rows_without_ids_are_numbered_through_all_files(tmp_path: Path) -> None:
    table = "question,context,answer,answer_start\n何？,甲乙,乙,1\n誰？,甲乙,甲,0\n"
    paths = [save(tmp_path / f"{name}.csv", table) for name in "ab"]
    dataset = read_dataset(paths)
    assert [record.id for record in dataset] == ["0", "1", "2", "3"]
    assert dataset.notes == (
        "4 questions have no id, since the file has no column for it: they are numbered by row, from 0",
    )
    assert len({id(record.paragraphs[0]) for record in dataset}) == 1


def test_line_separators_inside_strings_do_not_end_a_json_line(tmp_path: Path) -> None:
    row = {"id": "a", "question": "何\u2028？", "context": "甲\u0085乙"}
    path = save(tmp_path / "a.jsonl", json.dumps(row, ensure_ascii=False) + "\r\n")
    assert record_of(read_dataset([path])).context == "甲\u0085乙"


def test_partly_unlabelled_data_is_noted(tmp_path: Path) -> None:
    rows = [{"id": name, "question": "何？", "context": "甲乙", "answers": []} for name in "ab"]
    rows[0]["answers"] = [{"text": "乙", "start": 1}]
    dataset = read_dataset([save(tmp_path / "a.jsonl", "\n".join(map(json.dumps, rows)))])
    assert dataset.notes == ("1 of 2 questions have no answer and are not marked impossible",)


def test_context_file_can_be_named(tmp_path: Path) -> None:
    questions = [
        {"id": "x", "question": "何？", "paragraphs": [1, 0], "relevant": 0, "answer": {"text": "乙", "start": 1}}
    ]
    path = save(tmp_path / "q.json", questions)
    (tmp_path / "elsewhere").mkdir()
    context = save(tmp_path / "elsewhere" / "texts.json", ["甲乙", "丙"])
    record = record_of(read_dataset([path], context=context))
    assert record.relevant == 1
    assert record.paragraphs == (Paragraph("1", "丙"), Paragraph("0", "甲乙"))
    with pytest.raises(DataError, match=r"no context\.json beside the file"):
        read_dataset([path])
    with pytest.raises(ConfigError, match=r"is for ADL files, but .* is squad"):
        read_dataset([save(tmp_path / "s.json", squad("甲", []))], context=context)


def test_all_mistakes_of_all_files_come_at_once(tmp_path: Path) -> None:
    good = {"text": "乙", "answer_start": 1}
    first = squad("甲乙", [good])
    first["data"][0]["paragraphs"][0]["qas"] += [
        {"id": 1.5, "answers": [good]},
        {"id": "z", "question": "", "answers": []},
    ]
    paths = [
        save(tmp_path / "a.json", first),
        save(tmp_path / "b.json", "{"),
        save(tmp_path / "c.json", squad("甲乙", [good])),
        tmp_path / "absent.json",
    ]
    with pytest.raises(DataError) as caught:
        read_dataset(paths)
    found = {(Path(problem.file).name, problem.record, problem.field) for problem in caught.value.problems}
    assert found == {
        ("a.json", "data[0].paragraphs[0].qas[1]", "id"),
        ("a.json", "data[0].paragraphs[0].qas[1]", "question"),
        ("a.json", 'data[0].paragraphs[0].qas[2] (id "z")', "question"),
        ("b.json", "whole file", "JSON"),
        ("c.json", 'data[0].paragraphs[0].qas[0] (id "DEV_0_QUERY_0")', "id"),
        ("absent.json", "whole file", "file"),
    }


def test_the_same_file_twice_repeats_its_ids(tmp_path: Path) -> None:
    path = save(tmp_path / "a.json", squad("甲乙", []))
    with pytest.raises(DataError, match="is already the id of"):
        read_dataset([path, path])


def test_files_of_two_schemas_are_one_dataset_of_the_first_ones_schema_and_a_note_says_so(tmp_path: Path) -> None:
    row = {"id": "a", "question": "何？", "context": "甲乙"}
    paths = [save(tmp_path / "a.json", squad("甲乙", [])), save(tmp_path / "b.jsonl", json.dumps(row))]
    dataset = read_dataset(paths)
    assert (dataset.schema, [record.id for record in dataset]) == ("squad", ["DEV_0_QUERY_0", "a"])
    assert dataset.notes == ("files of several schemas are read as one dataset: squad, jsonl",)
    turned = read_dataset(paths[::-1])
    assert (turned.schema, turned.records) == ("jsonl", dataset.records[::-1])
    assert turned.notes == ("files of several schemas are read as one dataset: jsonl, squad",)
    assert read_dataset(paths[:1]).notes == ()


def test_ids_must_differ_over_files_of_two_schemas(tmp_path: Path) -> None:
    row = {"id": "DEV_0_QUERY_0", "question": "何？", "context": "甲乙"}
    paths = [save(tmp_path / "a.json", squad("甲乙", [])), save(tmp_path / "b.jsonl", json.dumps(row))]
    with pytest.raises(DataError, match="is already the id of"):
        read_dataset(paths)


@pytest.mark.parametrize("name", ["data", "data.json", "data.csv", "data.txt", "data.parquet"])
def test_a_folder_is_no_data_file(tmp_path: Path, name: str) -> None:
    (tmp_path / name).mkdir()
    with pytest.raises(DataError) as caught:
        read_dataset([tmp_path / name])
    (problem,) = caught.value.problems
    assert (problem.file, problem.record) == (str(tmp_path / name), "whole file")
    assert "Is a directory" in problem.message


def test_no_file_and_no_record(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="no data file"):
        read_dataset([])
    path = save(tmp_path / "a.jsonl", '{"id": "a", "question": "", "context": "甲"}\n{"question": 3}\n')
    with pytest.raises(DataError) as caught:
        read_dataset([path], lenient=True)
    assert caught.value.problems[-1].message == "no valid record is left"
    assert len(caught.value.problems) > 1


def test_missing_key_names_the_likely_one(tmp_path: Path) -> None:
    path = save(tmp_path / "a.json", squad("甲乙", [{"text": "乙", "answer_strat": 1}]))
    with pytest.raises(DataError, match=r"answers\[0\]\.answer_start: is missing; .*is 'answer_strat' a misspelling"):
        read_dataset([path])
