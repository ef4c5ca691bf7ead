"""Texts with intents and sentences with tags, and a tokenizer for them, that the tests of both tasks share."""

from functools import cache
from pathlib import Path
from typing import Any

import numpy as np

from qakit.data.labels import TextRecord, WordsRecord
from qakit.data.records import Dataset
from qakit.modeling.word_vocabulary import build_word_tokenizer

INTENTS = {"book": "book a table please", "cancel": "cancel my order now", "weather": "will it rain in paris"}
NUMBERS = ("one", "two", "three", "nine")


def intent_records(count: int, *, seed: int = 0) -> list[TextRecord]:
    """Texts that a word gives away."""
    generator = np.random.default_rng(seed)
    names = list(INTENTS)
    records = []
    for number in range(count):
        name = names[int(generator.integers(len(names)))]
        words = INTENTS[name].split()
        records.append(TextRecord(f"i{number}", " ".join(generator.permutation(words).tolist()), name))
    return records


def slot_records(count: int, *, longest: int = 6, seed: int = 0) -> list[WordsRecord]:
    """Sentences in which numbers are times, and a second number in a row goes on with them."""
    generator = np.random.default_rng(seed)
    records = []
    for number in range(count):
        words, tags = ["at"], ["O"]
        for _ in range(int(generator.integers(1, longest))):
            is_time = generator.random() < 0.6
            words.append(str(generator.choice(NUMBERS)) if is_time else "or")
            tags.append(("I-time" if tags[-1] != "O" else "B-time") if is_time else "O")
        records.append(WordsRecord(f"s{number}", tuple(words), tuple(tags)))
    return records


def labelled_set(records: list[Any]) -> Dataset[Any]:
    schema = "intent" if isinstance(records[0], TextRecord) else "slots"
    return Dataset(tuple(records), schema, (Path("train.json"),))


@cache
def words() -> Any:
    """A tokenizer of the words of both."""
    return build_word_tokenizer([*INTENTS.values(), "at or one two three nine"], 100)
