"""Intent classification: the intent of a text's author, one class a text."""

from collections.abc import Collection, Iterator, Sequence
from dataclasses import replace
from math import exp, log
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from qakit.config import ReadConfig, TrainConfig
from qakit.data.formats.shapes import FilledText, Id, Shape, parse
from qakit.data.labels import OUT_OF_SCOPE, LabelPrediction, LabelSchema, TextRecord
from qakit.data.records import Dataset
from qakit.errors import ConfigError
from qakit.io import write_json
from qakit.metrics.intents import intent_scores
from qakit.spans.character_grid import LEAST
from qakit.spans.fitting import fit_null_threshold
from qakit.spans.windowing import covering_windows, encode_texts
from qakit.tasks.base import Models, OneWindowEach, Prepared
from qakit.tasks.labels.base import LabelTask, check_settings, model_info, notes_on, score_in_chunks, with_labels
from qakit.tasks.labels.evaluation import LabelReferences, OosThreshold
from qakit.tasks.labels.scores import LabelScores

if TYPE_CHECKING:
    from torch import Tensor

    from qakit.modeling.batching import EpochWindows
    from qakit.modeling.models import LoadedModel
    from qakit.training.loop import TrainingBatch
    from qakit.training.objective import Classification


class _Intent(Shape):
    id: Id
    text: FilledText
    intent: FilledText | None = None


def _parse(value: Any, required: Collection[str]) -> TextRecord:
    shape = parse(_Intent, value, required=required)
    return TextRecord(shape.id, shape.text, shape.intent)


class TextTrainingSet(OneWindowEach):
    """Texts with the number of their class; a text longer than a window shows another part in each epoch."""

    def __init__(self, windows: "EpochWindows", labels: NDArray[np.int64]) -> None:
        super().__init__(windows)
        self._labels = labels

    def batch(self, index: Sequence[int], epoch: int) -> "TrainingBatch":
        """The texts of numbers `index`; targets are the numbers of their classes, shape (B,)."""
        import torch

        from qakit.training.loop import TrainingBatch

        inputs = self._windows.batch(index, epoch).inputs
        return TrainingBatch(inputs, {"labels": torch.from_numpy(self._labels[index])}, len(index))

    def classify(self, output: Any, targets: "dict[str, Tensor]") -> "Sequence[Classification]":
        """The class of each text."""
        from qakit.training.objective import Classification

        return [Classification(output.logits.float(), targets["labels"])]


class IntentClassification(LabelTask):
    """The intent task; models are `AutoModelForSequenceClassification`."""

    name = "intent"
    unit = "texts"
    title = "Intents"
    auto_class = "AutoModelForSequenceClassification"
    best_scores: tuple[str, ...] = ("accuracy", "macro_f1")
    schema = LabelSchema("intent", "text", "intent", "an intent", _parse, lambda text: TextRecord("text", text))
    has_scope = True
    tunable: tuple[str, ...] = ("oos",)

    def scores(self, golds: Sequence[str], found: Sequence[LabelPrediction | None]) -> dict[str, float]:
        """Accuracy, macro F1 and accuracy among the first few."""
        return intent_scores(golds, [one.names if one else () for one in found])

    def prepare(self, dataset: Dataset[TextRecord], tokenizer: Any, config: TrainConfig) -> Prepared:
        """Encode the texts whose label is known."""
        from qakit.modeling.batching import EpochWindows

        check_settings(config)
        if config.model.overrides.get("crf"):
            raise ConfigError("model.crf: is for train-slots, where tags follow each other; leave it out")
        records, classes = with_labels(dataset), self.classes(dataset)
        pairs = encode_texts(tokenizer, [record.text for record in records], config.windows)
        nowhere = np.full((len(pairs), 2), -1, dtype=np.int32)  # no answer that each window would have to hold
        windows = EpochWindows(pairs, nowhere, pad_id=tokenizer.pad_token_id, seed=config.training.seed)
        number = {name: position for position, name in enumerate(classes)}
        labels = np.array([number[record.label or ""] for record in records], dtype=np.int64)
        notes = notes_on(dataset, records, classes, pairs)
        return Prepared(TextTrainingSet(windows, labels), model_info(self.name, config), tuple(notes))

    def score(self, loaded: "LoadedModel", records: Sequence[TextRecord], config: ReadConfig) -> Iterator[LabelScores]:
        """Log-probabilities of all classes; a text of several windows has the mean of theirs."""
        from qakit.modeling.inference import run_windows

        def scored(share: Sequence[TextRecord]) -> Iterator[LabelScores]:
            texts = [record.text for record in share]
            pairs = encode_texts(loaded.tokenizer, texts, loaded.windows_with(config.windows))
            windows = covering_windows(pairs)
            sums = np.zeros((len(pairs), loaded.model.config.num_labels))
            pad_id = loaded.tokenizer.pad_token_id
            for batch, output in run_windows(loaded.model, pairs, windows, pad_id=pad_id, settings=config.inference):
                np.add.at(sums, batch.pairs, output.logits.double().log_softmax(dim=-1).cpu().numpy())
            logs = (sums / np.bincount(windows.pairs, minlength=len(pairs))[:, None]).astype(np.float32)
            return (LabelScores(record.id, record.text, row[None]) for record, row in zip(share, logs, strict=True))

        return score_in_chunks(loaded, records, scored)

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
