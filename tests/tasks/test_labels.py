"""Intents and slots as tasks: what a batch holds, what the loss is, and that small models learn them."""

import numpy as np
import pytest
import torch

from qakit.config import DecodingSettings, InferenceSettings, ReadConfig
from qakit.data.labels import TextRecord, WordsRecord
from qakit.errors import ConfigError
from qakit.modeling.building import build_for_training
from qakit.modeling.models import LoadedModel
from qakit.tasks.base import Models
from qakit.tasks.labels.base import scores_info
from qakit.tasks.labels.decoding import LabelDecoder
from qakit.tasks.labels.intent import IntentClassification
from qakit.tasks.labels.slots import SlotTagging
from qakit.tasks.registry import TASKS
from qakit.training.learner import Learner
from tests.modeling.labels import intent_records, labelled_set, slot_records, words
from tests.modeling.tiny import cpu, loss_of, train_config

LSTM = {"hidden_size": 16, "embedding_size": 12, "num_hidden_layers": 1, "hidden_dropout_prob": 0.0}
LEARNING = {"learning_rate": 2e-2, "batch_size": 8, "epochs": 12, "warmup": 0, "weight_decay": 0}


def config_of(name="lstm", *, max_length=32, tricks=None, training=None, **model):
    sections = {"model": {"name": name, **LSTM, **model}, "tricks": tricks or {}}
    return train_config(max_length=max_length, training={**LEARNING, **(training or {})}, **sections)


def learnt(task, records, config):
    """A model that was trained on the records."""
    data = labelled_set(records)
    torch.manual_seed(0)
    model, tokenizer, _ = build_for_training(
        config.model, task.auto_class, config.windows, classes=task.classes(data), data=data
    )
    prepared = task.prepare(data, tokenizer, config)
    learner = Learner(model, config, cpu(), prepared.training_set)
    for _ in learner.steps():
        pass
    return LoadedModel(learner.model.eval(), tokenizer, prepared.info, "model")


def predictions(task, loaded, records, config):
    return [one.prediction for one in task.predict(labelled_set(records), Models(loaded), config)]


def classify_texts(loaded, records, config):
    return predictions(IntentClassification(), loaded, records, config)


def tag_words(loaded, records, config):
    return predictions(SlotTagging(), loaded, records, config)


def class_probabilities(loaded, records, config):
    """Shape (records, L)."""
    decoder = LabelDecoder(scores_info(loaded))
    return np.concatenate([decoder.probabilities(row) for row in IntentClassification().score(loaded, records, config)])


@pytest.fixture(scope="module")
def intents():
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("ACCELERATE_USE_CPU", "true")
        return learnt(IntentClassification(), intent_records(40), config_of())


@pytest.fixture(scope="module", params=[False, True], ids=["choices", "crf"])
def slots(request):
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("ACCELERATE_USE_CPU", "true")
        return learnt(SlotTagging(), slot_records(60), config_of("gru", crf=request.param))


def test_both_tasks_are_registered():
    assert list(TASKS) == ["qa", "select", "intent", "slots"]


def test_intents_are_learnt(intents):
    scores = IntentClassification().evaluate(intents, labelled_set(intent_records(30, seed=1)), config_of())
    assert scores["accuracy"] == scores["macro_f1"] == scores["top3"] == 100.0


def test_slots_are_learnt(slots):
    scores = SlotTagging().evaluate(slots, labelled_set(slot_records(30, seed=1)), config_of("gru"))
    assert (scores["joint_accuracy"], scores["f1"], scores["strict_f1"]) == (100.0, 100.0, 100.0)


def test_ranked_intents_have_the_probabilities_of_the_model(intents):
    record = TextRecord("x", "book a table please")
    (one,) = classify_texts(intents, [record], ReadConfig())
    with torch.inference_mode():
        logits = intents.model(**intents.tokenizer(record.text, return_tensors="pt")).logits[0]
    names = intents.model.config.id2label
    assert one.ranked == tuple(
        (names[int(number)], pytest.approx(float(logits.softmax(0)[number]), abs=1e-6))
        for number in logits.argsort(descending=True)
    )
    assert one.label == one.names[0] == "book"


def test_a_text_that_reaches_no_threshold_is_out_of_scope(intents):
    record = TextRecord("x", "book a table please")
    (one,) = classify_texts(intents, [record], ReadConfig())
    for threshold, label in ((one.ranked[0][1] - 1e-9, "book"), (one.ranked[0][1] + 1e-9, "oos")):
        info = intents.info.model_copy(update={"oos_threshold": threshold})
        loaded = LoadedModel(intents.model, intents.tokenizer, info, "model")
        (found,) = classify_texts(loaded, [record], ReadConfig())
        assert (found.label, found.names[0]) == (label, label)


