"""The Python interface, on models of random weights and on the one that comes with the package."""

import math
from itertools import count, islice
from pathlib import Path

import pytest
import torch
from transformers import AutoModelForQuestionAnswering, AutoTokenizer, DistilBertConfig

import qakit
from qakit.config import DecodingSettings, InferenceSettings, ReadConfig, WindowSettings
from qakit.data.corpus import Corpus
from qakit.data.predictions import PredictedAnswer
from qakit.data.records import Dataset, Paragraph, Record
from qakit.data.schemas import read_dataset
from qakit.errors import CheckpointError, ConfigError, RecordError
from qakit.metrics.presets import evaluate
from qakit.modeling.info import ModelInfo
from qakit.modeling.loading import bundled_folder
from qakit.modeling.models import load_trained, save_trained
from qakit.reader import Reader
from qakit.tasks.questions.reading import read_answers
from qakit.tasks.questions.search import search
from qakit.tasks.questions.two_stage import answer_dataset, load_models
from tests.modeling.tiny import QA, qa_records, tiny_bert, tiny_model, tokenizer
from tests.runs.models import save_reader, save_selector

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


# --- several paragraphs -----------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def selector(tmp_path_factory):
    return save_selector(tmp_path_factory.mktemp("selector"))


@pytest.mark.parametrize(
    "decoding", [DecodingSettings(nbest=3), DecodingSettings(joint_paragraphs=3, joint_weight=0.5)]
)
def test_a_reader_with_a_selector_chooses_as_predict_does(folder, selector, decoding):
    config = ReadConfig(decoding=decoding)
    reader = Reader(folder, selector=selector, config=config)
    asked = qa_records(6)
    paragraphs = [record.context for record in asked]
    records = [
        Record("question", one.question, tuple(Paragraph(str(n), text) for n, text in enumerate(paragraphs)))
        for one in asked
    ]
    models = load_models(str(folder), str(selector))
    expected = [next(answer_dataset(Dataset((one,), "jsonl"), models, config)).prediction for one in records]
    found = [reader.choose(record.question, paragraphs) for record in asked]
    assert found == expected
    assert len({one.candidate for one in found}) > 1
    assert all(one.text == paragraphs[one.candidate][one.answers[0].start : one.answers[0].end] for one in found)


def test_one_paragraph_needs_no_selector(reader):
    record = qa_records(1)[0]
    chosen = reader.choose(record.question, [record.context], nbest=4)
    assert (chosen.candidate, chosen.answers) == (0, reader.nbest(record.question, record.context, 4))


def test_a_selector_weighs_what_is_found_in_a_corpus(folder, selector):
    contexts = [record.context for record in qa_records(8)]
    corpus, question = Corpus.of(contexts), contexts[0][:6]
    config = ReadConfig(decoding=DecodingSettings(shortlist=4, nbest=2))
    reader, models = Reader(folder, selector=selector, config=config), load_models(str(folder), str(selector))
    record = Record("question", question, (Paragraph("question", question),), relevant=0)
    expected = next(search([record], corpus, models.reader, config, selector=models.selector))
    assert reader.search(question, corpus) == expected


@pytest.mark.parametrize(
    ("paragraphs", "error", "fault"),
    [
        (["河", "山"], ConfigError, r"2 paragraphs, but no selector to choose by: Reader\(selector=...\)"),
        ("河", RecordError, "paragraphs: expected a list of texts, found str"),
        ([], RecordError, "paragraphs: is empty"),
        (["  "], RecordError, "paragraph '0' is empty"),
        ([3], RecordError, "paragraph: expected text, found int"),
    ],
)
def test_what_cannot_be_chosen_from_is_an_error(reader, paragraphs, error, fault):
    with pytest.raises(error, match=fault):
        reader.choose("何？", paragraphs)


def test_a_reader_is_no_selector(folder):
    with pytest.raises(CheckpointError, match="was trained for the task qa, not for select"):
        Reader(folder, selector=folder)


# --- streams, and what is in them that is wrong ----------------------------------------------------------------------

BAD = [
    ("", "河"),
    ("河？", 3),
    ("河？", None),
    "河？",
    ("河？",),
    None,
    ("河？", " "),
    ("\ud83d河？", "河"),
    ("河？", "河\udc00"),
]


def test_a_bad_item_is_reported_in_its_place_and_the_others_are_answered(reader):
    good = pairs_of(qa_records(len(BAD) + 1))
    stream = [item for pair in zip(good, BAD, strict=False) for item in pair] + [good[-1]]
    found = list(reader.batch(stream, errors="report"))
    assert [found[number] for number in range(0, len(found), 2)] == list(reader.batch(good))
    bad = found[1::2]
    assert [item.index for item in bad] == list(range(1, len(found), 2))
    fields = ["question", "context", "context", "pair", "pair", "pair", "context", "question", "context"]
    assert [item.error.field for item in bad] == fields
    assert "surrogate" in bad[-1].error.message


def test_a_bad_item_ends_the_stream_after_those_before_it(reader):
    good = pairs_of(qa_records(300))
    stream = reader.batch([*good, ("河？", "")])
    assert [next(stream) for _ in good] == list(reader.batch(good))
    with pytest.raises(RecordError, match="item 300: context"):
        next(stream)


@pytest.mark.parametrize("count", [0, 3, 256, 300])
def test_what_the_pairs_raise_comes_after_the_answers_to_those_before(reader, count):
    good = pairs_of(qa_records(count, longest=20))

    def failing():
        yield from good
        raise OSError("the disk is gone")

    for errors in ("raise", "report"):
        stream = reader.batch(failing(), errors=errors)
        assert [next(stream) for _ in good] == list(reader.batch(good))
        with pytest.raises(OSError, match="the disk is gone"):
            next(stream)


