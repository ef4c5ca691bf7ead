"""Paragraph selection: any number of candidates, none of them cut, and the relevant one where it is said to be."""

from types import SimpleNamespace

import numpy as np
import pytest
import torch

from qakit.config import ReadConfig, TrickSettings, WindowSettings
from qakit.data.records import Paragraph, Record
from qakit.data.schemas import read_dataset
from qakit.errors import ConfigError
from qakit.modeling.info import ModelInfo
from qakit.modeling.models import LoadedModel
from qakit.tasks.questions.reading import score_candidates
from qakit.tasks.questions.select import ParagraphSelection, choices
from qakit.training.objective import batch_loss
from tests.modeling.tiny import (
    CHOICE,
    dataset,
    loss_of,
    qa_records,
    select_records,
    text_of,
    tiny_bert,
    tokenizer,
    train_config,
)

TASK = ParagraphSelection()


def prepare(records, **options):
    return TASK.prepare(dataset(records), tokenizer(), train_config(**options))


def loaded(max_length=64, **windows):
    info = ModelInfo(task="select", windows=WindowSettings(max_length=max_length, **windows))
    return LoadedModel(tiny_bert(CHOICE).eval(), tokenizer(), info, "memory")


def score_of(model, question, paragraph, **options):
    """The model's score of each of a paragraph's windows, cut by the tokenizer itself."""
    encoding = tokenizer()(question, paragraph, truncation="only_second", return_overflowing_tokens=True, **options)
    scores = []
    for ids, types in zip(encoding["input_ids"], encoding["token_type_ids"], strict=True):
        with torch.no_grad():
            output = model(input_ids=torch.tensor([[ids]]), token_type_ids=torch.tensor([[types]]))
        scores.append(float(output.logits))
    return scores


def windowless(ids):
    """The tokens of one window without its padding."""
    return [number for number in ids.tolist() if number != tokenizer().pad_token_id]


# Candidates


@pytest.mark.parametrize("negatives", ["bm25", "article", "random"])
@pytest.mark.parametrize("source", ["hw7_train.json", "adl"])
def test_the_relevant_paragraph_is_still_the_same_after_candidates_were_added(sample_data, negatives, source):
    path = sample_data / "adl" / "train.json" if source == "adl" else sample_data / "hw7" / source
    samples = read_dataset([path])
    config = train_config(selection={"candidates": 5, "negatives": negatives})
    found = choices(samples, config)
    assert [record.id for record in found] == [record.id for record in samples]
    for record, sample in zip(found, samples, strict=True):
        texts = [paragraph.text for paragraph in record.paragraphs]
        assert record.context == sample.context
        assert record.answers == sample.answers
        assert len(set(texts)) == len(texts) == (4 if source == "adl" else 5)
    places = {record.relevant for record in found}
    assert places == set(range(4 if source == "adl" else 5)), "the relevant one stands anywhere"


def test_the_candidates_that_are_added_depend_on_the_seed_alone():
    records = dataset(qa_records(20))
    first, again, other = (choices(records, train_config(training={"seed": seed})) for seed in (1, 1, 2))
    assert first == again != other


def test_records_that_do_not_tell_their_relevant_paragraph_are_left_out():
    unknown = Record("x", "何處？", (Paragraph("0", "河山"), Paragraph("1", "城湖")))
    assert len(prepare([*select_records(4), unknown]).training_set.lengths) == 4
    assert not TASK.can_score(unknown)
    with pytest.raises(ConfigError, match="no record tells its relevant paragraph"):
        prepare([unknown])


# Training


def test_a_batch_holds_all_candidates_of_its_records_in_order():
    records = select_records(8)
    training_set = prepare(records, max_length=160).training_set
    assert len(training_set.lengths) == 8
    index = [5, 0, 7]
    batch = training_set.batch(index, 0)
    expected = [
        tokenizer()(records[number].question, paragraph.text)["input_ids"]
        for number in index
        for paragraph in records[number].paragraphs
    ]
    assert [windowless(ids) for ids in batch.inputs["input_ids"].squeeze(1)] == expected
    assert batch.targets["candidates"].tolist() == [len(records[number].paragraphs) for number in index]
    assert batch.targets["relevant"].tolist() == [records[number].relevant for number in index]
    assert batch.count == 3


