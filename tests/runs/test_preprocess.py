"""Preprocessing: conversion loses nothing, splits hide what contestants must not see, and all is written or nothing."""

import json
from pathlib import Path

import pytest

from qakit.config import PreprocessConfig, WindowSettings
from qakit.data.predictions import read_predictions
from qakit.data.records import Answer, Paragraph, Record
from qakit.data.schemas import SCHEMAS, read_dataset, write_dataset
from qakit.errors import CheckpointError, ConfigError, DataError
from qakit.runs.preprocess import preprocess

SUFFIXES = {"jsonl": ".jsonl", "csv": ".csv", "parquet": ".parquet"}
SPLIT = (0.7, 0.15, 0.15)


def save(path: Path, records: list[Record], schema: str = "jsonl") -> Path:
    return write_dataset(records, path, schema)[0]


def records_of(count: int, *, articles: int = 3) -> list[Record]:
    """Questions on paragraphs of articles, with ids that HW7 cannot hold."""
    return [
        Record(
            f"{number:03}", f"第{number}問？", (Paragraph(f"{n}-0", f"第{n}段話。", f"t{n}"),), 0, (Answer("段", 2),)
        )
        for number in range(count)
        for n in [number % articles]
    ]


def said(path: Path) -> list[tuple[str, str, tuple[Answer, ...]]]:
    """What a file asks and answers, whatever it calls things and in whatever order."""
    return sorted((record.question, record.context, record.answers) for record in read_dataset([path]))


