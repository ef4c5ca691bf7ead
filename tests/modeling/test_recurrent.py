"""LSTM and GRU are models like all others: saved, loaded, padded without effect; their words are the data's."""

from itertools import pairwise, product
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from qakit.config import ModelSettings, WindowSettings
from qakit.errors import ConfigError, DataError
from qakit.modeling.building import build_for_training
from qakit.modeling.info import ModelInfo
from qakit.modeling.loading import load_tokenizer
from qakit.modeling.models import load_trained, save_trained
from qakit.modeling.recurrent import conditional_logits
from qakit.modeling.word_vocabulary import build_word_tokenizer, find_vectors, read_vectors, set_vectors
from qakit.training.layers import embedding_modules, encoder_layers, layer_heights
from tests.modeling.labels import intent_records, labelled_set, words

TEXTS, TOKENS = "AutoModelForSequenceClassification", "AutoModelForTokenClassification"
WINDOWS = WindowSettings(max_length=32)
SMALL = {"hidden_size": 8, "embedding_size": 6}


def build(name="lstm", auto_class=TEXTS, *, classes=("a", "b", "c"), data=None, tell=lambda text: None, **settings):
    torch.manual_seed(0)
    given = ModelSettings(name=name, **{**SMALL, **settings})
    data = data or labelled_set(intent_records(9))
    return build_for_training(given, auto_class, WINDOWS, classes=classes, data=data, tell=tell)


@pytest.mark.parametrize("name", ["lstm", "gru"])
@pytest.mark.parametrize("auto_class", [TEXTS, TOKENS])
def test_padding_changes_nothing(name, auto_class):
    model, _, _ = build(name, auto_class)
    model.eval()
    ids = torch.randint(4, 12, (3, 7))
    mask = torch.ones_like(ids)
    mask[1, 4:] = 0
    with torch.inference_mode():
        whole = model(input_ids=ids, attention_mask=mask).logits
        alone = model(input_ids=ids[1:2, :4], attention_mask=mask[1:2, :4]).logits
    torch.testing.assert_close(whole[1:2] if auto_class == TEXTS else whole[1:2, :4], alone, atol=1e-6, rtol=0)
    assert torch.isfinite(whole).all()


@pytest.mark.parametrize(("name", "auto_class", "task"), [("lstm", TEXTS, "intent"), ("gru", TOKENS, "slots")])
def test_a_saved_model_is_loaded_with_its_words_and_classes(tmp_path: Path, name, auto_class, task):
    model, tokenizer, fresh = build(name, auto_class, crf=True)
    assert fresh == []
    save_trained(tmp_path, model, tokenizer, ModelInfo(task=task, windows=WINDOWS))
    loaded = load_trained(str(tmp_path), task=task, auto_class=auto_class)
    ids = torch.tensor([tokenizer("book a table")["input_ids"]])
    with torch.inference_mode():
        torch.testing.assert_close(loaded.model(input_ids=ids).logits, model.eval()(input_ids=ids).logits)
    assert loaded.model.config.id2label == {0: "a", 1: "b", 2: "c"}
    assert loaded.tokenizer("book a table")["input_ids"] == ids[0].tolist()
    assert {path.suffix for path in tmp_path.iterdir()} == {".json", ".safetensors"}


def test_unknown_words_are_seen_in_training_alone():
    model, _, _ = build(word_dropout=1.0, hidden_dropout_prob=0.0)
    known, unknown = torch.tensor([[5, 6]]), torch.tensor([[1, 1]])
    assert torch.equal(model.train()(input_ids=known).logits, model(input_ids=unknown).logits)
    assert not torch.equal(model.eval()(input_ids=known).logits, model(input_ids=unknown).logits)


def test_tricks_find_layers_and_embeddings():
    model, _, _ = build()
    assert len(encoder_layers(model)) == 2
    assert embedding_modules(model) == [model.encoder.embeddings]
    heights = layer_heights(model)
    assert heights["encoder.embeddings.weight"] == -3
    assert heights["encoder.layers.1.weight_ih_l0"] == -1
    assert heights["classifier.weight"] == 0


