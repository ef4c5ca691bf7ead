"""Word vocabularies and pretrained word vectors (GloVe, word2vec, fastText) for recurrent models."""

from collections import Counter
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from qakit.errors import ConfigError, DataError, Problem
from qakit.io import file_error

WORDS = "words"
"""Name of the tokenizer that is made from the training data, for any model with random weights."""

# In this order: ids 0 and 1 are what `RecurrentConfig` has for padding and unknown words.
_SPECIAL_TOKENS = ("[PAD]", "[UNK]", "[SEP]", "[CLS]")


def build_word_tokenizer(texts: Iterable[str], size: int, *, known: Iterable[str] = (), begin: bool = False) -> Any:
    """A transformers tokenizer of lower-cased words and punctuation marks.

    Args:
        texts: texts whose words make the vocabulary, the most frequent first.
        size: largest number of entries, including the four special tokens.
        known: further words, such as those with a vector, as long as there is room. They are lower-cased; words that
            the tokenizer would split, such as `don't`, are left out.
        begin: put `[CLS]` before each text, for encoders that classify a text by its first token.
    """
    from tokenizers import Tokenizer, models, pre_tokenizers, processors
    from transformers import PreTrainedTokenizerFast

    split, lower = pre_tokenizers.BertPreTokenizer(), _lower()
    # Counted here, not by the tokenizers package's trainer: that one sorts ties by the alphabet, this one by first use.
    counts = Counter(word for text in texts for word, _ in split.pre_tokenize_str(lower.normalize_str(text)))
    words = dict.fromkeys(list(dict.fromkeys([*_SPECIAL_TOKENS, *(word for word, _ in counts.most_common())]))[:size])
    for word in known:
        if len(words) >= size:
            break
        pieces = split.pre_tokenize_str(lower.normalize_str(word))
        if len(pieces) == 1:
            words[pieces[0][0]] = None
    vocabulary = {word: number for number, word in enumerate(words)}
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


def _lower() -> Any:
    """The normaliser of words: NFC, lower case."""
    from tokenizers import normalizers

    return normalizers.Sequence([normalizers.NFC(), normalizers.Lowercase()])


def read_vectors(path: Path) -> dict[str, NDArray[np.float32]]:
    """Word vectors from a text file with a word and its numbers per line, in the order of the file.

    Raises:
        DataError: the file is missing or has no vector, or lines are no vectors of the same length.
    """
    vectors: dict[str, NDArray[np.float32]] = {}
    problems: list[Problem] = []
    for number, line in _lines(path):
        length = len(next(iter(vectors.values()), ()))
        fields = line.rstrip("\n").rstrip(" ").split(" ")
        if number == 1 and _is_header(fields):  # of word2vec and fastText: words, dimensions
            continue
        # Some of GloVe's words contain spaces. After the first vector its length tells where the word ends.
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
        raise file_error(path, "vectors", "has none; expected a word and its numbers on each line")
    return vectors


def _is_header(fields: Sequence[str]) -> bool:
    """Whether a line has two whole numbers: how many vectors the file has, and their length."""
    return len(fields) == 2 and all(field.isascii() and field.isdecimal() for field in fields)


def _lines(path: Path) -> Iterator[tuple[int, str]]:
    try:
        with open(path, encoding="utf-8", newline="\n") as file:
            yield from enumerate(file, 1)
    except UnicodeDecodeError:
        raise file_error(path, "encoding", "is not UTF-8; save the file as UTF-8") from None
    except OSError as error:
        raise file_error(path, "file", error.strerror or str(error)) from None


def vector_fields(vectors: Mapping[str, NDArray[np.float32]]) -> dict[str, int]:
    """Config fields that follow from word vectors."""
    return {"embedding_size": len(next(iter(vectors.values())))} if vectors else {}


def find_vectors(words: Iterable[str], vectors: Mapping[str, NDArray[np.float32]]) -> dict[str, NDArray[np.float32]]:
    """The vector of each word that has one: of the word itself, of its lower-cased form, or of another case."""
    lower = _lower()
    forms: dict[str, str] = {}  # lower-cased form -> first word in the file with this form
    for word in vectors:
        forms.setdefault(lower.normalize_str(word), word)
    found = {}
    for word in words:
        form = lower.normalize_str(word)
        name = next((one for one in (word, form, forms.get(form)) if one in vectors), None)
        if name is not None:
            found[word] = vectors[name]
    return found


def vector_coverage(source: Path, tokenizer: Any, texts: Iterable[str], found: Collection[str]) -> str:
    """A sentence for the user on how many words of the training data have a vector.

    Raises:
        ConfigError: no word has one.
    """
    ids = tokenizer(list(dict.fromkeys(texts)), add_special_tokens=False, verbose=False)["input_ids"]
    words = set(tokenizer.convert_ids_to_tokens(list({one for row in ids for one in row})))
    words -= set(tokenizer.all_special_tokens)
    known = len(words.intersection(found))
    if not known:
        raise ConfigError(
            f"model.embeddings {source}: has a vector for none of the {len(words)} words of the training data; "
            "use vectors of their language, with a word at the beginning of each line"
        )
    return f"{known} of {len(words)} words of the training data have a vector in {source.name}"


def set_vectors(embeddings: Any, vocabulary: Mapping[str, int], vectors: Mapping[str, NDArray[np.float32]]) -> int:
    """Write vectors into the rows of their words in a torch embedding; returns how many words had one."""
    import torch

    found = [(row, vectors[word]) for word, row in vocabulary.items() if word in vectors]
    if found:
        rows, values = zip(*found, strict=True)
        with torch.no_grad():
            embeddings.weight[list(rows)] = torch.from_numpy(np.stack(values)).to(embeddings.weight)
    return len(found)
