"""What `preprocess` makes of texts: files that qakit reads again, from any schema, the same from the same seed."""

import json
from pathlib import Path
from typing import Any

import pytest

from qakit.config import ClozeSettings, PreprocessConfig
from qakit.data.records import Answer, Dataset, Paragraph, Record
from qakit.data.schemas import SCHEMAS, read_dataset, write_dataset
from qakit.errors import ConfigError, DataError
from qakit.modeling.loading import load_tokenizer
from qakit.runs.preprocess import PreprocessResult, preprocess

TEXT = "國立臺灣大學成立於1928年，位於臺北市。\n\n校長傅斯年在德國讀書，後來寫了《性命古訓辨證》。\n"
SUFFIXES = {"jsonl": ".jsonl", "csv": ".csv", "parquet": ".parquet"}


def cloze(*inputs: Path, out: Path, seed: int = 1, **changes: Any) -> PreprocessResult:
    config = PreprocessConfig.model_validate({"to": "cloze", "seed": seed, "cloze": changes})
    return preprocess(inputs, config, out=out)


def questions_of(path: Path) -> Dataset:
    return read_dataset([path])


def text_file(folder: Path, content: str = TEXT, name: str = "史.txt") -> Path:
    path = folder / name
    path.write_text(content, encoding="utf-8")
    return path


