"""What a recurrent model starts from: a vocabulary of whole words, and vectors for them that others have trained."""

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from qakit.errors import DataError, Problem
from qakit.io import file_error

RECURRENT = ("lstm", "gru")
"""Model types whose vocabulary is made from the training data where no other is named."""
WORDS = "words"
"""The name of a tokenizer that is made from the training data, for any model from random weights."""

_SPECIAL_TOKENS = ("[PAD]", "[UNK]", "[SEP]", "[CLS]")
_HEADER_FIELDS = 2  # of the first line that word2vec and fastText begin with: how many vectors, of how many numbers


def word_tokenizer(texts: Iterable[str], size: int, *, known: Iterable[str] = (), begin: bool = False) -> Any:
    """A tokenizer of lower-cased words and punctuation marks, in transformers' form.

    Args:
        texts: those it is to know the words of, the commonest first.
        size: entries at most, the four special tokens among them.
        known: words that follow those of the texts, as far as there is room: those that have a vector, for instance.
        begin: put `[CLS]` before each text, as encoders that read a text off its first token need it.
    """
    from tokenizers import Tokenizer, models, normalizers, pre_tokenizers, processors
    from transformers import PreTrainedTokenizerFast

    split = pre_tokenizers.BertPreTokenizer()
    lower = normalizers.Sequence([normalizers.NFC(), normalizers.Lowercase()])
    counts = Counter(word for text in texts for word, _ in split.pre_tokenize_str(lower.normalize_str(text)))
    words = dict.fromkeys([*_SPECIAL_TOKENS, *(word for word, _ in counts.most_common()), *known])
    vocabulary = {word: number for number, word in enumerate(list(words)[:size])}
    tokenizer = Tokenizer(models.WordLevel(vocabulary, unk_token="[UNK]"))  # noqa: S106 - no password
    tokenizer.normalizer, tokenizer.pre_tokenizer = lower, split
    first = "[CLS] " if begin else ""
    tokenizer.post_processor = processors.TemplateProcessing(
        single=f"{first}$A [SEP]",
        pair=f"{first}$A [SEP] $B:1 [SEP]:1",
        special_tokens=[(name, vocabulary[name]) for name in ("[CLS]", "[SEP]")],
    )
    return PreTrainedTokenizerFast(
        tokenizer_object=tokenizer,
        pad_token="[PAD]",  # noqa: S106
        unk_token="[UNK]",  # noqa: S106
        sep_token="[SEP]",  # noqa: S106
        cls_token="[CLS]",  # noqa: S106
        model_input_names=["input_ids", "attention_mask"],
    )


def read_vectors(path: Path) -> dict[str, NDArray[np.float32]]:
    """Word vectors from a text file: a word and its numbers a line, as GloVe has them; in the order of the file.

    A first line with two numbers, as word2vec and fastText write it, is passed over. Behind the first vector, words may
    have spaces in them, as some of GloVe's have.

    Raises:
        DataError: no such file, no vector in it, or lines that are no vectors of one length; the first 20 are named.
    """
    vectors: dict[str, NDArray[np.float32]] = {}
    problems: list[Problem] = []
    for number, line in _lines(path):
        length = len(next(iter(vectors.values()), ()))
        fields = line.rstrip("\n").rstrip(" ").split(" ")
        if number == 1 and len(fields) <= _HEADER_FIELDS:
            continue
        border = max(1, len(fields) - length) if length else 1
        word, numbers = " ".join(fields[:border]), fields[border:]
        fault = ""
        try:
            vector = np.array(numbers, dtype=np.float32)
        except ValueError:
            fault = "has a field that is no number"
        else:
            if len(vector) != (length or len(vector)) or not len(vector):
                fault = f"has {len(vector)} numbers, expected {length or 'some'}"
            elif not np.isfinite(vector).all():
                fault = "has a number that is not finite"
        if fault:
            problems.append(Problem(str(path), f"line {number}", "vector", f"{fault}; expected a word and its numbers"))
            continue
        vectors.setdefault(word, vector)
    if problems:
        raise DataError(problems)
    if not vectors:
        raise file_error(path, "vectors", "has none; expected a word and its numbers a line")
    return vectors


def _lines(path: Path) -> Iterator[tuple[int, str]]:
    try:
        with open(path, encoding="utf-8", newline="\n") as file:
            yield from enumerate(file, 1)
    except UnicodeDecodeError:
        raise file_error(path, "encoding", "is not UTF-8; save the file as UTF-8") from None
    except OSError as error:
        raise file_error(path, "file", error.strerror or str(error)) from None


def vector_fields(vectors: Mapping[str, NDArray[np.float32]]) -> dict[str, int]:
    """What vectors decide of the config of their model."""
    return {"embedding_size": len(next(iter(vectors.values())))} if vectors else {}


def put_vectors(embeddings: Any, vocabulary: Mapping[str, int], vectors: Mapping[str, NDArray[np.float32]]) -> int:
    """Write vectors into the rows of their words in a torch embedding; gives how many words had one."""
    import torch

    found = [(row, vectors[word]) for word, row in vocabulary.items() if word in vectors]
    if found:
        rows, values = zip(*found, strict=True)
        with torch.no_grad():
            embeddings.weight[list(rows)] = torch.from_numpy(np.stack(values)).to(embeddings.weight)
    return len(found)
