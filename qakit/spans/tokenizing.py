"""Tokenise texts with character offsets, and read a tokenizer's special tokens off one probe."""

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import chain
from typing import Any

import numpy as np
from numpy.typing import NDArray

from qakit.errors import ConfigError

Ints = NDArray[np.int32]

_PROBE = "0"
_CHUNK = 512  # texts: what the tokenizer gives back takes ten times the room of the arrays that are made of it
_NOTHING = (np.zeros(0, dtype=np.int32),) * 4
_WHITE_SPACE = re.compile(r"\s")


@dataclass(frozen=True)
class TokenizedTexts:
    """Distinct texts as flat arrays; text number i owns the tokens `bounds[i]` to `bounds[i + 1]` (exclusive).

    Attributes:
        ids: token ids, shape (tokens,).
        starts: character offset in its text of each token's first character, shape (tokens,).
        ends: character offset after each token's last character (exclusive), shape (tokens,); equal to the start for a
            token of white space alone. White space at the edge of a token does not count to it.
        bounds: shape (texts + 1,).
    """

    ids: Ints
    starts: Ints
    ends: Ints
    bounds: NDArray[np.int64]

    @property
    def lengths(self) -> Ints:
        """Tokens of each text, shape (texts,)."""
        return np.diff(self.bounds).astype(np.int32)


@dataclass(frozen=True)
class Frame:
    """The special tokens around a pair, read off the tokenizer: `prefix question middle paragraph suffix`.

    Attributes:
        prefix, middle, suffix: token ids of the three special parts.
        type_ids: token type ids of `prefix`, one question token, `middle`, one paragraph token and `suffix`; None where
            the tokenizer gives its model none.
        null_position: index in a window of the token that stands for "no answer" ([CLS] where there is one).
    """

    prefix: tuple[int, ...]
    middle: tuple[int, ...]
    suffix: tuple[int, ...]
    type_ids: tuple[tuple[int, ...], ...] | None
    null_position: int

    @property
    def size(self) -> int:
        """Number of special tokens."""
        return len(self.prefix) + len(self.middle) + len(self.suffix)


def probe_frame(tokenizer: Any) -> Frame:
    """Read the special tokens of a pair off a fast tokenizer by encoding one.

    Raises:
        ConfigError: the tokenizer has no fast backend, so it knows no offsets.
    """
    if not getattr(tokenizer, "is_fast", False):
        raise ConfigError(f"{type(tokenizer).__name__} gives no character offsets; a fast tokenizer is needed")
    # One character each: whatever the tokenizer, some token of sequence 0 and of sequence 1 comes back, and all else is
    # special.
    encoding = tokenizer(_PROBE, _PROBE)
    ids, sequence = encoding["input_ids"], encoding.sequence_ids(0)
    question, paragraph = sequence.index(0), sequence.index(1)
    middle = question + sequence.count(0)
    suffix = paragraph + sequence.count(1)
    types = encoding.get("token_type_ids")
    starts = (0, question, middle, paragraph, suffix)
    ends = (question, question + 1, paragraph, paragraph + 1, len(ids))
    prefix = tuple(ids[:question])
    return Frame(
        prefix=prefix,
        middle=tuple(ids[middle:paragraph]),
        suffix=tuple(ids[suffix:]),
        type_ids=tuple(tuple(types[first:end]) for first, end in zip(starts, ends, strict=True)) if types else None,
        # RoBERTa's <s> and BERT's [CLS] alike; a tokenizer without one has its first token there.
        null_position=prefix.index(tokenizer.cls_token_id) if tokenizer.cls_token_id in prefix else 0,
    )


def paragraph_type(tokenizer: Any) -> int:
    """The token type id of a paragraph's tokens.

    Raises:
        ConfigError: the tokenizer gives its model no token types, which `windows.match_length` needs.
    """
    types = probe_frame(tokenizer).type_ids
    if types is None:
        raise ConfigError(
            "windows.match_length needs a model with token types, and "
            f"{type(tokenizer).__name__} gives its model none; set it to 0"
        )
    return types[3][0]


