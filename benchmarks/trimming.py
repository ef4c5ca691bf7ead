"""Trimmed vocabularies of true size: what they save, and that texts are read as before.

`python benchmarks/trimming.py TOKENIZER [DATA]` takes XLM-R's tokenizer.json, a WordPiece vocabulary of
bert-base-multilingual's size (bert-base-chinese's own 21,128 pieces, filled up with those of XLM-R) and a byte-level
BPE of RoBERTa's size that is made from DATA. Each is cut down to what DRCD's and CMRC's dev files need, once as it is
and once to characters. 1,000 questions and paragraphs of other files (CMRC's trial and training parts, XQuAD in
both languages), or as many as there are, that need no dropped piece and have no added character must give the same
tokens, offsets and hidden states to the bit through a model of random weights before and after. Of the models' layers
one is computed; parameters are those of the whole one. `--only NAME` measures one of the three.
"""

import argparse
import copy
import os
import random
import time
from pathlib import Path

import torch
import transformers
from tokenizers import Tokenizer, decoders, models, normalizers, pre_tokenizers, trainers
from transformers import PreTrainedTokenizerFast

from qakit.data.texts import read_texts
from qakit.modeling.trimming import trim_vocabulary

DEFAULT = Path(os.environ.get("QAKIT_DATA", Path(__file__).resolve().parents[2] / "shared" / "data"))
READ = ("drcd/DRCD_dev.json", "cmrc2018/cmrc2018_dev.json")
OTHERS = ("cmrc2018/cmrc2018_trial.json", "cmrc2018/cmrc2018_train.json", "xquad/xquad.zh.json", "xquad/xquad.en.json")
TEXTS = 1000
BASE = {"hidden_size": 768, "num_attention_heads": 12, "intermediate_size": 3072}
SMALL = {"hidden_size": 384, "num_attention_heads": 12, "intermediate_size": 1536}
SPECIAL = {"bos_token": "<s>", "eos_token": "</s>", "unk_token": "<unk>", "pad_token": "<pad>"}


def texts_of(data: Path, names: tuple[str, ...]) -> list[str]:
    read = read_texts([data / name for name in names], lenient=True)
    return [paragraph.text for paragraph in read.paragraphs] + [record.question for record in read.records]


def unigram(file: Path):
    return PreTrainedTokenizerFast(tokenizer_file=str(file), **SPECIAL)


def wordpiece(file: Path, data: Path, size: int):
    pieces = (data / "vocab" / "bert-base-chinese-vocab.txt").read_text(encoding="utf-8").splitlines()
    known = set(pieces)
    for piece in Tokenizer.from_file(str(file)).get_vocab():
        piece = piece[1:] if piece.startswith("▁") else f"##{piece}"  # noqa: PLW2901
        if piece not in known and piece.removeprefix("##") and len(pieces) < size:
            known.add(piece)
            pieces.append(piece)
    made = Tokenizer(models.WordPiece({piece: number for number, piece in enumerate(pieces)}, unk_token="[UNK]"))
    made.normalizer = normalizers.BertNormalizer(lowercase=False)
    made.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    return PreTrainedTokenizerFast(
        tokenizer_object=made, unk_token="[UNK]", pad_token="[PAD]", cls_token="[CLS]", sep_token="[SEP]"
    )


def bpe(texts: list[str], size: int):
    made = Tokenizer(models.BPE())
    made.pre_tokenizer, made.decoder = pre_tokenizers.ByteLevel(add_prefix_space=False), decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=size,
        special_tokens=list(SPECIAL.values()),
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        show_progress=False,
    )
    made.train_from_iterator(texts, trainer)
    return PreTrainedTokenizerFast(tokenizer_object=made, **SPECIAL)


def model_of(tokenizer, family: str, rows: int, layers: int, **sizes: int):
    config = transformers.AutoConfig.for_model(
        family, vocab_size=rows, num_hidden_layers=layers, max_position_embeddings=514, **sizes
    )
    config.pad_token_id = tokenizer.pad_token_id
    return transformers.AutoModel.from_config(config).eval()


def read(model, tokenizer, text: str):
    encoding = tokenizer(text, truncation=True, max_length=256, return_offsets_mapping=True, return_tensors="pt")
    tokens = tokenizer.convert_ids_to_tokens(encoding["input_ids"][0].tolist())
    with torch.inference_mode():
        hidden = model(encoding["input_ids"], attention_mask=encoding["attention_mask"]).last_hidden_state
    return tokens, encoding["offset_mapping"].tolist(), hidden


def show(name: str, tokenizer, family: str, rows: int, sizes: dict, needed: list[str], others: list[str]) -> None:
    with torch.device("meta"):
        whole = sum(part.numel() for part in model_of(tokenizer, family, rows, 12, **sizes).parameters())
    torch.manual_seed(0)
    model = model_of(tokenizer, family, rows, 1, **sizes)
    for characters in (False, True):
        smaller = copy.deepcopy(model)
        began = time.perf_counter()
        trimmed, report = trim_vocabulary(smaller, tokenizer, needed, characters=characters)
        took = time.perf_counter() - began
        known, added = set(trimmed.get_vocab()), set(report.added)
        asked = [text for text in others if not added & set(text) and set(tokenizer.tokenize(text)) <= known]
        same = 0
        for text in asked[:TEXTS]:
            (*tokens, hidden), (*found, other) = read(model, tokenizer, text), read(smaller, trimmed, text)
            same += tokens == found and torch.equal(hidden, other)
        saved = report.parameters_before - report.parameters_after
        print(
            f"{name:22} characters={characters!s:5}  {report.pieces_before:,} to {report.pieces_after:,} pieces, "
            f"{whole / 1e6:.1f} to {(whole - saved) / 1e6:.1f} M parameters ({saved * 4 / 2**20:.0f} MiB "
            f"less in fp32), "
            f"{len(added)} characters added ({len(report.unrelated)} unrelated), {len(report.in_bytes)} in bytes; "
            f"identical {same}/{len(asked[:TEXTS])} texts; {took:.0f} s",
            flush=True,
        )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("tokenizer", type=Path, help="XLM-R's tokenizer.json")
    parser.add_argument("data", type=Path, nargs="?", default=DEFAULT)
    parser.add_argument("--only", choices=("XLM-R", "BERT", "RoBERTa"))
    arguments = parser.parse_args()
    needed, rest = texts_of(arguments.data, READ), texts_of(arguments.data, OTHERS)
    others = random.Random(0).sample(rest, len(rest))
    kinds = {
        "XLM-R": lambda: (unigram(arguments.tokenizer), "bert", 250_037, SMALL),
        "BERT": lambda: (wordpiece(arguments.tokenizer, arguments.data, 119_547), "bert", 119_547, BASE),
        "RoBERTa": lambda: (bpe(needed + rest, 50_265), "roberta", 50_265, BASE),
    }
    for name in [arguments.only] if arguments.only else kinds:
        show(name, *kinds[name](), needed, others)


if __name__ == "__main__":
    main()
