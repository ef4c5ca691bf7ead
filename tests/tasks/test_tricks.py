"""What negative windows and teachers are in the batches of each task."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from qakit.config import ReadConfig, TrainingSettings, WindowSettings
from qakit.data.records import Paragraph, Record
from qakit.errors import ConfigError
from qakit.modeling.info import ModelInfo
from qakit.modeling.models import LoadedModel
from qakit.spans.scores import QuestionScores, ScoresInfo, write_scores
from qakit.tasks.questions.qa import QuestionAnswering
from qakit.tasks.questions.reading import read_answers, score_candidates
from qakit.tasks.questions.select import ParagraphSelection
from qakit.training.order import epoch_passes
from tests.modeling.tiny import (
    CHOICE,
    QA,
    dataset,
    loss_of,
    prepared_set,
    qa_records,
    select_records,
    text_of,
    tiny_bert,
    tokenizer,
    train_config,
)

INFO = ScoresInfo(schema="squad", model="a model", max_answer_length=10)


def prepared(records, task=None, max_length=64, **tricks):
    return prepared_set(task or QuestionAnswering(), records, max_length=max_length, tricks=tricks)[0]


def trained(auto_class, max_length):
    task = "qa" if auto_class == QA else "select"
    info = ModelInfo(task=task, windows=WindowSettings(max_length=max_length), max_answer_length=10)
    return LoadedModel(tiny_bert(auto_class).eval(), tokenizer(), info, "memory")


# Negative windows


SEPARATOR = chr(tokenizer().sep_token_id)


def as_tokens(text):
    """A character for each token."""
    return "".join(map(chr, tokenizer()(text, add_special_tokens=False)["input_ids"]))


def records_with_an_impossible_one():
    paragraph = (Paragraph("0", text_of(200, 5)),)
    return [*qa_records(12, shortest=40), Record("impossible", "何處？", paragraph, relevant=0, impossible=True)]


def test_negative_windows_point_at_the_first_token_and_do_not_hold_the_answer():
    records = records_with_an_impossible_one()
    training_set = prepared(records, negative_windows=1.0)
    count = len(training_set.lengths) - len(records)
    assert 5 < count < 12, "short paragraphs have none"
    for epoch in range(3):
        batch = training_set.batch(range(len(records), len(records) + count), epoch)
        assert batch.targets["start_positions"].tolist() == batch.targets["end_positions"].tolist() == [0] * count
        assert (batch.inputs["input_ids"][:, 0] == tokenizer().cls_token_id).all()
        for ids in batch.inputs["input_ids"].tolist():
            question, shown, _ = "".join(map(chr, ids[1:])).split(SEPARATOR)
            (owner,) = [record for record in records if as_tokens(record.question) == question]
            context = as_tokens(owner.context)
            assert context.count(shown) == 1
            place = context.index(shown)
            assert place + len(shown) <= owner.span.start or place >= owner.span.end
    own = training_set.batch(range(len(records)), 0)
    assert (own.targets["start_positions"][:-1] > 0).all()
    assert own.targets["start_positions"][-1] == 0


@pytest.mark.parametrize("share", [0.0, 0.5, 1.0])
def test_so_many_windows_as_asked_for_are_added(share):
    records = qa_records(20, shortest=140, longest=200)
    assert len(prepared(records, negative_windows=share).lengths) == 20 + round(share * 20)


@pytest.mark.parametrize(("max_length", "count"), [(64, 20), (384, 0)])
def test_a_note_tells_how_many_windows_lack_the_answer(max_length, count):
    records = qa_records(20, shortest=140, longest=200)
    told = {}
    for share in (0.0, 1.0):
        config = train_config(max_length=max_length, tricks={"negative_windows": share})
        told[share] = QuestionAnswering().prepare(dataset(records), tokenizer(), config).notes
    assert set(told[1.0]) - set(told[0.0]) == {f"{count} windows without an answer are shown in each epoch"}


def test_without_negatives_nothing_changes_and_with_them_the_windows_with_answers_stay():
    records = records_with_an_impossible_one()
    plain, none, all_of_them = (prepared(records, negative_windows=share) for share in (0.0, 0.0, 1.0))
    assert plain.lengths.tolist() == none.lengths.tolist() == all_of_them.lengths[: len(records)].tolist()
    for epoch in range(3):
        expected, *found = (one.batch(range(len(records)), epoch) for one in (plain, none, all_of_them))
        for batch in found:
            for name in ("input_ids", "attention_mask", "token_type_ids"):
                assert torch.equal(batch.inputs[name], expected.inputs[name])
            for name, tensor in expected.targets.items():
                assert torch.equal(batch.targets[name], tensor)


@pytest.mark.parametrize("max_length", [48, 64, 160])
def test_lengths_are_those_of_the_windows_or_for_negative_ones_the_longest_there_are(max_length):
    training_set = prepared(records_with_an_impossible_one(), max_length=max_length, negative_windows=1.0)
    for epoch in range(3):
        batch = training_set.batch(range(len(training_set.lengths)), epoch)
        found = batch.inputs["attention_mask"].sum(dim=1).numpy()
        assert found[:13].tolist() == training_set.lengths[:13].tolist()
        assert (found[13:] <= training_set.lengths[13:]).all()


def test_rows_and_lengths_of_a_selection_record_are_those_of_its_candidates():
    records = select_records(12)
    training_set = prepared(records, ParagraphSelection(), max_length=48)
    for number, shape in enumerate(zip(training_set.rows.tolist(), training_set.lengths.tolist(), strict=True)):
        rows, _, length = training_set.batch([number], 0).inputs["input_ids"].shape
        assert (rows, length) == shape


def test_a_budget_of_tokens_holds_for_records_of_different_numbers_of_candidates():
    records = [*select_records(8, fewest=8, most=9, longest=12), *select_records(4, fewest=2, most=3, longest=90)]
    training_set = prepared(records, ParagraphSelection(), max_length=96)
    settings = TrainingSettings(batch_tokens=600)
    passes = epoch_passes(training_set.lengths, settings, epoch=0, rows=training_set.rows)
    assert sorted(number for part in passes for number in part) == list(range(12))
    for part in passes:
        assert len(part) == 1 or training_set.batch(part.tolist(), 0).inputs["input_ids"].numel() <= 600


def test_a_selector_takes_no_negative_windows():
    with pytest.raises(ConfigError, match=r"tricks.negative_windows is for train-qa"):
        prepared(select_records(3), ParagraphSelection(), negative_windows=0.5)


# Teachers


@pytest.fixture
def own_scores(tmp_path):
    """Questions, a model, and what it says of them: one window for each in training, several short ones in teaching."""
    records = qa_records(8)
    model = trained(QA, 64)
    rows = []
    for record, (_, tokens) in zip(records, read_answers(model, records, ReadConfig()), strict=True):
        rows.append(QuestionScores(record.id, record.context, 0, (), tokens))
    write_scores(tmp_path / "own.parquet", rows, INFO)
    return records, rows, tmp_path / "own.parquet"


def test_a_model_taught_by_itself_hears_the_log_softmax_of_its_own_logits(own_scores):
    records, rows, file = own_scores
    training_set = prepared(records, max_length=200, distill=[file])
    batch = training_set.batch(range(8), 0)
    assert max(len(row.tokens.bounds) for row in rows) > 3, "some paragraphs must take several windows"
    for number, row in enumerate(rows):
        ids = batch.inputs["input_ids"][number].tolist()
        first = ids.index(tokenizer().sep_token_id) + 1
        paragraph = slice(first, first + len(row.context))
        for side, logits in enumerate((row.tokens.start, row.tokens.end)):
            best = np.full(len(row.context), -np.inf, dtype=np.float32)
            for place, logit in zip(row.tokens.char_start, logits, strict=True):  # a token a character
                best[place] = max(best[place], logit)
            taught = batch.targets["teacher"][side, number]
            assert torch.allclose(taught[paragraph], torch.from_numpy(best).log_softmax(dim=0), atol=1e-5)
            assert torch.isneginf(torch.cat([taught[:first], taught[paragraph.stop :]])).all()


def test_windows_hear_of_the_tokens_that_they_show(own_scores):
    records, _, file = own_scores
    whole, part = (prepared(records, max_length=length, distill=[file]) for length in (200, 48))
    full = whole.batch(range(8), 0)
    cut = 0
    for epoch in range(2):
        batch = part.batch(range(8), epoch)
        for number, record in enumerate(records):
            first = full.inputs["input_ids"][number].tolist().index(tokenizer().sep_token_id) + 1
            answer = int(full.targets["start_positions"][number]) - int(batch.targets["start_positions"][number])
            length = int(batch.inputs["attention_mask"][number].sum()) - first - 1
            found = batch.targets["teacher"][:, number, first : first + length]
            expected = full.targets["teacher"][:, number, first + answer : first + answer + length]
            assert torch.equal(found, expected)
            assert torch.isfinite(found).all()
            assert torch.isneginf(batch.targets["teacher"][:, number, first + length :]).all()
            cut += length < len(record.context)
    assert cut > 5


def test_negative_windows_have_no_teacher(own_scores):
    records, _, file = own_scores
    training_set = prepared(records, negative_windows=1.0, distill=[file])
    count = len(training_set.lengths)
    assert count > 8
    assert torch.isneginf(training_set.batch(range(8, count), 0).targets["teacher"]).all()


def test_a_question_without_an_answer_has_no_teacher(own_scores, tmp_path):
    _, rows, _ = own_scores
    records = records_with_an_impossible_one()
    taught = [replace(record, id=row.id) for record, row in zip(records[-1:], rows, strict=False)]
    rows = [replace(row, context=record.context) for record, row in zip(taught, rows, strict=False)]
    write_scores(tmp_path / "none.parquet", rows, INFO)
    training_set = prepared(taught, distill=[tmp_path / "none.parquet"])
    assert torch.isneginf(training_set.batch([0], 0).targets["teacher"]).all()


def test_a_model_taught_by_itself_alone_has_nothing_to_learn(tmp_path):
    records = qa_records(6)
    model = trained(QA, 200)
    rows = [
        QuestionScores(record.id, record.context, 0, (), tokens)
        for record, (_, tokens) in zip(records, read_answers(model, records, ReadConfig()), strict=True)
    ]
    write_scores(tmp_path / "own.parquet", rows, INFO)
    training_set = prepared(records, max_length=200, distill=[tmp_path / "own.parquet"])
    batch = training_set.batch(range(6), 0)
    loss = loss_of(training_set, model.model, batch, distill_weight=1.0, distill_temperature=2.0)
    assert float(loss.detach()) == pytest.approx(0, abs=1e-4)
    other = loss_of(training_set, tiny_bert(seed=5).eval(), batch, distill_weight=1.0, distill_temperature=2.0)
    assert float(other) > 0.1


def test_a_selector_taught_by_itself_alone_has_nothing_to_learn(tmp_path):
    records = select_records(6)
    model = trained(CHOICE, 160)
    rows = []
    for record, scores in zip(records, score_candidates(model, records, ReadConfig()), strict=True):
        ((_, tokens),) = read_answers(trained(QA, 160), [record], ReadConfig())
        rows.append(QuestionScores(record.id, record.context, record.relevant, tuple(scores.tolist()), tokens))
    write_scores(tmp_path / "own.parquet", rows, INFO)
    training_set = prepared(records, ParagraphSelection(), max_length=160, distill=[tmp_path / "own.parquet"])
    batch = training_set.batch(range(6), 0)
    loss = loss_of(training_set, model.model, batch, distill_weight=1.0, distill_temperature=2.0)
    assert float(loss.detach()) == pytest.approx(0, abs=1e-4)
    other = loss_of(training_set, tiny_bert(CHOICE, seed=5).eval(), batch, distill_weight=1.0)
    assert float(other) > 0.1
