"""Tiny models and records that the tests of training, tasks and runs share."""

from functools import cache
from pathlib import Path

import numpy as np
import torch
import transformers
from accelerate import Accelerator
from accelerate.state import AcceleratorState

from qakit.config import TrainConfig, TrainingSettings, TrickSettings
from qakit.data.records import Answer, Dataset, Paragraph, Record
from qakit.modeling.loading import load_tokenizer
from qakit.training.objective import batch_loss

TOKENIZER = Path(__file__).resolve().parents[2] / "data" / "tokenizer"
QA, CHOICE = "AutoModelForQuestionAnswering", "AutoModelForMultipleChoice"
SIZES = {
    "hidden_size": 16,
    "num_hidden_layers": 2,
    "num_attention_heads": 2,
    "intermediate_size": 32,
    "max_position_embeddings": 512,
}
_LETTERS = "河山城湖海風雲林石田"

torch.set_num_threads(1)  # in models this small, threads wait for each other most of the time


@cache
def tokenizer():
    return load_tokenizer(TOKENIZER)


def tiny_bert(auto_class=QA, *, dropout=0.0, seed=0, **changes):
    """A BERT of random weights that are wide enough for its answers to differ."""
    torch.manual_seed(seed)
    config = transformers.BertConfig(
        **{"vocab_size": len(tokenizer()), "initializer_range": 0.3, **SIZES, **changes},
        hidden_dropout_prob=dropout,
        attention_probs_dropout_prob=dropout,
    )
    return getattr(transformers, auto_class).from_config(config)


FAMILIES = {
    "bert": {},
    "roberta": {},
    "electra": {"embedding_size": 8},
    "roformer": {"embedding_size": 8},
    "deberta-v2": {"relative_attention": True, "pos_att_type": ["c2p", "p2c"], "norm_rel_ebd": "layer_norm"},
}


def tiny_model(family, auto_class=QA, *, dropout=0.0, seed=0, **changes):
    """A model of random weights of one of `FAMILIES`."""
    torch.manual_seed(seed)
    vocabulary = {"vocab_size": len(tokenizer()), "pad_token_id": tokenizer().pad_token_id}
    config = transformers.AutoConfig.for_model(
        family,
        **{**vocabulary, "initializer_range": 0.3, **SIZES, **FAMILIES[family], **changes},
        hidden_dropout_prob=dropout,
        attention_probs_dropout_prob=dropout,
    )
    return getattr(transformers, auto_class).from_config(config)


def text_of(length, seed):
    """So many characters, each of which is a token."""
    return "".join(np.random.default_rng(seed).choice(list(_LETTERS), length))


def qa_records(count, *, shortest=6, longest=150, seed=0):
    """Questions on paragraphs of very different lengths; each answer is of 1 to 4 characters."""
    generator = np.random.default_rng(seed)
    return [_qa_record(number, generator, shortest, longest) for number in range(count)]


def _qa_record(number, generator, shortest, longest):
    context = text_of(int(generator.integers(shortest, longest)), [number, int(generator.integers(1000))])
    start = int(generator.integers(len(context) - 4))
    answer = Answer(context[start : start + int(generator.integers(1, 5))], start)
    paragraph = Paragraph(str(number), context)
    return Record(f"q{number}", text_of(5 + number % 7, number), (paragraph,), relevant=0, answers=(answer,))


def select_records(count, *, fewest=3, most=7, shortest=6, longest=60, seed=0):
    """Questions with `fewest` to `most` candidate paragraphs."""
    generator = np.random.default_rng(seed)
    records = []
    for number, record in enumerate(qa_records(count, shortest=shortest, longest=longest, seed=seed)):
        lengths = generator.integers(shortest, longest, int(generator.integers(fewest, most + 1)) - 1)
        others = [Paragraph(f"{number}-{n}", text_of(int(length), [number, n])) for n, length in enumerate(lengths)]
        place = int(generator.integers(len(others) + 1))
        paragraphs = (*others[:place], *record.paragraphs, *others[place:])
        records.append(Record(record.id, record.question, paragraphs, relevant=place, answers=record.answers))
    return records


def dataset(records, schema="squad"):
    return Dataset(tuple(records), schema, (Path("train.json"),))


def train_config(out="run", *, max_length=64, training=None, **sections):
    values = {
        "out": out,
        "data": {"train": ["train.json"]},
        "model": {"name": "bert", "from_scratch": True, "tokenizer": str(TOKENIZER)},
        "windows": {"max_length": max_length},
        "training": {"precision": "fp32", **(training or {})},
        **sections,
    }
    return TrainConfig.model_validate(values)


def prepared_set(task, records, **options):
    """The training set of records, and the settings it was made for."""
    config = train_config(**options)
    return task.prepare(dataset(records), tokenizer(), config).training_set, config


def loss_of(training_set, model, batch, **tricks):
    """The loss of a batch, summed over its items; a scalar."""
    return batch_loss(training_set.classify(model(**batch.inputs), batch.targets), TrickSettings(**tricks))


def forget_accelerators():
    """Let the next one find its device and precision as if it were the first of the process."""
    AcceleratorState._reset_state(reset_partial_state=True)


def cpu():
    forget_accelerators()
    return Accelerator(cpu=True)


def settings(**values):
    return TrainingSettings(**{"precision": "fp32", **values})


def weights(model):
    return {name: tensor.detach().clone() for name, tensor in model.state_dict().items()}


def largest_difference(first, second):
    """Of any weight."""
    assert first.keys() == second.keys()
    return max(float((first[name] - second[name]).abs().max()) for name in first if first[name].is_floating_point())


def assert_equal_weights(first, second):
    assert first.keys() == second.keys()
    assert [name for name in first if not torch.equal(first[name], second[name])] == []