@pytest.fixture(scope="module")
def in_every_schema(sample_data: Path, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """The same questions in every schema, those of ADL with their `context.json`."""
    folder = tmp_path_factory.mktemp("schemas")
    records = read_dataset([sample_data / "source.json"]).records[:30]
    first = [r for r in records if r.span and r.context.find(r.span.text) == r.span.start]
    assert len(first) >= 20
    paths = {schema: folder / schema / f"data{SUFFIXES.get(schema, '.json')}" for schema in SCHEMAS}
    return {schema: write_dataset(first, path, schema)[0] for schema, path in paths.items()}


# --- cloze -----------------------------------------------------------------------------------------------------------


def test_questions_are_made_from_plain_text(tmp_path: Path):
    result = cloze(text_file(tmp_path), out=tmp_path / "out", questions=5)
    made = questions_of(tmp_path / "out" / "cloze.json")
    assert result.files == (tmp_path / "out" / "cloze.json",)
    assert result.notes == ()
    assert {record.context for record in made} == set(TEXT.strip().split("\n\n"))
    assert {record.paragraphs[0].title for record in made} == {"史"}
    assert all(record.span for record in made)
    report = result.report["cloze"]
    assert (report["schema"], report["questions"], report["paragraphs"]) == (made.schema, len(made), 2)


def test_every_schema_gives_the_same_questions(in_every_schema: dict[str, Path], tmp_path: Path):
    asked = {}
    for schema, path in in_every_schema.items():
        cloze(path, out=tmp_path / schema, questions=3, topic=0)  # titles, which some schemas lack, are topics
        made = questions_of(tmp_path / schema / "cloze.json")
        asked[schema] = sorted((record.id, record.question, record.context, record.answers) for record in made)
    assert set(asked) == set(SCHEMAS)
    assert all(questions == asked["squad"] for questions in asked.values())
    source = {record.context for record in questions_of(in_every_schema["squad"])}
    assert {context for _, _, context, _ in asked["squad"]} == source


def test_adls_context_file_can_be_named(in_every_schema: dict[str, Path], tmp_path: Path):
    data = tmp_path / "alone.json"
    data.write_bytes(in_every_schema["adl2022"].read_bytes())
    config = PreprocessConfig(to="cloze")
    with pytest.raises(DataError, match=r"context\.json"):
        preprocess([data], config, out=tmp_path)
    context = in_every_schema["adl2022"].with_name("context.json")
    preprocess([data, text_file(tmp_path)], config, context=context, out=tmp_path)
    preprocess([in_every_schema["adl2022"], text_file(tmp_path)], config, out=tmp_path / "beside")
    assert (tmp_path / "cloze.json").read_bytes() == (tmp_path / "beside" / "cloze.json").read_bytes()


def test_the_same_files_and_seed_give_the_same_bytes_and_two_seeds_go_together(
    in_every_schema: dict[str, Path], tmp_path: Path
):
    inputs = (in_every_schema["drcd"], text_file(tmp_path))
    for name, seed in (("a", 1), ("again", 1), ("b", 2)):
        cloze(*inputs, out=tmp_path / name, seed=seed, copies=2)
    files = {name: tmp_path / name / "cloze.json" for name in ("a", "again", "b")}
    assert files["a"].read_bytes() == files["again"].read_bytes()
    assert len(read_dataset([files["a"], files["b"]])) == len(questions_of(files["a"])) + len(questions_of(files["b"]))


def test_copies_are_made_of_labelled_questions_alone(tmp_path: Path):
    text = (Paragraph("0", "國立臺灣大學成立於1928年。"),)
    labelled = Record("1", "國立臺灣大學是哪一年成立的？", text, 0, (Answer("1928年", 9),))
    files = write_dataset([labelled, Record("2", "誰在臺灣？", text)], tmp_path / "few.jsonl", "jsonl")
    result = cloze(*files, text_file(tmp_path), out=tmp_path, questions=0, copies=4, drop=0.2)
    made = questions_of(tmp_path / "cloze.json")
    assert {(record.context, record.answers) for record in made} == {(labelled.context, labelled.answers)}
    assert len(made) == 4
    assert len({record.question for record in made}) > 1
    assert all(set(record.question) <= set(labelled.question) for record in made)
    assert result.notes == ("1 of 2 questions have no answer and are not marked impossible",)


def test_copies_of_nothing_are_told_of(tmp_path: Path):
    notes = cloze(text_file(tmp_path), out=tmp_path / "out", copies=2).notes
    assert notes == ("cloze.copies (2) makes nothing of these texts, which have no labelled questions",)


def test_bad_records_are_skipped_on_demand_and_counted(tmp_path: Path):
    rows = [{"id": name, "question": name.strip(), "context": "北京大学成立于1898年。"} for name in ("a", " ")]
    path = text_file(tmp_path, "\n".join(map(json.dumps, rows)), "a.jsonl")
    config = PreprocessConfig(to="cloze")
    assert preprocess([path], config, lenient=True, out=tmp_path / "out").notes == ("1 bad records skipped",)
    with pytest.raises(DataError, match="question: is empty"):
        preprocess([path], config, out=tmp_path / "strict")
    assert not (tmp_path / "strict").exists()


@pytest.mark.parametrize("text", ["的。", "🙂", "\u200b", "。。。"])
def test_texts_that_nothing_can_be_asked_about_are_told_and_nothing_is_written(text: str, tmp_path: Path):
    with pytest.raises(ConfigError, match="hold nothing that a question could ask for"):
        cloze(text_file(tmp_path, text), out=tmp_path / "out")
    assert not (tmp_path / "out").exists()


ENGLISH = "Stanford University was founded in 1885 by Leland Stanford; it opened in 1891.\n"
ASKED_IN_ENGLISH = "Chinese characters: cloze questions are for Chinese"


@pytest.mark.parametrize(
    ("text", "is_told"), [(ENGLISH, True), (ENGLISH + TEXT, True), (TEXT, False), ("1928，2134，1929年。", False)]
)
def test_texts_that_are_hardly_chinese_are_told_of(text: str, is_told: bool, tmp_path: Path):
    notes = cloze(text_file(tmp_path, text), out=tmp_path / "out").notes
    assert any(ASKED_IN_ENGLISH in note for note in notes) == is_told


def test_the_kinds_and_lengths_of_answers_are_settings(tmp_path: Path):
    cloze(text_file(tmp_path), out=tmp_path / "out", kinds="time", questions=9)
    assert {record.span.text for record in questions_of(tmp_path / "out" / "cloze.json") if record.span} == {
        "1928年",
        "後來",
    }
    with pytest.raises(ValueError, match=r"shortest_answer \(9\) must not be above longest_answer \(8\)"):
        ClozeSettings(shortest_answer=9, longest_answer=8)
    for kinds, message in (([], "kinds names none: give one of time, number"), (["verb"], "1 validation error")):
        with pytest.raises(ValueError, match=message):
            ClozeSettings.model_validate({"kinds": kinds})


# --- a tokenizer -----------------------------------------------------------------------------------------------------


def test_a_tokenizer_knows_the_characters_of_texts_and_of_questions(tmp_path: Path):
    rare = Record("1", "龘？", (Paragraph("0", "鱻。"),), 0, (Answer("鱻", 0),))
    files = write_dataset([rare], tmp_path / "a.jsonl", "jsonl")
    config = PreprocessConfig(to="tokenizer", vocabulary=7500)
    result = preprocess([*files, text_file(tmp_path)], config, out=tmp_path / "out")
    tokenizer: Any = load_tokenizer(tmp_path / "out" / "tokenizer")
    assert set(result.files) == set((tmp_path / "out" / "tokenizer").iterdir())
    assert result.report == {"tokenizer": {"paragraphs": 3, "entries": len(tokenizer)}}
    assert len(tokenizer) <= 7500
    known = tokenizer(TEXT + "龘鱻")["input_ids"]
    assert tokenizer.unk_token_id not in known


# --- refused ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("to", ["cloze", "tokenizer"])
@pytest.mark.parametrize(
    ("changes", "out", "words"),
    [
        ({}, None, "makes files: give --out"),
        ({"split": (0.8, 0.1, 0.1)}, "out", "does not go with --split: use a second"),
        ({"candidates": 4}, "out", "does not go with"),
        ({"tokenizer": "bert"}, "out", "does not go with"),
    ],
)
def test_what_does_not_go_together_is_refused_before_anything_is_read(
    to: str, changes: dict[str, Any], out: str | None, words: str, tmp_path: Path
):
    config = PreprocessConfig.model_validate({"to": to, **changes})
    with pytest.raises(ConfigError, match=f"--to {to} {words}"):
        preprocess([tmp_path / "absent.txt"], config, out=tmp_path / out if out else None)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("to", ["cloze", "tokenizer"])
def test_bad_inputs_are_named_all_at_once_and_nothing_is_written(to: str, tmp_path: Path):
    (tmp_path / "folder").mkdir()
    inputs = [tmp_path / "folder", text_file(tmp_path), tmp_path / "absent.json", text_file(tmp_path, "", "empty.txt")]
    with pytest.raises(DataError) as caught:
        preprocess(inputs, PreprocessConfig(to=to), out=tmp_path / "out")
    assert [Path(problem.file).name for problem in caught.value.problems] == ["folder", "absent.json", "empty.txt"]
    assert not (tmp_path / "out").exists()


def test_the_questions_never_take_the_place_of_an_input(tmp_path: Path):
    cloze(text_file(tmp_path), out=tmp_path)
    before = (tmp_path / "cloze.json").read_bytes()
    with pytest.raises(ConfigError, match="is an input"):
        cloze(tmp_path / "cloze.json", out=tmp_path)
    assert (tmp_path / "cloze.json").read_bytes() == before