def test_the_vocabulary_is_that_of_the_training_data():
    tokenizer = build_word_tokenizer(["Book a table, please", "book A taxi"], 9)
    assert list(tokenizer.get_vocab()) and len(tokenizer) == 9
    assert tokenizer.tokenize("BOOK a unicorn") == ["book", "a", "[UNK]"]
    assert tokenizer("book a")["input_ids"] == [4, 5, 2]
    assert build_word_tokenizer(["a"], 6, known=["zebra", "a", "b"]).get_vocab().keys() == {
        "[PAD]",
        "[UNK]",
        "[SEP]",
        "[CLS]",
        "a",
        "zebra",
    }


def test_a_tokenizer_of_ones_own_takes_the_place_of_the_words(tmp_path: Path):
    words().save_pretrained(tmp_path)
    model, tokenizer, _ = build(tokenizer=str(tmp_path))
    assert tokenizer.get_vocab() == load_tokenizer(tmp_path).get_vocab()
    assert model.config.vocab_size == len(tokenizer)


def test_vectors_are_where_their_words_are(tmp_path: Path):
    path = tmp_path / "glove.txt"
    path.write_text("book 1 2 3\nzebra 4 5 6\nbook 7 8 9\n", encoding="utf-8")
    model, tokenizer, _ = build(embeddings=path, embedding_size=3)
    with pytest.raises(ConfigError, match=r"model.embedding_size 300: .* have 3 numbers"):
        build(embeddings=path, embedding_size=300)
    weight = model.get_input_embeddings().weight
    vocabulary = tokenizer.get_vocab()
    assert weight.shape == (len(vocabulary), 3)
    assert weight[vocabulary["book"]].tolist() == [1, 2, 3]
    assert weight[vocabulary["zebra"]].tolist() == [4, 5, 6]
    assert set_vectors(model.get_input_embeddings(), vocabulary, {"unicorn": np.ones(3, np.float32)}) == 0


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("a 1 2\nb 1\n", "line 2: vector: has 1 numbers, expected 2"),
        ("a 1 2\nb 1 x\n", "line 2: vector: has a field that is no number"),
        ("a 1 nan\n", "has a number that is not finite"),
        ("1 2\n", "vectors: has none"),
        ("", "vectors: has none"),
    ],
)
def test_a_wrong_file_of_vectors_is_refused(tmp_path: Path, text: str, message: str):
    (tmp_path / "glove.txt").write_text(text, encoding="utf-8")
    with pytest.raises(DataError, match=message):
        read_vectors(tmp_path / "glove.txt")
    with pytest.raises(DataError):
        read_vectors(tmp_path / "absent.txt")


def test_only_two_whole_numbers_are_a_header(tmp_path: Path):
    for first, expected in (("the 5", ["the", "a"]), ("0.5 2", ["0.5", "a"]), ("7 5", ["a"])):
        (tmp_path / "one.txt").write_text(f"{first}\na 1\n", encoding="utf-8")
        assert list(read_vectors(tmp_path / "one.txt")) == expected
    (tmp_path / "one.txt").write_text("word\na 1\n", encoding="utf-8")
    with pytest.raises(DataError, match="line 1: vector: has 0 numbers"):
        read_vectors(tmp_path / "one.txt")


def test_vectors_of_cased_words_are_those_of_the_words_as_the_tokenizer_writes_them(tmp_path: Path):
    path = tmp_path / "cased.txt"
    path.write_text("Table 1 2\nBook 3 4\nbook 5 6\ndon't 7 8\ne-mail 7 8\nZebra 9 9\nZEBRA 7 7\n", encoding="utf-8")
    notes: list[str] = []
    data = labelled_set(intent_records(9))
    model, tokenizer, _ = build(embeddings=path, embedding_size=2, data=data, tell=notes.append)
    vocabulary, weight = tokenizer.get_vocab(), model.get_input_embeddings().weight
    assert weight[vocabulary["table"]].tolist() == [1, 2]
    assert weight[vocabulary["book"]].tolist() == [5, 6]
    assert weight[vocabulary["zebra"]].tolist() == [9, 9]
    assert not {"don't", "e-mail", "Zebra", "ZEBRA"} & vocabulary.keys()
    total = len(vocabulary) - 4 - 1  # special tokens, and the zebra
    assert notes == [f"2 of {total} words of the training data have a vector in cased.txt"]


