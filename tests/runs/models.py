"""Tiny models of random weights in the hub's layout, for the tests that read them from disk."""

from pathlib import Path

from qakit.config import WindowSettings
from qakit.modeling.info import ModelInfo
from qakit.modeling.models import save_trained
from tests.modeling.tiny import CHOICE, QA, tiny_bert, tokenizer

WINDOWS = WindowSettings(max_length=64, overlap=16)


def save_reader(folder: Path, *, seed: int = 0, **info: object) -> str:
    known = {"max_answer_length": 12, **info}
    save_trained(folder, tiny_bert(QA, seed=seed), tokenizer(), ModelInfo(task="qa", windows=WINDOWS, **known))
    return str(folder)


def save_selector(folder: Path, *, seed: int = 1) -> str:
    save_trained(folder, tiny_bert(CHOICE, seed=seed), tokenizer(), ModelInfo(task="select", windows=WINDOWS))
    return str(folder)
