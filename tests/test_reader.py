"""The Python interface, on models of random weights and on the one that comes with the package."""

import math
from itertools import count, islice
from pathlib import Path

import pytest

import qakit
from qakit.config import DecodingSettings, ReadConfig
from qakit.data.formats import read_dataset
from qakit.errors import CheckpointError, ConfigError, RecordError
from qakit.metrics.presets import evaluate
from qakit.modeling.models import load_trained
from qakit.reader import Reader
from qakit.spans.answers import PredictedAnswer
from qakit.tasks.qa import read_answers
from tests.modeling.tiny import QA, qa_records
from tests.runs.models import WINDOWS, save_reader

SAMPLE = Path(__file__).resolve().parent.parent / "data" / "hw7"


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return save_reader(tmp_path_factory.mktemp("model"))


@pytest.fixture(scope="module")
def reader(folder):
    return Reader(folder)


def pairs_of(records):
    return [(record.question, record.context) for record in records]


def test_a_reader_says_what_predict_says(folder, reader):
    records = qa_records(30)
    loaded = load_trained(str(folder), task="qa", auto_class=QA)
    config = ReadConfig(decoding=DecodingSettings(nbest=3))
    expected = [prediction.answers for prediction, _ in read_answers(loaded, records, config)]
    assert list(reader.batch(pairs_of(records), nbest=3)) == expected


def test_one_question_is_answered_as_among_others(reader):
    records = qa_records(4)
    together = [answers[0] for answers in reader.batch(pairs_of(records))]
    alone = [reader(record.question, record.context) for record in records]
    assert [(answer.text, answer.start, answer.end) for answer in alone] == [
        (answer.text, answer.start, answer.end) for answer in together
    ]
    for one, other in zip(alone, together, strict=True):
        assert math.isclose(one.score, other.score, abs_tol=1e-4)


def test_answers_are_cut_from_the_context(reader):
    record = qa_records(1, shortest=120)[0]
    answers = reader.nbest(record.question, record.context, 7)
    assert len(answers) == 7
    assert all(answer.text == record.context[answer.start : answer.end] for answer in answers)
    assert [answer.score for answer in answers] == sorted((answer.score for answer in answers), reverse=True)


def test_pairs_are_read_as_they_are_asked_for(reader):
    """An endless stream can be read from: only the pairs of a chunk are taken at a time."""
    taken = count()
    stream = reader.batch(("河在哪？", f"河在山{next(taken)}") for _ in count())
    assert len(list(islice(stream, 3))) == 3
    assert next(taken) < 1000


def test_nothing_to_read_is_nothing_to_say(reader):
    assert list(reader.batch([])) == []


def test_a_context_without_a_token_has_an_empty_answer(reader):
    assert reader("河在哪？", "\u200b") == PredictedAnswer("", 0, 0, 0.0, 0.0)


@pytest.mark.parametrize(("question", "context"), [("", "河"), (" ", "河"), ("河？", ""), ("河？", "\n")])
def test_an_empty_text_is_an_error(reader, question, context):
    with pytest.raises(RecordError, match="empty"):
        reader(question, context)


def test_a_model_that_is_not_there_is_an_error(tmp_path):
    with pytest.raises(CheckpointError):
        Reader(tmp_path)


def test_the_package_offers_the_reader_and_nothing_by_mistake():
    assert qakit.Reader is Reader
    with pytest.raises(AttributeError, match="Raeder"):
        _ = qakit.Raeder


def test_the_model_in_the_box_answers():
    questions = read_dataset([SAMPLE / "hw7_dev.json"])
    answers = [answers[0].text for answers in Reader().batch(pairs_of(questions))]
    predictions = {record.id: text for record, text in zip(questions, answers, strict=True)}
    assert evaluate(predictions, {record.id: record.references for record in questions}, "drcd").em > 25


# --- streams, and what is in them that is wrong ----------------------------------------------------------------------

BAD = [("", "河"), ("河？", 3), ("河？", None), "河？", ("河？",), None, ("河？", " ")]


def test_a_bad_item_is_reported_in_its_place_and_the_others_are_answered(reader):
    good = pairs_of(qa_records(len(BAD) + 1))
    stream = [item for pair in zip(good, BAD, strict=False) for item in pair] + [good[-1]]
    found = list(reader.batch(stream, errors="report"))
    assert [found[number] for number in range(0, len(found), 2)] == list(reader.batch(good))
    bad = found[1::2]
    assert [item.index for item in bad] == list(range(1, len(found), 2))
    assert [item.error.field for item in bad] == ["question", "context", "context", "pair", "pair", "pair", "context"]


def test_a_bad_item_ends_the_stream_after_those_before_it(reader):
    good = pairs_of(qa_records(300))
    stream = reader.batch([*good, ("河？", "")])
    assert [next(stream) for _ in good] == list(reader.batch(good))
    with pytest.raises(RecordError, match="item 300: context"):
        next(stream)


def test_settings_hold_for_every_question(folder):
    config = ReadConfig(decoding=DecodingSettings(max_answer_length=1, nbest=4))
    answers = next(Reader(folder, config=config).batch(pairs_of(qa_records(1, shortest=40))))
    assert len(answers) == 4
    assert all(len(answer.text) == 1 for answer in answers)


def test_a_loaded_model_reads_as_its_folder_does(folder, reader):
    pairs = pairs_of(qa_records(5, shortest=20))
    config = ReadConfig(windows=WINDOWS, decoding=DecodingSettings(max_answer_length=12))  # as its qakit.json tells
    loaded = Reader(reader.loaded.model, reader.loaded.tokenizer, config=config)
    assert list(loaded.batch(pairs)) == list(reader.batch(pairs))
    with pytest.raises(ConfigError, match="needs its tokenizer"):
        Reader(reader.loaded.model)
