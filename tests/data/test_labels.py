"""Files of intents and of tagged words are read strictly, told apart from all others, and every mistake is named."""

import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from qakit.data.labels import (
    LabelPrediction,
    TextRecord,
    WordsRecord,
    read_labelled,
    read_labels,
    render_labels,
    schema_of,
    single_record,
)
from qakit.data.schemas import read_dataset
from qakit.errors import ConfigError, DataError, RecordError
from qakit.io import write_json, write_jsonl, write_text
from qakit.tasks.registry import TASKS

INTENT = {"id": "a", "text": "book a table", "intent": "book"}
SCHEMAS = {name: TASKS[name].schema for name in ("intent", "slots")}
SLOTS = {"id": "a", "tokens": ["at", "nine", "pm"], "tags": ["O", "B-time", "I-time"]}


def name_of(path: Path) -> str | None:
    found = schema_of(path, list(SCHEMAS.values()))
    return found.name if found else None


def written(folder: Path, *records: object, name: str = "data.json") -> Path:
    write_json(folder / name, list(records))
    return folder / name


def problems(path: Path, schema: str, **options: object) -> list[str]:
    with pytest.raises(DataError) as caught:
        read_labelled([path], SCHEMAS[schema], **options)
    return [str(problem).removeprefix(f"{path}: ") for problem in caught.value.problems]


def test_intents_are_read(tmp_path: Path):
    path = written(tmp_path, INTENT, {**INTENT, "id": 7, "intent": "cancel"})
    data = read_labelled([path], SCHEMAS["intent"])
    assert data.records == (TextRecord("a", "book a table", "book"), TextRecord("7", "book a table", "cancel"))
    assert (data.schema, data.files, list(data.texts)) == ("intent", (path,), ["book a table"] * 2)


def test_slots_are_read(tmp_path: Path):
    (record,) = read_labelled([written(tmp_path, SLOTS)], SCHEMAS["slots"])
    assert record == WordsRecord("a", ("at", "nine", "pm"), ("O", "B-time", "I-time"))
    assert (record.text, record.label) == ("at nine pm", "O B-time I-time")
    assert [record.text[start:end] for start, end in record.word_spans] == ["at", "nine", "pm"]


@pytest.mark.parametrize(("schema", "record", "label"), [("intent", INTENT, "intent"), ("slots", SLOTS, "tags")])
def test_a_test_file_has_no_labels(tmp_path: Path, schema: str, record: dict[str, object], label: str):
    (found,) = read_labelled([written(tmp_path, {key: record[key] for key in record if key != label})], SCHEMAS[schema])
    assert found.label is None


def test_json_lines_csv_and_several_files_are_read_too(tmp_path: Path):
    write_jsonl(tmp_path / "a.jsonl", [INTENT])
    (tmp_path / "b.csv").write_text('id,text,intent\nb,"a, b",book\n', encoding="utf-8")
    data = read_labelled([tmp_path / "a.jsonl", tmp_path / "b.csv"], SCHEMAS["intent"])
    assert [(record.id, record.text) for record in data] == [("a", "book a table"), ("b", "a, b")]


def test_all_mistakes_are_told_at_once(tmp_path: Path):
    records = (INTENT, {**INTENT, "text": " "}, {"id": "b", "text": "x"}, {**INTENT, "id": None}, INTENT, "x")
    assert problems(written(tmp_path, *records), "intent") == [
        'records[1] (id "a"): text: is empty; expected a text',
        "records[2] (id \"b\"): intent: is missing; the object has 'id', 'text'; is 'text' a misspelling of it?",
        "records[3]: id: found null; expected a string or a whole number",
        f'records[4] (id "a"): id: \'a\' is already the id of {tmp_path / "data.json"}: records[0] (id "a"); '
        "ids must differ",
        "records[5]: value: found the string 'x'; expected an object",
    ]


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"tags": ["O", "O"]}, "tags: has 2 tags for 3 words; expected one a word"),
        ({"tags": ["O", "B x", "O"]}, "tags: 'B x' is empty or has white space"),
        ({"tokens": [], "tags": []}, "tokens: is empty; expected at least one word"),
        ({"tokens": ["at", " ", "pm"]}, "tokens[1]: is empty; expected a text"),
        ({"tokens": "at nine pm"}, "tokens: found the string 'at nine pm'; expected a list"),
        ({"id": ""}, "id: is empty"),
    ],
)
def test_a_wrong_sentence_is_refused(tmp_path: Path, change: dict[str, object], message: str):
    (found,) = problems(written(tmp_path, {**SLOTS, **change}), "slots")
    assert message in found


def test_lenient_leaves_bad_records_out(tmp_path: Path):
    data = read_labelled(
        [written(tmp_path, INTENT, {**INTENT, "id": "b", "text": ""})], SCHEMAS["intent"], lenient=True
    )
    assert (len(data), data.skipped) == (1, 1)
    assert "none is left" in problems(written(tmp_path, {**INTENT, "text": ""}), "intent", lenient=True)[-1]


