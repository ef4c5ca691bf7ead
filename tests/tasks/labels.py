"""Scores of intents and tags that the tests of their files, decoding and ensembles share."""

import numpy as np
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from qakit.tasks.labels.scores import LabelScores, LabelScoresInfo

INTENTS = LabelScoresInfo("intent", "a model", ("book", "cancel", "weather"))
TAGS = LabelScoresInfo("slots", "a tagger", ("B-date", "I-date", "O"), follows_bio=True)
LOGS = arrays(np.float32, (3, 3), elements=st.floats(-20, 0, width=32))


def intent(*probabilities: float, name: str = "x") -> LabelScores:
    return LabelScores(name, "a text", np.log(np.array([probabilities], dtype=np.float32)))


def sentence(*words: tuple[float, ...]) -> LabelScores:
    with np.errstate(divide="ignore"):
        return LabelScores("x", " ".join("w" * len(words)), np.log(np.array(words, dtype=np.float32)))
