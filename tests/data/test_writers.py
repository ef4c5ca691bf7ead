"""Every schema is written in the shape in which it was published, and what it cannot hold is refused."""

import json
from pathlib import Path
from typing import Any

import pytest

from qakit.data.records import Answer, Paragraph, Record
from qakit.data.schemas import SCHEMAS, read_dataset, write_dataset
from qakit.errors import ConfigError, DataError
from tests.data.samples import SINGLE, TABLES, save, squad, without_names

EXAMPLE = Record("q", "何處？", (Paragraph("7-0", "陸特在歐洲。", "梵文"),), 0, (Answer("歐洲", 3),))
SPAN = {"text": "歐洲", "answer_start": 3}
WRITTEN: dict[str, Any] = {
    "hw7": {
        "questions": [
            {
                "id": 0,
                "paragraph_id": 0,
                "question_text": "何處？",
                "answer_text": "歐洲",
                "answer_start": 3,
                "answer_end": 4,
            }
        ],
        "paragraphs": ["陸特在歐洲。"],
    },
    "adl2021": [
        {"id": "q", "question": "何處？", "paragraphs": [0], "relevant": 0, "answers": [{"text": "歐洲", "start": 3}]}
    ],
    "adl2022": [
        {"id": "q", "question": "何處？", "paragraphs": [0], "relevant": 0, "answer": {"text": "歐洲", "start": 3}}
    ],
    "squad": squad("陸特在歐洲。", [SPAN], version="1.1"),
    "squad2": squad("陸特在歐洲。", [SPAN], version="v2.0"),
    "drcd": squad("陸特在歐洲。", [{"id": "1", **SPAN}], version="1.3"),
    "cmrc": squad("陸特在歐洲。", [SPAN], version="v1.0"),
    "cmrc-flat": [
        {
            "context_id": "7-0",
            "context_text": "陸特在歐洲。",
            "title": "梵文",
            "qas": [{"query_id": "q", "query_text": "何處？", "answers": ["歐洲"]}],
        }
    ],
}
for _schema in ("squad", "squad2", "drcd", "cmrc"):
    _article = WRITTEN[_schema]["data"][0]
    _article["title"] = "梵文"
    _article["paragraphs"][0]["qas"][0]["id"] = "q"
WRITTEN["squad2"]["data"][0]["paragraphs"][0]["qas"][0]["is_impossible"] = False
WRITTEN["drcd"]["data"][0] |= {"id": "7"}
WRITTEN["cmrc"]["data"][0] |= {"id": "7-0"}
for _schema in ("drcd", "cmrc"):
    WRITTEN[_schema]["data"][0]["paragraphs"][0]["id"] = "7-0"


@pytest.mark.parametrize("schema", WRITTEN)
def test_written_shape_is_the_published_one(schema: str, tmp_path: Path) -> None:
    path, *others = write_dataset([EXAMPLE], tmp_path / "out.json", schema)
    text = path.read_text(encoding="utf-8")
    assert json.loads(text) == WRITTEN[schema]
    assert "歐洲" in text
    assert text == json.dumps(json.loads(text), ensure_ascii=False, indent=1) + "\n"
    assert [json.loads(other.read_text(encoding="utf-8")) for other in others] == (
        [["陸特在歐洲。"]] if schema.startswith("adl") else []
    )


def test_written_tables(tmp_path: Path) -> None:
    (path,) = write_dataset([EXAMPLE], tmp_path / "out.jsonl", "jsonl")
    assert json.loads(path.read_text(encoding="utf-8")) == {
        "id": "q",
        "question": "何處？",
        "context": "陸特在歐洲。",
        "context_id": "7-0",
        "title": "梵文",
        "answers": [{"text": "歐洲", "start": 3}],
    }
    (path,) = write_dataset([EXAMPLE], tmp_path / "out.csv", "csv")
    assert path.read_text(encoding="utf-8") == (
        "id,question,context,context_id,title,answers\n"
        'q,何處？,陸特在歐洲。,7-0,梵文,"[{""text"": ""歐洲"", ""start"": 3}]"\n'
    )


