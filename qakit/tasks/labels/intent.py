"""Intent classification: the intent of a text's author, one class a text, or none of the known ones: out of scope."""

from collections.abc import Sequence
from dataclasses import replace
from math import exp, log
from typing import Any

from qakit.config import ReadConfig
from qakit.data.labels import OUT_OF_SCOPE, LabelPrediction, TextRecord
from qakit.data.records import Dataset
from qakit.errors import ConfigError
from qakit.io import write_json
from qakit.metrics.classes import scope_scores
from qakit.spans.character_grid import LEAST
from qakit.spans.fitting import fit_null_threshold
from qakit.tasks.base import Models
from qakit.tasks.labels.evaluation import LabelReferences, OosThreshold
from qakit.tasks.labels.text_classification import TextClassification, text_schema


class IntentClassification(TextClassification):
    """The intent task, of the ADL course's first homework."""

    schema = text_schema("intent", label_key="intent", noun="an intent")
    name = schema.name
    title = "Intents"
    usage = "qakit predict --model . --data test.json --out intents.csv"
    has_scope = True
    tunable: tuple[str, ...] = ("oos",)

    def measure(self, golds: Sequence[str], found: Sequence[LabelPrediction | None]) -> dict[str, float]:
        """Those of any class, and how well texts out of scope are told from the others."""
        predicted = [one.label if one else "" for one in found]
        return super().measure(golds, found) | scope_scores(golds, predicted, OUT_OF_SCOPE)

    def tune(
        self,
        names: Sequence[str],
        dataset: Dataset[TextRecord],
        references: LabelReferences,
        models: Models,
        config: ReadConfig,
    ) -> tuple[Models, OosThreshold]:
        """Find the threshold of the highest accuracy over all texts, in scope and out of it, and keep it.

        Out of scope are the texts with the intent `oos`, and those with an intent that the model does not have.

        Raises:
            ConfigError: the data has no such text, or nothing else; or the model is in no folder of the user's.
        """
        from qakit.modeling.info import INFO_FILE
        from qakit.modeling.loading import own_folder

        loaded: Any = models.reader
        folder, records = own_folder(loaded.source), list(references.records.values())
        known = set(loaded.model.config.label2id) - {OUT_OF_SCOPE}
        outside = [record.label not in known for record in records]
        if all(outside) or not any(outside):
            raise ConfigError(
                "--tune oos: the data needs texts of intents that the model has, and others: of the intent oos, or of "
                "intents that were left out of its training"
            )
        # Without a threshold nothing is out of scope that the model does not find so by itself.
        plain = replace(loaded, info=loaded.info.model_copy(update={"oos_threshold": None}))
        found = [one.prediction for one in self._labelled(plain, records, config)]
        leads = [-log(max(one.ranked[0][1], LEAST)) for one in found]
        golds = [OUT_OF_SCOPE if out else record.label for out, record in zip(outside, records, strict=True)]
        answered = [float(one.label == gold) for one, gold in zip(found, golds, strict=True)]
        empty = [float(out) for out in outside]
        lead = fit_null_threshold(leads, [(one, one) for one in answered], [(one, one) for one in empty])
        threshold = min(1.0, exp(-lead))
        after = [none if value > lead else one for value, one, none in zip(leads, answered, empty, strict=True)]
        info = loaded.info.model_copy(update={"oos_threshold": threshold})
        write_json(folder / INFO_FILE, info.model_dump(mode="json"))
        before, now = (100.0 * sum(values) / len(values) for values in (answered, after))
        scope = OosThreshold(threshold, sum(outside), len(records), before, now)
        return replace(models, reader=replace(loaded, info=info)), scope