def test_a_cased_word_falls_back_to_the_vector_of_its_lower_cased_form():
    one, other = np.ones(2, np.float32), np.zeros(2, np.float32)
    found = find_vectors(["Paris", "ROME", "oslo"], {"paris": one, "Rome": one, "rome": other, "ROME": one})
    assert {word: vector.tolist() for word, vector in found.items()} == {"Paris": [1, 1], "ROME": [1, 1]}
    assert find_vectors(["ROME"], {"Rome": one, "rome": other})["ROME"] is other


def test_vectors_of_other_words_are_refused(tmp_path: Path):
    (tmp_path / "other.txt").write_text("zebra 1 2\n", encoding="utf-8")
    with pytest.raises(ConfigError, match=r"model.embeddings .*other.txt: has a vector for none of the \d+ words"):
        build(embeddings=tmp_path / "other.txt", embedding_size=2)


@pytest.mark.parametrize("auto_class", ["AutoModelForQuestionAnswering", "AutoModelForMultipleChoice"])
def test_recurrent_models_are_not_for_questions(tmp_path: Path, auto_class):
    message = r"lstm and gru are for tasks on labels"
    with pytest.raises(ConfigError, match=message):
        build("gru", auto_class, classes=())
    model, tokenizer, _ = build()
    save_trained(tmp_path, model, tokenizer, ModelInfo(task="intent", windows=WINDOWS))
    with pytest.raises(ConfigError, match=message):
        build_for_training(ModelSettings(name=str(tmp_path)), auto_class, WINDOWS)


def test_a_header_is_passed_over(tmp_path: Path):
    (tmp_path / "w2v.txt").write_text("1 2\na 1 2 \n", encoding="utf-8")
    assert {word: vector.tolist() for word, vector in read_vectors(tmp_path / "w2v.txt").items()} == {"a": [1, 2]}


def test_words_may_have_spaces_and_be_numbers(tmp_path: Path):
    (tmp_path / "glove.txt").write_text("the 1 2\n. . . 3 4\nat name@domain.com 5 6\n0.5 7 8\n", encoding="utf-8")
    assert list(read_vectors(tmp_path / "glove.txt")) == ["the", ". . .", "at name@domain.com", "0.5"]


def test_vectors_are_for_recurrent_models(tmp_path: Path):
    with pytest.raises(ConfigError, match=r"model.embeddings .* is for lstm and gru"):
        build("bert", embeddings=tmp_path / "glove.txt", from_scratch=True)


# The conditional random field


def log_likelihood(scores, path, transitions):
    """By the sum over all paths."""
    between, start, end = transitions[:-2], transitions[-2], transitions[-1]

    def value(classes):
        steps = sum(between[one, other] for one, other in pairwise(classes))
        return start[classes[0]] + sum(scores[t, c] for t, c in enumerate(classes)) + steps + end[classes[-1]]

    every = torch.stack([value(classes) for classes in product(range(scores.shape[1]), repeat=len(scores))])
    return value(path) - every.logsumexp(0)


@given(seed=st.integers(0, 10_000), lengths=st.lists(st.integers(1, 4), min_size=1, max_size=3))
def test_the_choices_of_a_sequence_have_the_probability_of_the_sequence(seed, lengths):
    generator = torch.Generator().manual_seed(seed)
    classes, longest = 3, max(lengths)
    scores = torch.randn(len(lengths), longest, classes, generator=generator, dtype=torch.float64)
    transitions = torch.randn(classes + 2, classes, generator=generator, dtype=torch.float64)
    labels = torch.randint(classes, (len(lengths), longest), generator=generator)
    mask = torch.arange(longest) < torch.tensor(lengths)[:, None]
    logs = conditional_logits(scores, labels, mask, transitions).log_softmax(dim=-1)
    chosen = logs.gather(2, labels[:, :, None]).squeeze(2)
    for row, length in enumerate(lengths):
        expected = log_likelihood(scores[row, :length], labels[row, :length].tolist(), transitions)
        torch.testing.assert_close(chosen[row, :length].sum(), expected)