def test_a_question_to_a_corpus_is_a_text(reader):
    for question in ("\ud83d河？", None):
        with pytest.raises(RecordError, match="question"):
            reader.search(question, Corpus.of(["河山"]))


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda reader: reader.batch([], nbest=0), "nbest 0: expected a whole number"),
        (lambda reader: reader.batch([], nbest=-1), "nbest -1"),
        (lambda reader: reader.nbest("河？", "河", "3"), "nbest '3'"),
        (lambda reader: reader.batch([], errors="ignore"), "errors 'ignore': expected 'raise' or 'report'"),
    ],
)
def test_an_argument_that_makes_no_sense_is_an_error_at_the_call(reader, call, message):
    with pytest.raises(ConfigError, match=message):
        call(reader)


def test_settings_hold_for_every_question(folder):
    config = ReadConfig(decoding=DecodingSettings(max_answer_length=1, nbest=4))
    answers = next(Reader(folder, config=config).batch(pairs_of(qa_records(1, shortest=40))))
    assert len(answers) == 4
    assert all(len(answer.text) == 1 for answer in answers)


def test_a_loaded_model_reads_as_its_folder_does(folder, reader):
    pairs = pairs_of(qa_records(5, shortest=20))
    loaded = Reader(AutoModelForQuestionAnswering.from_pretrained(folder), AutoTokenizer.from_pretrained(folder))
    assert loaded.loaded.info == reader.loaded.info
    assert list(loaded.batch(pairs)) == list(reader.batch(pairs))
    with pytest.raises(ConfigError, match="needs its tokenizer"):
        Reader(reader.loaded.model)


def test_a_loaded_model_tells_apart_what_its_folder_does(tmp_path):
    """Exact matches as token types, a prior of lengths, a temperature: all that stands in `qakit.json` counts."""
    info = ModelInfo(
        task="qa",
        windows=WindowSettings(max_length=64, overlap=16, match_length=3),
        max_answer_length=7,
        answers_null=True,
        null_threshold=-1.0,
        temperature=0.5,
        length_weight=1.0,
        length_prior=(-3.0, -0.1, -2.0),
    )
    save_trained(tmp_path, tiny_model("roformer", type_vocab_size=5), tokenizer(), info)
    pairs = pairs_of(qa_records(12, shortest=20))
    by_name = Reader(tmp_path)
    model = AutoModelForQuestionAnswering.from_pretrained(tmp_path)
    assert list(Reader(model, tokenizer()).batch(pairs, nbest=3)) == list(by_name.batch(pairs, nbest=3))
    asked = [{"question": question, "context": context} for question, context in pairs]
    named, loaded = qakit.pipeline(model=tmp_path), qakit.pipeline(model=model, tokenizer=tokenizer())
    assert loaded(asked) == named(asked)


def test_the_model_in_the_box_answers_as_an_object_too():
    folder = bundled_folder("mini-zh")
    model = AutoModelForQuestionAnswering.from_pretrained(folder, dtype=torch.float32)  # as a CPU reads it by name
    loaded = Reader(model, AutoTokenizer.from_pretrained(folder), device="cpu")
    pairs = pairs_of(read_dataset([SAMPLE / "hw7_dev.json"]))[:8]
    assert list(loaded.batch(pairs)) == list(Reader(device="cpu").batch(pairs))


@pytest.mark.parametrize(("positions", "longest"), [(256, 256), (1024, 512)])
def test_a_model_of_which_nothing_is_known_gets_windows_that_it_can_take(tmp_path, positions, longest):
    model = tiny_bert(max_position_embeddings=positions)
    model.save_pretrained(tmp_path)
    tokenizer().save_pretrained(tmp_path)
    loaded, named = Reader(model, tokenizer()), Reader(tmp_path)
    assert loaded.loaded.info == named.loaded.info
    assert loaded.loaded.info.windows.max_length == longest
    pairs = pairs_of(qa_records(3, shortest=700, longest=900))
    assert list(loaded.batch(pairs)) == list(named.batch(pairs))


def test_what_a_folder_stores_of_another_task_is_not_taken_for_a_readers(tmp_path):
    model = AutoModelForQuestionAnswering.from_pretrained(save_selector(tmp_path))
    assert Reader(model, tokenizer()).loaded.info.windows.max_length == 512


def test_a_loaded_model_without_token_types_gets_none_and_its_tokenizer_stays_as_it_is():
    config = DistilBertConfig(vocab_size=len(tokenizer()), dim=16, hidden_dim=32, n_layers=1, n_heads=2)
    model = AutoModelForQuestionAnswering.from_config(config)
    record = qa_records(1)[0]
    loaded = Reader(model, tokenizer())
    assert "token_type_ids" not in loaded.loaded.tokenizer.model_input_names
    assert loaded(record.question, record.context).text in record.context
    assert "token_type_ids" in tokenizer().model_input_names


def test_the_precision_of_a_loaded_model_is_that_of_the_settings():
    config = ReadConfig(inference=InferenceSettings(precision="bf16"))
    record = qa_records(1)[0]
    loaded = Reader(tiny_bert(), tokenizer(), config=config)
    assert loaded.loaded.model.dtype == torch.bfloat16
    assert loaded.loaded.model.qa_outputs.weight.dtype == torch.float32
    assert loaded(record.question, record.context).text in record.context
