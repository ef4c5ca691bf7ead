"""How windows share a forward pass changes neither logits nor answers, and no pass is larger than allowed."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from qakit.config import InferenceSettings, ReadConfig, WindowSettings
from qakit.modeling.batching import EpochWindows, batches_by_length, gather_batch
from qakit.modeling.inference import run_windows
from qakit.modeling.info import ModelInfo
from qakit.modeling.models import LoadedModel
from qakit.spans.windowing import covering_windows, encode_pairs, gather_windows, training_windows
from qakit.tasks.questions.reading import read_answers, score_candidates
from tests.modeling.tiny import CHOICE, QA, qa_records, select_records, text_of, tiny_bert, tokenizer

WINDOWS = WindowSettings(max_length=48, overlap=10)
BUDGETS = (1, 48, 100, 333, 10**6)


def encode(lengths, windows=WINDOWS):
    texts = [(text_of(3 + number % 5, number), text_of(length, number)) for number, length in enumerate(lengths)]
    pairs = encode_pairs(tokenizer(), texts, windows)
    return pairs, covering_windows(pairs)


def loaded(auto_class, task):
    model = tiny_bert(auto_class).eval()
    return LoadedModel(model, tokenizer(), ModelInfo(task=task, windows=WINDOWS, max_answer_length=4), "memory")


def read_config(batch_tokens):
    return ReadConfig(inference=InferenceSettings(batch_tokens=batch_tokens))


# Which windows go together


@settings(max_examples=25)
@given(lengths=st.lists(st.integers(1, 90), min_size=1, max_size=20), batch_tokens=st.integers(1, 300))
def test_every_window_goes_through_once_and_batches_keep_to_the_budget(lengths, batch_tokens):
    pairs, windows = encode(lengths)
    batches = list(batches_by_length(pairs, windows, batch_tokens))
    assert sorted(number for batch in batches for number in batch) == list(range(len(windows)))
    sizes = [gather_batch(pairs, windows, batch, 0).inputs["input_ids"].shape for batch in batches]
    assert all(count * length <= batch_tokens or count == 1 for count, length in sizes)
    longest = [length for _, length in sizes]
    assert longest == sorted(longest, reverse=True)
    assert all((count + 1) * length > batch_tokens for count, length in sizes[:-1]), "one more would have fitted"


def test_a_batch_tells_where_its_paragraph_tokens_are():
    pairs, windows = encode([90, 5])
    batch = gather_batch(pairs, windows, [2, len(windows) - 1], tokenizer().pad_token_id)
    paragraph = pairs.paragraphs
    for row, number in enumerate(batch.index):
        offset, length, first = batch.paragraph_offset[row], batch.paragraph_length[row], batch.first_token[row]
        bound = paragraph.bounds[windows.rows[number, 1]]
        expected = paragraph.ids[bound + first : bound + first + length]
        assert batch.inputs["input_ids"][row, offset : offset + length].tolist() == expected.tolist()
    assert batch.first_token[0] > 0


# What comes out


def _all_logits(model, pairs, windows, batch_tokens, choices=False):
    found = {}
    options = {"pad_id": tokenizer().pad_token_id, "settings": InferenceSettings(batch_tokens=batch_tokens)}
    for batch, output in run_windows(model, pairs, windows, choices=choices, **options):
        logits = output.logits if choices else torch.stack([output.start_logits, output.end_logits], dim=1)
        for row, number in enumerate(batch.index.tolist()):
            length = int(batch.inputs["attention_mask"][row].sum())
            found[number] = logits[row] if choices else logits[row, :, :length]
    return [found[number] for number in range(len(windows))]


@pytest.mark.parametrize("batch_tokens", BUDGETS)
@pytest.mark.parametrize("choices", [False, True])
def test_batches_of_any_size_give_the_same_logits(choices, batch_tokens):
    pairs, windows = encode([90, 5, 40, 41, 1, 64, 12])
    model = tiny_bert(CHOICE if choices else QA).eval()
    found = _all_logits(model, pairs, windows, batch_tokens, choices)
    for number, logits in enumerate(found):
        inputs = gather_batch(pairs, windows, [number], 0).inputs
        with torch.no_grad():
            alone = model(**{name: tensor.unsqueeze(1) if choices else tensor for name, tensor in inputs.items()})
        expected = alone.logits[0] if choices else torch.stack([alone.start_logits[0], alone.end_logits[0]])
        assert logits.shape == expected.shape
        assert torch.allclose(logits, expected, rtol=0, atol=1e-5)


@pytest.mark.parametrize("batch_tokens", BUDGETS)
def test_batches_of_any_size_give_the_same_answers_in_the_order_of_the_questions(batch_tokens):
    records = qa_records(30)
    model = loaded(QA, "qa")
    expected = [prediction for prediction, _ in read_answers(model, records, read_config(8192))]
    found = [prediction for prediction, _ in read_answers(model, records, read_config(batch_tokens))]
    assert [prediction.id for prediction in found] == [record.id for record in records]
    assert [prediction.text for prediction in found] == [prediction.text for prediction in expected]
    assert len({prediction.text for prediction in found}) > 10
    places = [[(a.start, a.end) for a in prediction.answers] for prediction in found]
    assert places == [[(a.start, a.end) for a in prediction.answers] for prediction in expected]


@pytest.mark.parametrize("batch_tokens", BUDGETS)
def test_batches_of_any_size_give_the_same_selection(batch_tokens):
    records = select_records(12)
    model = loaded(CHOICE, "select")
    expected = list(score_candidates(model, records, read_config(8192)))
    found = list(score_candidates(model, records, read_config(batch_tokens)))
    assert [len(scores) for scores in found] == [len(record.paragraphs) for record in records]
    for ours, theirs in zip(found, expected, strict=True):
        assert ours == pytest.approx(theirs, abs=1e-5)
        assert ours.argmax() == theirs.argmax()


@pytest.mark.parametrize("training", [True, False])
def test_a_model_is_left_in_the_mode_it_was_in(training):
    pairs, windows = encode([90, 5])
    model = tiny_bert(dropout=0.5).train(training)
    options = {"pad_id": 0, "settings": InferenceSettings(batch_tokens=48)}
    runs = run_windows(model, pairs, windows, **options)
    next(runs)
    assert not model.training
    runs.close()
    assert model.training == training
    first, second = (_all_logits(model, pairs, windows, 48) for _ in range(2))
    assert model.training == training
    assert all(torch.equal(one, other) for one, other in zip(first, second, strict=True)), "dropout must be off"


def test_no_gradients_are_kept():
    pairs, windows = encode([5])
    ((_, output),) = run_windows(tiny_bert(), pairs, windows, pad_id=0, settings=InferenceSettings())
    assert not output.start_logits.requires_grad


def test_bf16_runs_the_model_in_bf16_and_comes_near():
    pairs, windows = encode([40, 20])
    settings = InferenceSettings(precision="bf16")
    model = tiny_bert(initializer_range=0.05).eval()
    ((_, rough),) = run_windows(model, pairs, windows, pad_id=0, settings=settings)
    ((_, exact),) = run_windows(model, pairs, windows, pad_id=0, settings=InferenceSettings())
    assert (rough.start_logits.dtype, exact.start_logits.dtype) == (torch.bfloat16, torch.float32)
    assert torch.allclose(rough.start_logits.float(), exact.start_logits, atol=0.05)


# Windows for training


def test_the_windows_of_an_epoch_are_drawn_once_and_anew_for_the_next():
    pairs, _ = encode([200] * 6)
    spans = np.full((6, 2), 50, dtype=np.int32)
    epochs = EpochWindows(pairs, spans, pad_id=0, seed=3)
    first = [epochs.batch([number], 0).first_token.tolist() for number in range(6)]
    other = epochs.batch(range(6), 1).first_token.tolist()
    assert np.ravel(first).tolist() == epochs.batch(range(6), 0).first_token.tolist() != other
    drawn = training_windows(pairs, spans, seed=3, epoch=1)
    assert other == drawn.rows[:, 2].tolist()
    gathered = gather_windows(pairs, drawn, range(6), 0)
    assert epochs.batch(range(6), 1).inputs["input_ids"].tolist() == gathered.input_ids.tolist()


@pytest.mark.parametrize(
    ("hidden_size", "precision", "tokens"),
    [(256, None, 1024), (256, "bf16", 4096), (1024, "bf16", 1024), (4096, "bf16", 1024), (4096, None, 1024)],
)
def test_a_pass_on_a_cpu_has_more_tokens_where_a_small_model_computes_in_16_bits(
    monkeypatch, hidden_size, precision, tokens
):
    asked = []
    monkeypatch.setattr("qakit.modeling.inference.batches_by_length", lambda *given: asked.append(given[2]) or ())
    model, pairs = tiny_bert(), encode_pairs(tokenizer(), [("字", "國")], WindowSettings(max_length=32))
    model.config.hidden_size = hidden_size
    list(run_windows(model, pairs, covering_windows(pairs), pad_id=0, settings=InferenceSettings(precision=precision)))
    assert asked == [tokens * torch.get_num_threads()]
