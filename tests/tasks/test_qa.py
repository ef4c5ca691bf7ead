"""Span extraction: targets stand where the answer is, and evaluation is predicting and scoring."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from torch.nn.functional import cross_entropy

from qakit.config import DecodingSettings, InferenceSettings, ReadConfig, WindowSettings
from qakit.data.records import Answer, Paragraph, Record
from qakit.data.schemas import read_dataset
from qakit.errors import ConfigError
from qakit.metrics.presets import default_preset, evaluate
from qakit.modeling.info import ModelInfo
from qakit.modeling.models import LoadedModel
from qakit.spans.windowing import encode_pairs
from qakit.tasks.questions.qa import QuestionAnswering
from qakit.tasks.questions.reading import read_answers
from tests.modeling.tiny import QA, dataset, loss_of, qa_records, text_of, tiny_bert, tokenizer, train_config

TASK = QuestionAnswering()


def prepare(records, **options):
    return TASK.prepare(dataset(records), tokenizer(), train_config(**options))


def record(context, answer=None, start=0, **changes):
    answers = (Answer(answer, start),) if answer else ()
    return replace(Record("q", "何處？", (Paragraph("0", context),), relevant=0, answers=answers), **changes)


def loaded(**info):
    windows = WindowSettings(max_length=64)
    info = ModelInfo(**{"task": "qa", "windows": windows, "max_answer_length": 4, **info})
    return LoadedModel(tiny_bert(QA).eval(), tokenizer(), info, "memory")


# Targets


def _target_text(record, batch, row):
    """The text from a target's first token to its last, found through the tokenizer's own offsets."""
    start, end = (int(batch.targets[name][row]) for name in ("start_positions", "end_positions"))
    ids = batch.inputs["input_ids"][row].tolist()
    whole = tokenizer()(record.context, add_special_tokens=False, return_offsets_mapping=True)
    answer = record.span
    touching = [
        number
        for number, (first, last) in enumerate(whole["offset_mapping"])
        if first < answer.end and last > answer.start
    ]
    assert ids[start : end + 1] == [whole["input_ids"][number] for number in touching]
    return record.context[whole["offset_mapping"][touching[0]][0] : whole["offset_mapping"][touching[-1]][1]]


@pytest.mark.parametrize("max_length", [64, 384])
def test_targets_point_at_the_answer_of_every_sample_in_every_epoch(sample_data, max_length):
    samples = read_dataset([sample_data / "hw7" / "hw7_train.json"])
    training_set = TASK.prepare(samples, tokenizer(), train_config(max_length=max_length)).training_set
    assert len(training_set.lengths) == len(samples)
    places = []
    for epoch in range(3):
        batch = training_set.batch(range(len(samples)), epoch)
        for row, sample in enumerate(samples):
            assert sample.span.text in _target_text(sample, batch, row)
        places.append(batch.targets["start_positions"].tolist())
    assert places[0] != places[1] != places[2], "windows move from epoch to epoch"


def test_a_target_in_an_answer_that_stands_twice_is_the_one_that_is_told():
    records = [record("河山河山河山", "河山", start) for start in (0, 2, 4)]
    records = [replace(one, id=str(number)) for number, one in enumerate(records)]
    batch = prepare(records).training_set.batch(range(3), 0)
    offset = batch.inputs["input_ids"][0].tolist().index(tokenizer().sep_token_id) + 1
    assert batch.targets["start_positions"].tolist() == [offset, offset + 2, offset + 4]
    assert batch.targets["end_positions"].tolist() == [offset + 1, offset + 3, offset + 5]


def test_a_question_without_answer_points_at_the_first_token():
    records = [*qa_records(4), record(text_of(200, 1), impossible=True)]
    training_set = prepare(records).training_set
    for epoch in range(3):
        batch = training_set.batch([4, 0], epoch)
        assert int(batch.targets["start_positions"][0]) == int(batch.targets["end_positions"][0]) == 0
        assert int(batch.inputs["input_ids"][0, 0]) == tokenizer().cls_token_id
        assert int(batch.targets["start_positions"][1]) > 0


# What is left out


def test_answers_that_no_window_can_hold_are_left_out_and_counted():
    text = text_of(200, 1)
    records = [*qa_records(4), record(text, text[3:120], 3), record(text), record("河\u200b山", "\u200b", 1)]
    prepared = prepare(records, max_length=64)
    assert len(prepared.training_set.lengths) == 4
    left_out = [note for note in prepared.notes if "left out" in note]
    assert left_out == ["3 questions left out: no label, or an answer that no window can hold"]
    assert prepared.info.max_answer_length <= 4


def test_what_is_kept_is_what_it_would_be_alone():
    text = text_of(200, 1)
    good = qa_records(6)
    mixed = [*good[:2], record(text, text[3:120], 3), *good[2:], record(text)]
    alone, among = (prepare(records).training_set.batch(range(6), 1) for records in (good, mixed))
    for name, tensor in alone.inputs.items():
        assert torch.equal(tensor, among.inputs[name])
    for name, tensor in alone.targets.items():
        assert torch.equal(tensor, among.targets[name])


@pytest.mark.parametrize(
    ("records", "message"),
    [
        ([record("河山")], "no record has an answer to learn from"),
        ([record(text_of(200, 1), text_of(200, 1)[:90])], "no answer fits in a window of 64 tokens"),
    ],
)
def test_data_with_nothing_to_learn_is_refused(records, message):
    with pytest.raises(ConfigError, match=message):
        prepare(records)


def test_the_longest_answer_is_known_in_tokens():
    records = [record("河山 Hello 城", "Hello", 3, id="a"), record("河山城湖海風", "山城湖", 1, id="b")]
    spans = [len(tokenizer().tokenize(text)) for text in ("Hello", "山城湖")]
    info = prepare(records).info
    assert info.max_answer_length == max(spans)
    assert not info.answers_null
    assert prepare([*records, record("河山", impossible=True, id="c")]).info.answers_null


# Loss


def test_the_loss_is_the_mean_of_start_and_end_summed_over_the_windows():
    training_set = prepare(qa_records(5)).training_set
    batch = training_set.batch(range(5), 0)
    model = tiny_bert().eval()
    with torch.no_grad():
        output = model(**batch.inputs)
        found = float(loss_of(training_set, model, batch))
    expected = 0.0
    for row in range(5):
        length = int(batch.inputs["attention_mask"][row].sum())
        for logits, name in ((output.start_logits, "start_positions"), (output.end_logits, "end_positions")):
            expected += float(cross_entropy(logits[row, :length], batch.targets[name][row])) / 2
    assert found == pytest.approx(expected, rel=1e-5)


# Evaluation and reading


@pytest.mark.parametrize("metric", [None, "cmrc"])
def test_evaluation_is_predicting_and_scoring(metric):
    records = dataset([*qa_records(12), record(text_of(30, 3), id="unlabelled")])
    model = loaded()
    texts = {}
    for one in records:
        (prediction, _), *_ = read_answers(model, [one], ReadConfig())
        texts[one.id] = prediction.text
    del texts["unlabelled"]
    records = replace(records, records=(*records.records[:6], *(_answered(r, texts) for r in records.records[6:12])))
    config = train_config(metric=metric)
    golds = {one.id: one.references for one in records}
    expected = evaluate(texts, golds, metric or default_preset(records))
    assert TASK.evaluate(model, records, config) == {"em": expected.em, "f1": expected.f1}
    assert expected.em >= 50


def _answered(record, texts):
    """The record with the predicted text as its answer."""
    return replace(record, answers=(Answer(texts[record.id], record.context.index(texts[record.id])),))


def test_unlabelled_records_are_not_evaluated():
    records = qa_records(6)
    unlabelled = [replace(one, id=f"x{one.id}", answers=()) for one in records]
    scores = [TASK.evaluate(loaded(), dataset(part), train_config()) for part in (records, [*records, *unlabelled])]
    assert scores[0] == scores[1]
    assert [TASK.can_score(one) for one in (records[0], unlabelled[0])] == [True, False]


def test_scores_are_the_models_logits_of_every_paragraph_token():
    (one,) = qa_records(1, shortest=150, longest=151)
    model = loaded()
    ((_, scores),) = read_answers(model, [one], ReadConfig(windows=WindowSettings(max_length=64, overlap=20)))
    room = encode_pairs(tokenizer(), [(one.question, one.context)], WindowSettings(max_length=64)).room[0]
    encoding = tokenizer()(
        one.question, one.context, max_length=64, truncation="only_second", stride=20, return_overflowing_tokens=True
    )
    assert len(encoding["input_ids"]) == len(scores.bounds) - 1 > 2
    for number, ids in enumerate(encoding["input_ids"]):
        paragraph = [place for place, part in enumerate(encoding.sequence_ids(number)) if part == 1]
        with torch.no_grad():
            output = model.model(torch.tensor([ids]), token_type_ids=torch.tensor([encoding["token_type_ids"][number]]))
        found = slice(*scores.bounds[number : number + 2])
        assert len(paragraph) == len(scores.start[found]) <= room
        assert np.allclose(output.start_logits[0, paragraph], scores.start[found], atol=1e-5)
        assert np.allclose(output.end_logits[0, paragraph], scores.end[found], atol=1e-5)


def test_the_answer_length_is_what_is_asked_for_or_that_of_the_training():
    records = qa_records(20)
    for asked, limit in ((None, 4), (2, 2), (1, 1)):
        config = ReadConfig(decoding=DecodingSettings(max_answer_length=asked))
        lengths = {len(prediction.text) for prediction, _ in read_answers(loaded(), records, config)}
        assert max(lengths) == limit


def test_a_null_answer_is_given_by_models_that_know_it_and_as_the_threshold_says():
    records = qa_records(6)

    def texts(model, **decoding):
        config = ReadConfig(decoding=DecodingSettings(**decoding), inference=InferenceSettings())
        return [prediction.text for prediction, _ in read_answers(model, records, config)]

    assert all(texts(loaded(), null_threshold=-1000.0)), "the model was never taught it"
    assert texts(loaded(answers_null=True, null_threshold=-1000.0)) == [""] * 6
    assert all(texts(loaded(answers_null=True, null_threshold=-1000.0), null_threshold=1000.0))


def test_the_paragraph_to_read_may_be_chosen():
    one = Record("q", "何處？", (Paragraph("0", "河山城"), Paragraph("1", "湖海風")), relevant=0)
    for candidate, text in ((0, "河山城"), (1, "湖海風")):
        ((prediction, _),) = read_answers(loaded(), [one], ReadConfig(), candidates=[candidate])
        assert prediction.candidate == candidate
        assert prediction.text in text