def tokenize_texts(tokenizer: Any, texts: Sequence[str]) -> TokenizedTexts:
    """Tokenise each text once, without special tokens or truncation."""
    # The tokenizer may have been saved with truncation or padding; both would lose or add tokens here.
    backend = tokenizer.backend_tokenizer
    backend.no_truncation()
    backend.no_padding()
    parts = [_arrays(backend, texts[first : first + _CHUNK]) for first in range(0, len(texts), _CHUNK)]
    ids, starts, ends, lengths = (np.concatenate(column) for column in zip(_NOTHING, *parts, strict=True))
    return TokenizedTexts(ids, starts, ends, np.append(0, np.cumsum(lengths, dtype=np.int64)))


def _arrays(backend: Any, texts: Sequence[str]) -> tuple[Ints, Ints, Ints, Ints]:
    """Ids, starts and ends of all tokens, and each text's number of tokens."""
    # The backend counts offsets in code points, as Python does.
    encodings = backend.encode_batch(texts, add_special_tokens=False)
    lengths = np.array([len(encoding) for encoding in encodings], dtype=np.int32)
    trimmed = (_trimmed(text, encoding.offsets) for text, encoding in zip(texts, encodings, strict=True))
    offsets = _flat((chain.from_iterable(pairs) for pairs in trimmed), 2 * int(lengths.sum()))
    ids = _flat((encoding.ids for encoding in encodings), int(lengths.sum()))
    return ids, offsets[0::2], offsets[1::2], lengths


def _flat(lists: Iterable[Iterable[int]], count: int) -> Ints:
    return np.fromiter(chain.from_iterable(lists), dtype=np.int32, count=count)


def _trimmed(text: str, offsets: list[tuple[int, int]]) -> list[tuple[int, int]]:
    # Most texts have no white space at a token's edge: then no token is looked at.
    spaces = {match.start() for match in _WHITE_SPACE.finditer(text)}
    if not spaces:
        return offsets
    return [trim(text, *span) if span[0] in spaces or span[1] - 1 in spaces else span for span in offsets]


def trim(text: str, start: int, end: int) -> tuple[int, int]:
    """The span without white space at its edges; some tokenizers count the space before a word to the word.

    A span of white space alone becomes empty.
    """
    found = text[start:end]
    core = found.strip()
    start += len(found) - len(found.lstrip()) if core else 0
    return start, start + len(core)


def token_span(texts: TokenizedTexts, text: int, start: int, end: int) -> tuple[int, int]:
    """First and last (inclusive) token of text number `text` that touch the characters `start` to `end` (exclusive).

    Returns:
        (-1, -1) where no token does: the tokenizer dropped those characters.
    """
    # Touching, not containing: an answer inside a token gets the whole token, the nearest span that can be predicted.
    tokens = slice(*texts.bounds[text : text + 2])
    touching = np.flatnonzero((texts.starts[tokens] < end) & (texts.ends[tokens] > start))
    return (int(touching[0]), int(touching[-1])) if len(touching) else (-1, -1)


def single_frame(tokenizer: Any) -> Frame:
    """Read the special tokens around a single text off a fast tokenizer by encoding one.

    Raises:
        ConfigError: the tokenizer has no fast backend, so it knows no offsets.
    """
    pair = probe_frame(tokenizer)
    encoding = tokenizer(_PROBE)
    ids, sequence = encoding["input_ids"], encoding.sequence_ids(0)
    first, end = sequence.index(0), sequence.index(0) + sequence.count(0)
    types = None
    if pair.type_ids is not None:
        given = tuple(encoding["token_type_ids"])
        types = given[:first], given[first : first + 1], (), given[first : first + 1], given[end:]
    return Frame(tuple(ids[:first]), (), tuple(ids[end:]), types, min(pair.null_position, max(first - 1, 0)))