def test_batches_and_order_change_no_prediction(intents, slots):
    one_by_one = ReadConfig(inference=InferenceSettings(batch_tokens=1))
    texts, sentences = intent_records(20, seed=2), slot_records(20, seed=2)
    np.testing.assert_allclose(
        class_probabilities(intents, texts, one_by_one), class_probabilities(intents, texts, ReadConfig()), atol=1e-6
    )
    for one, other in zip(*(tag_words(slots, sentences, how) for how in (one_by_one, ReadConfig())), strict=True):
        assert (one.id, one.label) == (other.id, other.label)
        assert one.probability == pytest.approx(other.probability, abs=1e-6)


def test_every_word_has_one_tag_also_behind_the_end_of_a_window(slots):
    (long,) = slot_records(1, longest=120, seed=5)
    assert len(long.words) > 50
    (one,) = tag_words(slots, [long], ReadConfig())
    tags = one.label.split(" ")
    assert len(tags) == len(long.words)
    assert np.mean([tag == gold for tag, gold in zip(tags, long.tags, strict=True)]) > 0.95


def test_words_that_the_tokenizer_drops_are_outside(slots):
    record = WordsRecord("x", ("at", "\u00ad", "nine"))
    (one,) = tag_words(slots, [record], ReadConfig())
    assert len(one.label.split(" ")) == 3


def test_a_batch_of_slots_names_the_first_token_of_each_word():
    task, config = SlotTagging(), config_of()
    records = [WordsRecord("a", ("at", "one-two"), ("O", "B-time")), WordsRecord("b", ("or",), ("O",))]
    prepared = task.prepare(labelled_set(records), words(), config)
    batch = prepared.training_set.batch([1, 0], 0)
    assert batch.count == 3
    assert batch.targets["counts"].tolist() == [1, 2]
    assert batch.targets["places"].tolist() == [0, 0, 1]
    assert batch.targets["labels"].tolist() == [1, 1, 0]


def test_the_loss_of_slots_is_the_mean_over_words_whatever_shares_a_pass():
    task, config = SlotTagging(), config_of()
    data = labelled_set(slot_records(12))
    model, tokenizer, _ = build_for_training(
        config.model, task.auto_class, config.windows, classes=task.classes(data), data=data
    )
    training_set = task.prepare(data, tokenizer, config).training_set
    whole = training_set.batch(range(12), 0)
    parts = [training_set.batch([number], 0) for number in range(12)]
    together = loss_of(training_set, model, whole) / whole.count
    alone = sum(loss_of(training_set, model, part) for part in parts) / sum(part.count for part in parts)
    torch.testing.assert_close(together, alone)


@pytest.mark.parametrize(
    "tricks", [{"r_drop": 1.0, "label_smoothing": 0.1}, {"dropout_samples": 2}, {"adversarial": "fgm"}]
)
@pytest.mark.parametrize("task", ["intent", "slots"])
def test_tricks_go_with_both_tasks(task, tricks, monkeypatch):
    monkeypatch.setenv("ACCELERATE_USE_CPU", "true")
    records = intent_records(8) if task == "intent" else slot_records(8)
    crf = {"crf": True} if task == "slots" else {}
    config = config_of(tricks=tricks, training={"epochs": 1, "batch_size": 4}, hidden_dropout_prob=0.1, **crf)
    assert learnt(TASKS[task], records, config) is not None


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"tricks": {"negative_windows": 0.5}}, "tricks.negative_windows: is for tasks on questions"),
        ({"crf": True}, "model.crf: is for train-slots"),
    ],
)
def test_what_only_questions_have_is_refused(changes, message):
    with pytest.raises(ConfigError, match=message):
        IntentClassification().prepare(labelled_set(intent_records(4)), words(), config_of(**changes))


def test_records_without_labels_are_left_out_and_told_of():
    records = [*intent_records(4), TextRecord("x", "book")]
    prepared = IntentClassification().prepare(labelled_set(records), words(), config_of())
    assert len(prepared.training_set.lengths) == 4
    assert prepared.notes[1].startswith("1 records left out")
    with pytest.raises(ConfigError, match="no record has a label"):
        IntentClassification().classes(labelled_set(records[-1:]))


def test_a_long_text_has_the_mean_of_its_windows(intents):
    text = "book a table please " * 30
    row = class_probabilities(intents, [TextRecord("x", text)], ReadConfig(decoding=DecodingSettings()))
    assert row.shape == (1, 3)
    assert row.sum() == pytest.approx(1.0)
    assert row.argmax() == 0