def test_hw7_keeps_decimal_ids_and_the_first_answer(tmp_path: Path) -> None:
    paragraph = Paragraph("p", "甲乙甲")
    answers = (Answer("乙", 1), Answer("甲", 2))
    records = [Record(name, "何？", (paragraph,), 0, answers) for name in ("12", "5")]
    back = read_dataset(write_dataset(records, tmp_path / "a.json", "hw7"))
    assert [(record.id, record.answers) for record in back] == [("12", answers[:1]), ("5", answers[:1])]
    records.append(Record("007", "何？", (paragraph,), 0))
    back = read_dataset(write_dataset(records, tmp_path / "a.json", "hw7"))
    assert [record.id for record in back] == ["0", "1", "2"]


def test_adl_extends_the_list_that_is_there(tmp_path: Path) -> None:
    save(tmp_path / "context.json", ["丙", "甲乙", "甲乙"])
    candidates = (Paragraph("8", "丁"), Paragraph("9", "甲乙"))
    record = Record("q", "何？", candidates, 1, (Answer("乙", 1),))
    write_dataset([record], tmp_path / "train.json", "adl2022")
    assert json.loads((tmp_path / "context.json").read_text(encoding="utf-8")) == ["丙", "甲乙", "甲乙", "丁"]
    assert json.loads((tmp_path / "train.json").read_text(encoding="utf-8"))[0]["paragraphs"] == [3, 1]
    with pytest.raises(ConfigError, match="choose another"):
        write_dataset([record], tmp_path / "context.json", "adl2022")
    save(tmp_path / "context.json", {"not": "a list"})
    with pytest.raises(DataError, match="expected a list"):
        write_dataset([record], tmp_path / "train.json", "adl2022")


CONTEXT = Paragraph("p", "甲乙甲")
MANY = Record("q", "何？", (CONTEXT, Paragraph("r", "丁")), 0, (Answer("乙", 1),))
NOTHING = Record("q", "何？", (CONTEXT,), 0, impossible=True)
FREE = Record("q", "何？", (CONTEXT,), 0, (Answer("丁", None),))
TWO = Record("q", "何？", (CONTEXT,), 0, (Answer("乙", 1), Answer("甲", 0)))
LATER = Record("q", "何？", (CONTEXT,), 0, (Answer("甲", 2),))
HALF = Record("q", "何？", (CONTEXT, Paragraph("r", "丁")), 0)
CANNOT = [
    *((schema, MANY, "2 candidate paragraphs") for schema in SINGLE),
    *((schema, NOTHING, "marked impossible") for schema in SCHEMAS if schema not in ("squad2", *TABLES)),
    *((schema, FREE, "free text") for schema in SCHEMAS if not schema.startswith("cmrc") and schema not in TABLES),
    ("adl2022", TWO, "2 answers"),
    ("cmrc-flat", LATER, "has no offsets"),
    ("adl2021", HALF, "a relevant paragraph and no answer"),
    ("adl2022", HALF, "a relevant paragraph and no answer"),
]


@pytest.mark.parametrize(("schema", "record", "message"), CANNOT)
def test_what_a_schema_cannot_hold_is_refused(schema: str, record: Record, message: str, tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=message):
        write_dataset([record], tmp_path / "out.json", schema)
    assert list(tmp_path.iterdir()) == []


def test_other_refusals_of_the_writer(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="unknown schema 'xml'; expected one of hw7, "):
        write_dataset([TWO], tmp_path / "x", "xml")
    with pytest.raises(ConfigError, match="no records"):
        write_dataset([], tmp_path / "x", "hw7")
    with pytest.raises(ConfigError, match="1 ids occur more than once, such as 'q'"):
        write_dataset([TWO, LATER], tmp_path / "x", "hw7")
    unlabelled = Record("u", "何？", (CONTEXT,), 0)
    with pytest.raises(ConfigError, match="with and without an answer in one file"):
        write_dataset([LATER, unlabelled], tmp_path / "x", "adl2022")


def test_adl_files_written_side_by_side_share_one_list(real_data: Path, tmp_path: Path) -> None:
    parts = [read_dataset([real_data / f"adl2022/{name}.json"]) for name in ("train", "valid", "test")]
    for number, part in enumerate(parts):
        written = write_dataset(part, tmp_path / f"{number}.json", "adl2022")
        assert written == [tmp_path / f"{number}.json", tmp_path / "context.json"]
    texts = json.loads((tmp_path / "context.json").read_text(encoding="utf-8"))
    assert len(texts) == len(set(texts))
    for number, part in enumerate(parts):
        assert [without_names(record) for record in read_dataset([tmp_path / f"{number}.json"])] == [
            without_names(record) for record in part
        ]