def test_an_empty_list_and_a_file_of_the_other_task_are_refused(tmp_path: Path):
    assert problems(written(tmp_path), "intent") == ["whole file: records: none is left"]
    (found,) = problems(written(tmp_path, *[SLOTS] * 3), "intent")
    assert found == (
        'whole file: schema: has records of the keys id, tags, tokens; expected {"id", "text", "intent"}, '
        "for the task intent"
    )
    write_json(tmp_path / "object.json", {"a": 1})
    assert "expected a list of" in problems(tmp_path / "object.json", "intent")[0]
    with pytest.raises(ConfigError):
        read_labelled([], SCHEMAS["intent"])


def test_the_schema_is_told_from_the_first_record(tmp_path: Path, sample_data: Path):
    pretty = tmp_path / "pretty.json"
    pretty.write_text(json.dumps([SLOTS], indent=1), encoding="utf-8")
    write_jsonl(tmp_path / "lines.jsonl", [INTENT])
    (tmp_path / "table.csv").write_text('"id",text\na,b\n', encoding="utf-8")
    (tmp_path / "broken.json").write_text("[{", encoding="utf-8")
    assert name_of(written(tmp_path, INTENT)) == "intent"
    assert name_of(pretty) == "slots"
    assert name_of(tmp_path / "lines.jsonl") == "intent"
    assert name_of(tmp_path / "table.csv") == "intent"
    pretty.write_text(json.dumps(INTENT, indent=1), encoding="utf-8")
    assert name_of(pretty) == "intent"
    write_jsonl(tmp_path / "lines.jsonl", [{"tokens": ["a"]}])
    assert name_of(tmp_path / "lines.jsonl") == "slots"
    assert problems(tmp_path / "lines.jsonl", "slots") == ["line 1: id: is missing; the object has 'tokens'"]
    assert name_of(tmp_path / "broken.json") is None
    assert name_of(tmp_path / "absent.json") is None
    others = [path for path in sample_data.rglob("*.json") if "tokenizer" not in path.parts]
    assert others
    assert {name_of(path) for path in others} == {None}


def test_a_table_of_questions_is_none_of_intents(tmp_path: Path):
    (tmp_path / "q.csv").write_text("id,question,text\n", encoding="utf-8")
    assert name_of(tmp_path / "q.csv") is None


def test_a_reader_of_questions_tells_which_command_takes_them(tmp_path: Path):
    for record in (INTENT, SLOTS):
        with pytest.raises(DataError, match="texts with labels are for train-intent and train-slots"):
            read_dataset([written(tmp_path, record)])


def test_a_text_of_its_own(tmp_path: Path):
    assert single_record("a  b", SCHEMAS["slots"]).records == (WordsRecord("text", ("a", "b")),)
    assert single_record("a  b", SCHEMAS["intent"]).records == (TextRecord("text", "a  b"),)
    for text in (" ", "\udc80"):
        with pytest.raises(DataError):
            single_record(text, SCHEMAS["slots"])


def test_a_record_checks_itself():
    with pytest.raises(RecordError):
        WordsRecord("a", ("x",), ("O", "O"))
    with pytest.raises(RecordError):
        TextRecord("", "x")


NAMES = st.text(st.characters(exclude_categories=("Cs", "Cc")), min_size=1, max_size=8)


@given(labels=st.dictionaries(NAMES, NAMES, min_size=1, max_size=5))
def test_prediction_files_are_read_back(tmp_path_factory: pytest.TempPathFactory, labels: dict[str, str]):
    path = tmp_path_factory.mktemp("labels") / "p.csv"
    write_text(path, render_labels([LabelPrediction(name, label) for name, label in labels.items()], "intent"))
    assert {name: one.label for name, one in read_labels(path, "intent").items()} == labels


def test_prediction_files_have_the_form_of_the_course(tmp_path: Path):
    predictions = [LabelPrediction("t-0", "O B-date I-date"), LabelPrediction("t-1", "O")]
    assert render_labels(predictions, "tags") == "id,tags\nt-0,O B-date I-date\nt-1,O\n"
    assert render_labels([LabelPrediction("t-0", "book")], "intent") == "id,intent\nt-0,book\n"
    (tmp_path / "p.csv").write_text("id,tags\na,O\na,O\n", encoding="utf-8")
    with pytest.raises(DataError, match="'a' stands twice"):
        read_labels(tmp_path / "p.csv", "tags")
    with pytest.raises(DataError, match="expected id,intent"):
        read_labels(tmp_path / "p.csv", "intent")
    (tmp_path / "p.csv").write_text("id,tags\na,O\nb,O,O\nc\n", encoding="utf-8")
    with pytest.raises(DataError, match=r"line 3.*has 3 cells[\s\S]*line 4.*has 1 cells"):
        read_labels(tmp_path / "p.csv", "tags")