def test_the_window_of_the_relevant_paragraph_holds_the_answer():
    records = select_records(30, shortest=100, longest=200)
    training_set = prepare(records, max_length=64).training_set
    seen = set()
    for epoch in range(3):
        batch = training_set.batch(range(30), epoch)
        first = np.concatenate([[0], np.cumsum(batch.targets["candidates"].tolist())])
        for number, record in enumerate(records):
            ids = windowless(batch.inputs["input_ids"][first[number] + record.relevant, 0])
            answer = tokenizer().convert_tokens_to_ids(tokenizer().tokenize(record.span.text))
            window = " ".join(map(str, ids))
            assert " ".join(map(str, answer)) in window
            seen.add((number, window))
    assert len(seen) > 60, "windows move from epoch to epoch"


def test_the_loss_is_the_cross_entropy_over_each_records_candidates():
    records = select_records(8)
    assert len({len(record.paragraphs) for record in records}) > 2
    training_set = prepare(records, max_length=160).training_set
    batch = training_set.batch(range(8), 0)
    model = tiny_bert(CHOICE).eval()
    with torch.no_grad():
        found = float(loss_of(training_set, model, batch))
    expected = 0.0
    for record in records:
        (scores,) = zip(*(score_of(model, record.question, p.text) for p in record.paragraphs), strict=True)
        expected += np.logaddexp.reduce(scores) - scores[record.relevant]
    assert found == pytest.approx(expected, rel=1e-5)


def test_one_candidate_costs_nothing_and_more_candidates_have_gradients():
    training_set = prepare(select_records(6)).training_set
    targets = training_set.batch(range(6), 0).targets
    logits = torch.randn(sum(targets["candidates"]), 1, requires_grad=True)
    batch_loss(training_set.classify(SimpleNamespace(logits=logits), targets), TrickSettings()).backward()
    assert torch.isfinite(logits.grad).all()
    assert (logits.grad != 0).all()
    targets = {"candidates": torch.tensor([1, 1]), "relevant": torch.tensor([0, 0])}
    alone = training_set.classify(SimpleNamespace(logits=torch.randn(2, 1)), targets)
    assert float(batch_loss(alone, TrickSettings())) == 0


# Scoring


def test_scores_are_log_probabilities_over_the_candidates():
    records = select_records(8)
    model = loaded(160)
    for record, scores in zip(records, score_candidates(model, records, ReadConfig()), strict=True):
        (raw,) = zip(*(score_of(model.model, record.question, p.text) for p in record.paragraphs), strict=True)
        assert scores == pytest.approx(raw - np.logaddexp.reduce(raw), abs=1e-5)
        assert np.exp(scores).sum() == pytest.approx(1)


def test_a_long_paragraph_counts_with_the_best_of_its_windows():
    paragraphs = tuple(Paragraph(str(number), text_of(length, number)) for number, length in enumerate((150, 10, 90)))
    record = Record("q", "何處？", paragraphs, relevant=0)
    model = loaded(48, overlap=16)
    windows = [score_of(model.model, record.question, p.text, max_length=48, stride=16) for p in paragraphs]
    assert [len(scores) > 1 for scores in windows] == [True, False, True]
    best = np.array([max(scores) for scores in windows])
    assert len({*best, windows[0][0], windows[0][-1]}) > 3, "the best window must not be at the edge only"
    (found,) = score_candidates(model, [record], ReadConfig())
    assert found == pytest.approx(best - np.logaddexp.reduce(best), abs=1e-5)


def test_evaluation_counts_how_often_the_relevant_paragraph_is_chosen():
    records = [*select_records(15), Record("x", "何處？", (Paragraph("0", "河山"), Paragraph("1", "城湖")))]
    model = loaded()
    chosen = [int(scores.argmax()) for scores in score_candidates(model, records[:15], ReadConfig())]
    right = sum(number == record.relevant for number, record in zip(chosen, records[:15], strict=True))
    assert 0 < right < 15
    assert TASK.evaluate(model, dataset(records), train_config()) == {"accuracy": 100 * right / 15}
