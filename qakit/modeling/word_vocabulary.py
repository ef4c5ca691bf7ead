"""What a recurrent model starts from: a vocabulary of whole words, and vectors for them that others have trained."""

from collections import Counter
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from qakit.errors import ConfigError, DataError, Problem
from qakit.io import file_error

RECURRENT = ("lstm", "gru")
"""Model types whose vocabulary is made from the training data where no other is named."""
WORDS = "words"
"""The name of a tokenizer that is made from the training data, for any model from random weights."""

_SPECIAL_TOKENS = ("[PAD]", "[UNK]", "[SEP]", "[CLS]")


def word_tokenizer(texts: Iterable[str], size: int, *, known: Iterable[str] = (), begin: bool = False) -> Any:
    """A tokenizer of lower-cased words and punctuation marks, in transformers' form.

    Args:
        texts: those it is to know the words of, the commonest first.
        size: entries at most, the four special tokens among them.
        known: words that follow those of the texts, as far as there is room: those that have a vector, for instance.
            They are lower-cased, too; those that the tokenizer would split, such as `don't`, are left out.
        begin: put `[CLS]` before each text, as encoders that read a text off its first token need it.
    """
    from tokenizers import Tokenizer, models, pre_tokenizers, processors
    from transformers import PreTrainedTokenizerFast

    split, lower = pre_tokenizers.BertPreTokenizer(), _lower()
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
    """How the words of a text are written alike."""
    from tokenizers import normalizers

    return normalizers.Sequence([normalizers.NFC(), normalizers.Lowercase()])


def read_vectors(path: Path) -> dict[str, NDArray[np.float32]]:
    """Word vectors from a text file: a word and its numbers a line, as GloVe has them; in the order of the file.

    A first line of two whole numbers, as word2vec and fastText write it, is passed over. Behind the first vector, words
    may have spaces in them, as some of GloVe's have.

    Raises:
        DataError: no such file, no vector in it, or lines that are no vectors of one length; the first 20 are named.
    """
    vectors: dict[str, NDArray[np.float32]] = {}
    problems: list[Problem] = []
    for number, line in _lines(path):
        length = len(next(iter(vectors.values()), ()))
        fields = line.rstrip("\n").rstrip(" ").split(" ")
        if number == 1 and _is_header(fields):
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


def _is_header(fields: Sequence[str]) -> bool:
    """Whether the fields of a line tell how many vectors there are, and of how many numbers."""
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
    """What vectors decide of the config of their model."""
    return {"embedding_size": len(next(iter(vectors.values())))} if vectors else {}


def vectors_of(words: Iterable[str], vectors: Mapping[str, NDArray[np.float32]]) -> dict[str, NDArray[np.float32]]:
    """The vectors of those words that have one: of the word itself, of its lower-cased form, or of another case."""
    lower = _lower()
    forms: dict[str, str] = {}
    for word in vectors:
        forms.setdefault(lower.normalize_str(word), word)
    found = {}
    for word in words:
        form = lower.normalize_str(word)
        name = next((one for one in (word, form, forms.get(form)) if one in vectors), None)
        if name is not None:
            found[word] = vectors[name]
    return found


def note_on_vectors(source: Path, tokenizer: Any, texts: Iterable[str], found: Collection[str]) -> str:
    """A sentence on how many words of the training data are among those that a vector was found of.

    Raises:
        ConfigError: none of them.
    """
    ids = tokenizer(list(dict.fromkeys(texts)), add_special_tokens=False, verbose=False)["input_ids"]
    words = set(tokenizer.convert_ids_to_tokens(list({one for row in ids for one in row})))
    words -= set(tokenizer.all_special_tokens)
    known = len(words.intersection(found))
    if not known:
        raise ConfigError(
            f"model.embeddings {source}: has a vector for none of the {len(words)} words of the training data; "
            "give one of their language, with a word at the beginning of each line"
        )
    return f"{known} of {len(words)} words of the training data have a vector in {source.name}"


def put_vectors(embeddings: Any, vocabulary: Mapping[str, int], vectors: Mapping[str, NDArray[np.float32]]) -> int:
    """Write vectors into the rows of their words in a torch embedding; gives how many words had one."""
    import torch

    found = [(row, vectors[word]) for word, row in vocabulary.items() if word in vectors]
    if found:
        rows, values = zip(*found, strict=True)
        with torch.no_grad():
            embeddings.weight[list(rows)] = torch.from_numpy(np.stack(values)).to(embeddings.weight)
    return len(found)
