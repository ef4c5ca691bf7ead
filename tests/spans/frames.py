"""Tokenizers of the ways to frame a pair, made on the spot, and what they themselves make of overlong pairs.

BERT: `[CLS] q [SEP] p [SEP]` with type ids. RoFormer: the same frame, words cut by jieba in Python, no type ids.
RoBERTa: `<s> q </s></s> p </s>` over byte-level pieces. XLM-R: the same frame over Unigram pieces.
Shared scripts: BERT's frame, single characters, Traditional and Simplified as one.
"""

import json
import tempfile
from collections.abc import Callable, Mapping, Sequence
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
from tokenizers import Tokenizer, models, pre_tokenizers, trainers
from transformers import BertTokenizer, RobertaTokenizer, RoFormerTokenizer, XLMRobertaTokenizer

from qakit.config import WindowSettings
from qakit.data.character_tokenizer import build_tokenizer, write_tokenizer
from qakit.data.records import Record
from qakit.data.schemas import read_dataset
from qakit.modeling.loading import load_tokenizer
from qakit.spans.windowing import covering_windows, encode_pairs, gather_windows

SAMPLE = Path(__file__).resolve().parents[2] / "data"
SPECIAL = ["<s>", "<pad>", "</s>", "<unk>", "<mask>"]
Pair = tuple[str, str]
Window = tuple[list[int], list[int] | None, int]
"""Token ids, type ids if any, and the number of the pair."""


@cache
def sample_records() -> tuple[Record, ...]:
    """The questions of the project's sample data."""
    return read_dataset([SAMPLE / "hw7" / "hw7_train.json"]).records


def sample_texts() -> list[str]:
    """The sample's paragraphs, each once."""
    return list(dict.fromkeys(record.context for record in sample_records()))


@cache
def bert() -> Any:
    return BertTokenizer.from_pretrained(SAMPLE / "tokenizer")


@cache
def roformer() -> Any:
    return RoFormerTokenizer(vocab=bert().get_vocab())


@cache
def roberta() -> Any:
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    alphabet = sorted(pre_tokenizers.ByteLevel.alphabet())
    trainer = trainers.BpeTrainer(
        vocab_size=1000, special_tokens=SPECIAL, initial_alphabet=alphabet, show_progress=False
    )
    tokenizer.train_from_iterator(sample_texts(), trainer)
    trained = json.loads(tokenizer.to_str())["model"]
    return RobertaTokenizer(vocab=trained["vocab"], merges=[tuple(merge) for merge in trained["merges"]])


@cache
def xlm_roberta() -> Any:
    tokenizer = Tokenizer(models.Unigram())
    tokenizer.pre_tokenizer = pre_tokenizers.Metaspace()
    trainer = trainers.UnigramTrainer(vocab_size=2000, special_tokens=SPECIAL, unk_token="<unk>", show_progress=False)
    tokenizer.train_from_iterator(sample_texts(), trainer)
    return XLMRobertaTokenizer(vocab=[tuple(piece) for piece in json.loads(tokenizer.to_str())["model"]["vocab"]])


@cache
def shared_scripts() -> Any:
    with tempfile.TemporaryDirectory() as folder:
        write_tokenizer(build_tokenizer(sample_texts()), Path(folder))
        return load_tokenizer(folder)


FRAMES: Mapping[str, Callable[[], Any]] = {
    "bert": bert,
    "roformer": roformer,
    "roberta": roberta,
    "xlm-roberta": xlm_roberta,
}
ALL_FRAMES: Mapping[str, Callable[[], Any]] = {**FRAMES, "shared-scripts": shared_scripts}
"""With the tokenizer that qakit itself makes."""


def with_real_vocabulary(frame: str, folder: Path) -> Any:
    """The tokenizer of that frame, for BERT and RoFormer with bert-base-chinese's vocabulary in the data `folder`."""
    vocabulary = folder / "vocab" / "bert-base-chinese-vocab.txt"
    if frame == "bert":
        return BertTokenizer(vocab=str(vocabulary))
    if frame == "roformer":
        return RoFormerTokenizer(vocab=BertTokenizer(vocab=str(vocabulary)).get_vocab())
    return ALL_FRAMES[frame]()


def own_windows(tokenizer: Any, pairs: Sequence[Pair], max_length: int, overlap: int) -> list[Window]:
    """The windows that the tokenizer itself makes of the pairs."""
    questions, paragraphs = zip(*pairs, strict=True)
    encoded = tokenizer(
        list(questions),
        list(paragraphs),
        truncation="only_second",
        max_length=max_length,
        stride=overlap,
        return_overflowing_tokens=True,
    )
    types = encoded.get("token_type_ids") or [None] * len(encoded["input_ids"])
    return list(zip(encoded["input_ids"], types, encoded["overflow_to_sample_mapping"], strict=True))


def gathered_windows(
    tokenizer: Any, pairs: Sequence[Pair], settings: WindowSettings, *, batch_size: int = 64
) -> list[Window]:
    """The covering windows of the pairs, gathered in batches, without the padding that the attention mask marks."""
    encoded = encode_pairs(tokenizer, pairs, settings)
    windows = covering_windows(encoded)
    found: list[Window] = []
    for first in range(0, len(windows), batch_size):
        index = np.arange(first, min(first + batch_size, len(windows)))
        batch = gather_windows(encoded, windows, index, tokenizer.pad_token_id)
        lengths = batch.attention_mask.sum(axis=1).tolist()
        for row, (length, owner) in enumerate(zip(lengths, windows.pairs[index].tolist(), strict=True)):
            types = None if batch.token_type_ids is None else batch.token_type_ids[row, :length].tolist()
            found.append((batch.input_ids[row, :length].tolist(), types, owner))
    return found


def fits(tokenizer: Any, pair: Pair, max_length: int, overlap: int) -> bool:
    """Whether the question leaves room for more than the overlap, which the tokenizer's own windows need."""
    (with_nothing,) = tokenizer([pair[0]], [""])["input_ids"]
    return len(tokenizer.tokenize(pair[0])) <= max_length // 2 and max_length - len(with_nothing) > overlap


def pairs_of(path: Path) -> list[Pair]:
    """The questions of a file with their paragraphs."""
    return [(record.question, record.context) for record in read_dataset([path])]
