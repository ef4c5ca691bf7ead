"""What predictions are scored against."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from qakit.data.predictions import contest_of, read_predictions
from qakit.data.records import Dataset, Record
from qakit.errors import ConfigError
from qakit.metrics.presets import DEFAULT_PRESET, default_preset


@dataclass(frozen=True)
class References:
    """What counts as right: the reference texts of each labelled question, and where they came from.

    `records` are the questions themselves, none where only a file of answers was given.
    """

    golds: Mapping[str, Sequence[str]]
    records: Mapping[str, Record]
    default_metric: str


def references_of(dataset: Dataset | None, gold: Path | None) -> References:
    """The references of a dataset, or those of a file of answers (`id,answer`) in their place.

    Raises:
        ConfigError: neither is given, or the dataset holds no answers.
    """
    records = {record.id: record for record in dataset} if dataset else {}
    if gold is not None:
        golds: dict[str, list[str]] = {id_: [text] for id_, text in read_predictions(gold).items()}
        metric = default_preset(dataset) if dataset else DEFAULT_PRESET[contest_of(gold)]
    elif dataset is not None:
        golds = {record.id: record.references for record in dataset if record.is_labelled}
        metric = default_preset(dataset)
    else:
        raise ConfigError("give --data, the questions with their answers, or --gold, a file of answers")
    if not golds:
        raise ConfigError("the data holds no answers to score against; give --gold, a file of answers")
    return References(golds, records, metric)
