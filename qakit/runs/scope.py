"""`evaluate --tune oos`: below which probability of its likeliest intent a text is out of scope."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from math import exp, log
from typing import Any

from qakit.config import ReadConfig
from qakit.data.labelled import OUT_OF_SCOPE
from qakit.errors import ConfigError
from qakit.io import write_json
from qakit.modeling.info import INFO_FILE
from qakit.modeling.models import LoadedModel
from qakit.runs.tune import own_folder
from qakit.spans.fitting import fit_null_threshold
from qakit.spans.pages import LEAST
from qakit.tasks.intent import score_texts
from qakit.tasks.labelled import decoded


@dataclass(frozen=True)
class Scope:
    """A threshold, and the accuracy, in percent, on the texts that it was found on, without it and with it."""

    threshold: float
    outside: int
    total: int
    before: float
    after: float

    def summary(self) -> dict[str, Any]:
        """As JSON."""
        return {name: getattr(self, name) for name in self.__dataclass_fields__}


def tune_scope(loaded: LoadedModel, records: Sequence[Any], config: ReadConfig) -> tuple[LoadedModel, Scope]:
    """Find the threshold of the highest accuracy over all texts, in scope and out of it, and keep it with the model.

    Out of scope are the texts with the intent `oos`, and those with an intent that the model does not have.

    Raises:
        ConfigError: the data has no such text, or nothing else; or the model is in no folder of the user's.
    """
    folder = own_folder(loaded.source)
    known = set(loaded.model.config.label2id) - {OUT_OF_SCOPE}
    outside = [record.label not in known for record in records]
    if all(outside) or not any(outside):
        raise ConfigError(
            "--tune oos: the data needs texts of intents that the model has, and others: of the intent oos, or of "
            "intents that were left out of its training"
        )
    # With a threshold of 0 nothing is out of scope that the model does not find so by itself.
    plain = replace(loaded, info=loaded.info.model_copy(update={"oos_threshold": None}))
    found = list(decoded(plain, score_texts(plain, records, config)))
    leads = [-log(max(one.ranked[0][1], LEAST)) for one in found]
    golds = [OUT_OF_SCOPE if out else record.label for out, record in zip(outside, records, strict=True)]
    answered = [float(one.label == gold) for one, gold in zip(found, golds, strict=True)]
    empty = [float(out) for out in outside]
    lead = fit_null_threshold(leads, [(one, one) for one in answered], [(one, one) for one in empty])
    threshold = min(1.0, exp(-lead))
    after = [none if value > lead else one for value, one, none in zip(leads, answered, empty, strict=True)]
    info = loaded.info.model_copy(update={"oos_threshold": threshold})
    write_json(folder / INFO_FILE, info.model_dump(mode="json"))
    scope = Scope(threshold, sum(outside), len(records), _percent(answered), _percent(after))
    return replace(loaded, info=info), scope


def _percent(values: Sequence[float]) -> float:
    return 100.0 * sum(values) / len(values)
