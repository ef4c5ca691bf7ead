"""How much a selector weighs beside a reader: tried on questions whose answers are known, kept with the reader."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from math import inf
from pathlib import Path

from qakit.config import ReadConfig
from qakit.data.records import Dataset
from qakit.errors import ConfigError
from qakit.io import write_json
from qakit.metrics.presets import evaluate
from qakit.modeling.bundled import bundled_folder
from qakit.modeling.info import INFO_FILE
from qakit.modeling.models import LoadedModel, model_folder
from qakit.runs.predict import Answered, Models, best_jointly, choose_paragraphs, read_paragraphs

Golds = Mapping[str, Sequence[str]]

WEIGHTS = (0.0, 0.1, 0.2, 0.5, 1.0, 2.0, 5.0, 10.0, 20.0, 50.0, inf)
"""That are tried; infinity is the selector alone."""


@dataclass(frozen=True)
class Trial:
    """What one weight came to, in percent: `accuracy` is how often the relevant paragraph was read."""

    weight: float
    em: float
    f1: float
    accuracy: float

    def summary(self) -> dict[str, float | None]:
        """As JSON; a weight of None is the selector alone."""
        return {**asdict(self), "weight": None if self.weight == inf else self.weight}


def tune_joint(
    dataset: Dataset, golds: Golds, models: Models, config: ReadConfig, *, paragraphs: int, metric: str
) -> list[Trial]:
    """Score each weight on the dataset, of whose questions with an answer each paragraph is read once.

    Raises:
        ConfigError: a model is missing, or no question has several paragraphs and an answer.
    """
    if models.reader is None or models.selector is None:
        raise ConfigError("--tune-joint: give --model and --selector")
    records = [record for record in dataset if record.id in golds and len(record.paragraphs) > 1]
    if not records or any(record.relevant is None for record in records):
        raise ConfigError("--tune-joint: the data needs questions with several paragraphs that tell the relevant one")
    selections = choose_paragraphs(records, models.selector, config)
    options = list(read_paragraphs(records, selections, models.reader, config, count=paragraphs))
    return [_trial(options, weight, golds, metric) for weight in WEIGHTS]


def _trial(options: Sequence[Sequence[Answered]], weight: float, golds: Golds, metric: str) -> Trial:
    chosen = [best_jointly(group, weight) if weight < inf else group[0] for group in options]
    asked = {item.record.id: golds[item.record.id] for item in chosen}
    scores = evaluate({item.record.id: item.prediction.text for item in chosen}, asked, metric)
    right = sum(item.prediction.candidate == item.record.relevant for item in chosen)
    return Trial(weight, scores.em, scores.f1, 100.0 * right / len(chosen))


def best_trial(trials: Sequence[Trial]) -> Trial:
    """The trial of highest EM, then F1; of equal ones that which leans most on the selector."""
    return max(trials, key=lambda trial: (trial.em, trial.f1, trial.weight))


def keep_joint(reader: LoadedModel | None, trial: Trial, *, paragraphs: int) -> LoadedModel:
    """The reader with the weight, which is written into its `qakit.json` for `predict` and `evaluate` to find.

    Raises:
        ConfigError: the model is no folder of the user's.
    """
    folder = Path(model_folder(reader.source)) if reader else Path()
    if reader is None or not (folder / "config.json").is_file() or bundled_folder(reader.source):
        source = reader.source if reader else "no model"
        raise ConfigError(f"{source}: only a model in a folder of your own can keep what was tuned")
    alone = trial.weight == inf
    found = {"joint_paragraphs": 1 if alone else paragraphs, "joint_weight": 1.0 if alone else trial.weight}
    info = reader.info.model_copy(update=found)
    write_json(folder / INFO_FILE, info.model_dump(mode="json"))
    return replace(reader, info=info)