@pytest.fixture(scope="module")
def in_every_schema(sample_data: Path, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """The same questions of the sample data in every schema: those that even the poorest of them can hold."""
    folder = tmp_path_factory.mktemp("schemas")
    records = read_dataset([sample_data / "source.json"]).records[:40]
    first = [r for r in records if r.span and r.context.find(r.span.text) == r.span.start]
    assert len(first) >= 30
    paths = {schema: folder / schema / f"data{SUFFIXES.get(schema, '.json')}" for schema in SCHEMAS}
    return {schema: save(path, first, schema) for schema, path in paths.items()}


@pytest.mark.parametrize("target", SCHEMAS)
def test_every_schema_converts_to_every_other_without_loss(
    target: str, in_every_schema: dict[str, Path], tmp_path: Path
):
    for source, path in in_every_schema.items():
        result = preprocess([path], PreprocessConfig(to=target), out=tmp_path / source)
        written = tmp_path / source / f"data{SUFFIXES.get(target, '.json')}"
        assert result.files[0] == written
        assert read_dataset([written]).schema == target
        assert said(written) == said(path)


def test_the_schema_of_the_input_is_kept_when_none_is_named(in_every_schema: dict[str, Path], tmp_path: Path):
    for schema, path in in_every_schema.items():
        preprocess([path], PreprocessConfig(), out=tmp_path / schema)
        assert read_dataset([tmp_path / schema / path.name]).schema == schema


@pytest.mark.parametrize(
    ("schema", "names", "gold"),
    [
        ("hw7", ["hw7_train", "hw7_dev", "hw7_test"], "hw7_test_gold.csv"),
        ("adl2021", ["train", "public", "private"], "private_gold.csv"),
        ("adl2022", ["train", "valid", "test"], "test_gold.csv"),
        ("drcd", ["train", "valid", "test"], None),
        ("jsonl", ["train", "valid", "test"], None),
    ],
)
def test_the_parts_of_a_split_have_the_names_of_the_contest_and_only_its_test_part_is_hidden(
    schema: str, names: list[str], gold: str | None, sample_data: Path, tmp_path: Path
):
    source = read_dataset([sample_data / "source.json"])
    result = preprocess([sample_data / "source.json"], PreprocessConfig(to=schema, split=SPLIT), out=tmp_path)
    parts = [read_dataset([tmp_path / f"{name}{SUFFIXES.get(schema, '.json')}"]) for name in names]
    assert sorted(r.question for part in parts for r in part) == sorted(r.question for r in source)
    assert list(result.report) == names
    assert set(result.files) == set(tmp_path.iterdir())
    labelled = [{record.is_labelled for record in part} for part in parts]
    assert labelled == [{True}, {True}, {gold is None}]
    assert [path.name for path in tmp_path.iterdir() if "gold" in path.name] == [gold] * (gold is not None)


@pytest.mark.parametrize("schema", ["hw7", "adl2021", "adl2022"])
def test_the_gold_file_holds_the_hidden_answers_by_the_ids_of_the_test_file(schema: str, tmp_path: Path):
    source = save(tmp_path / "source.jsonl", records_of(30, articles=10))
    preprocess([source], PreprocessConfig(to=schema, split=SPLIT), out=tmp_path / "out")
    (gold,) = (tmp_path / "out").glob("*_gold.csv")
    test = read_dataset([gold.with_name(gold.name.replace("_gold.csv", ".json"))])
    assert read_predictions(gold) == {record.id: "段" for record in test}
    assert list(read_predictions(gold)) == [record.id for record in test]


def test_a_hidden_question_with_candidates_does_not_tell_the_relevant_one(sample_data: Path, tmp_path: Path):
    config = PreprocessConfig(to="adl2022", split=SPLIT, candidates=3, negatives="random")
    preprocess([sample_data / "source.json"], config, out=tmp_path)
    assert '"relevant"' not in (tmp_path / "test.json").read_text(encoding="utf-8")
    for name in ("train", "valid", "test"):
        records = read_dataset([tmp_path / f"{name}.json"]).records
        assert {len(record.paragraphs) for record in records} == {3}
        assert {record.relevant is None for record in records} == {name == "test"}


def test_the_first_annotator_is_kept_on_demand(tmp_path: Path):
    answers = (Answer("段", 2), Answer("話", 3))
    source = save(tmp_path / "a.jsonl", [Record("1", "何？", (Paragraph("0", "第0段話。"),), 0, answers)])
    with pytest.raises(ConfigError, match=r"2 answers.*--first-answer"):
        preprocess([source], PreprocessConfig(to="adl2022"), out=tmp_path / "out")
    preprocess([source], PreprocessConfig(to="adl2022", first_answer=True), out=tmp_path / "out")
    assert read_dataset([tmp_path / "out" / "a.json"]).records[0].answers == answers[:1]


def test_nothing_is_written_when_a_later_input_is_bad_or_does_not_fit(tmp_path: Path):
    good = save(tmp_path / "good.jsonl", records_of(3))
    bad = tmp_path / "bad.jsonl"
    bad.write_text('{"id": "1"}\n', encoding="utf-8")
    several = Record("1", "何？", (Paragraph("0", "甲"), Paragraph("1", "乙")), 0, (Answer("甲", 0),))
    repeated = Record("1", "何？", (Paragraph("0", "甲甲"),), 0, (Answer("甲", 1),))
    many = save(tmp_path / "many.jsonl", [several])
    later = save(tmp_path / "later.jsonl", [repeated])
    for other, schema, error in (
        (bad, "hw7", DataError),
        (many, "hw7", ConfigError),
        (later, "cmrc-flat", ConfigError),
    ):
        with pytest.raises(error):
            preprocess([good, other], PreprocessConfig(to=schema), out=tmp_path / "out")
    with pytest.raises(CheckpointError):
        preprocess([good], PreprocessConfig(tokenizer=str(tmp_path / "none")), out=tmp_path / "out")
    with pytest.raises(ConfigError, match="same name"):
        preprocess([good, tmp_path / "x" / "good.jsonl"], PreprocessConfig(), out=tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_without_a_folder_files_are_only_checked(tmp_path: Path):
    source = save(tmp_path / "a.jsonl", records_of(3))
    result = preprocess([source], PreprocessConfig())
    assert (result.files, list(tmp_path.iterdir())) == ((), [source])


def test_an_unknown_schema_is_refused_with_the_known_ones():
    with pytest.raises(ConfigError, match="--to hw8: expected one of hw7, adl2021"):
        preprocess([Path("none.json")], PreprocessConfig(to="hw8"))


def test_skipped_records_are_told(tmp_path: Path):
    source = save(tmp_path / "a.jsonl", records_of(3))
    with open(source, "a", encoding="utf-8") as file:
        file.write('{"id": "x", "question": "", "context": "甲"}\n')
    result = preprocess([source], PreprocessConfig(), lenient=True)
    assert "1 bad records skipped" in result.notes
    assert result.report["a"]["questions"] == 3


def test_files_of_one_name_are_compared_but_not_written_and_a_file_is_not_given_twice(tmp_path: Path):
    paths = [save(tmp_path / name / "a.jsonl", records_of(3)) for name in ("one", "two")]
    result = preprocess(paths, PreprocessConfig())
    assert list(result.report) == ["one/a", "two/a"]
    assert [(leak.first, leak.second, leak.questions.count) for leak in result.leaks] == [("one/a", "two/a", 3)]
    with pytest.raises(ConfigError, match="same name"):
        preprocess(paths, PreprocessConfig(), out=tmp_path / "out")
    with pytest.raises(ConfigError, match="twice"):
        preprocess([paths[0], paths[0]], PreprocessConfig())


def test_the_parts_of_a_split_are_compared(tmp_path: Path):
    source = save(tmp_path / "a.jsonl", [*records_of(30, articles=10)])
    result = preprocess([source], PreprocessConfig(split=SPLIT))
    assert [(leak.first, leak.second, leak.paragraphs.count) for leak in result.leaks] == [
        ("train", "valid", 0),
        ("train", "test", 0),
        ("valid", "test", 0),
    ]


def test_repairs_are_listed_beside_the_outputs_and_nothing_is_repaired_unasked(tmp_path: Path):
    source = tmp_path / "a.jsonl"
    row = {"id": "1", "question": "何？", "context": "第一段話。", "answers": [{"text": "段", "start": 7}]}
    source.write_text(json.dumps(row) + "\n", encoding="utf-8")
    with pytest.raises(DataError, match="the context has it at 2"):
        preprocess([source], PreprocessConfig(), out=tmp_path / "out")
    result = preprocess([source], PreprocessConfig(repair=True), out=tmp_path / "out")
    assert [str(repair) for repair in result.repairs] == [f"{source}: 1: answers.start: 7 -> 2 (its only place, -5)"]
    listing = tmp_path / "out" / "repairs.jsonl"
    assert result.files == (tmp_path / "out" / "a.jsonl", listing)
    assert [json.loads(line) for line in listing.read_text(encoding="utf-8").splitlines()] == [
        {"file": str(source), "record": "1", "field": "answers.start", "before": 7, "after": 2}
        | {"how": "its only place, -5"}
    ]
    assert read_dataset([tmp_path / "out" / "a.jsonl"]).records[0].span == Answer("段", 2)
    preprocess([tmp_path / "out" / "a.jsonl"], PreprocessConfig(repair=True), out=tmp_path / "again")
    assert (tmp_path / "again" / "repairs.jsonl").read_bytes() == b""  # so that no older list is taken for this one's
    assert (tmp_path / "again" / "a.jsonl").read_bytes() == (tmp_path / "out" / "a.jsonl").read_bytes()


@pytest.mark.parametrize(
    ("step", "windows", "reach"),
    [(4, 4.0, 100.0), (8, 3.0, 50.0)],  # windows of 8 tokens from 0, 4, 8, 12 and from 0, 8, 16
)
def test_the_window_report_is_as_counted_by_hand(
    step: int, windows: float, reach: float, sample_data: Path, tmp_path: Path
):
    context = Paragraph("0", "山河湖海風雲林石田山河湖海風雲林石田山河")  # 20 characters, each a token
    records = [
        Record("1", "山河湖海風", (context,), 0, (Answer("石田", 7),)),  # tokens 7 and 8; 16 - 5 - 3 are left
        Record("2", "風海湖河山", (context,), 0, (Answer("海", 3),)),
    ]
    settings = WindowSettings(max_length=16, step=step)
    config = PreprocessConfig(tokenizer=str(sample_data / "tokenizer"), windows=settings)
    report = preprocess([save(tmp_path / "a.jsonl", records)], config).report["a"]
    assert report["windows"] == {
        "max_length": 16,
        "per_question": windows,
        "longest_answer": 2,
        "answers_in_reach": reach,
    }
    assert (report["questions"], report["paragraphs"], report["schema"]) == (2, 1, "jsonl")


def test_reachability_is_measured_and_drawn_on_demand_in_tokens_of_the_bundled_model(tmp_path: Path):
    source = save(tmp_path / "資料.jsonl", records_of(3))
    candidates = Record("9", "何？", (Paragraph("0", "甲"), Paragraph("1", "乙")))
    unknown = save(tmp_path / "test.jsonl", [candidates])
    config = PreprocessConfig(reachability=True, lengths=(32, 64), overlaps=(0,))
    result = preprocess([source, unknown], config, out=tmp_path / "out")
    assert [(reach.max_length, reach.held) for reach in result.reach["資料"]] == [(32, 100.0), (64, 100.0)]
    assert list(result.reach) == ["資料"]
    assert any(note.startswith("test: no windows") for note in result.notes)
    assert {path.name for path in result.files} >= {"reachability.svg", "reachability.png"}
    assert set(result.files) == set((tmp_path / "out").iterdir())
    assert preprocess([source], PreprocessConfig()).reach == {}


def test_converted_data_is_written_and_told_of(tmp_path: Path):
    asked = Record("1", "头发？", (Paragraph("0", "内存和头发"),), 0, (Answer("头发", 3),))
    result = preprocess([save(tmp_path / "a.jsonl", [asked])], PreprocessConfig(script="s2twp"), out=tmp_path / "out")
    (record,) = read_dataset([tmp_path / "out" / "a.jsonl"])
    assert (record.question, record.context, record.span) == ("頭髮？", "記憶體和頭髮", Answer("頭髮", 4))
    assert result.notes[0].startswith("a, s2twp: all 1 answers stand where they say; 0 began")
