"""Single texts through the machinery of pairs: each stands in the place of a paragraph that has no question."""

from collections.abc import Sequence
from typing import Any

import numpy as np

from qakit.config import WindowSettings
from qakit.errors import ConfigError
from qakit.spans.tokenizing import Frame, probe_frame, tokenize_texts
from qakit.spans.windowing import EncodedPairs, refit

_PROBE = "0"


def encode_texts(tokenizer: Any, texts: Sequence[str], settings: WindowSettings) -> EncodedPairs:
    """Tokenise texts and work out how much of one each window holds; pair number i is text number i.

    Windows equal, id for id, what the tokenizer gives for the text alone with `stride=overlap` and
    `return_overflowing_tokens=True`.

    Raises:
        ConfigError: the window is too short for the special tokens, or `match_length` is given: there is no question.
    """
    if settings.match_length:
        raise ConfigError("windows.match_length tells what a question and its paragraph share; leave it out")
    distinct = {text: number for number, text in enumerate(dict.fromkeys(texts))}
    none = np.zeros(len(texts), dtype=np.int32)
    questions = tokenize_texts(tokenizer, [""])
    pairs = EncodedPairs(
        frame=single_frame(tokenizer),
        questions=questions,
        paragraphs=tokenize_texts(tokenizer, list(distinct)),
        question_of=none,
        paragraph_of=np.array([distinct[text] for text in texts], dtype=np.int32),
        question_lengths=none,
        room=none,
        step=none,
        match_length=0,
        matchable=questions.ids,
    )
    return refit(pairs, settings)


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
