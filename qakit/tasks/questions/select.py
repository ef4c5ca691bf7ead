"""Paragraph selection as multiple choice: the candidate paragraph that holds the answer.

A paragraph longer than a window is never cut: its score is the highest of its windows. A record may have any number of
candidates; each window goes through the model as a question of one choice, and the choice is made over all of them.
"""

from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from qakit import __version__
from qakit.config import ReadConfig, TrainConfig
from qakit.data.negatives import add_candidates
from qakit.data.records import Dataset, Record
from qakit.errors import ConfigError
from qakit.spans.distillation import candidate_teacher
from qakit.spans.windowing import EncodedPairs, answer_spans, describe_windows, encode_pairs
from qakit.tasks.base import Prepared
from qakit.tasks.questions.base import QuestionTask
from qakit.tasks.questions.reading import candidate_bounds, question_candidate_pairs, score_candidates
from qakit.tasks.questions.two_stage import SELECT

if TYPE_CHECKING:
    from torch import Tensor

    from qakit.modeling.batching import EpochWindows
    from qakit.modeling.models import LoadedModel
    from qakit.training.loop import TrainingBatch
    from qakit.training.objective import Classification


class SelectTrainingSet:
    """Records whose candidates each show one window: the relevant one's holds the answer, the others' are any."""

    def __init__(
        self, windows: "EpochWindows", records: Sequence[Record], teacher: Sequence[NDArray[np.float32]] | None = None
    ) -> None:
        self._windows = windows
        self._bounds = candidate_bounds(records)
        self._relevant = np.array([record.relevant for record in records], dtype=np.int64)
        self._teacher = teacher

    @property
    def lengths(self) -> NDArray[np.int64]:
        """Tokens of the longest of each record's candidates."""
        return np.maximum.reduceat(self._windows.lengths, self._bounds[:-1])

    @property
    def rows(self) -> NDArray[np.int64]:
        """Candidates of each record."""
        return np.diff(self._bounds)

    def batch(self, index: Sequence[int], epoch: int) -> "TrainingBatch":
        """The records of numbers `index`: the windows of all their candidates in turn, shape (windows, 1, T)."""
        import torch

        from qakit.training.loop import TrainingBatch

        owned = [np.arange(*self._bounds[number : number + 2]) for number in index]
        batch = self._windows.batch(np.concatenate(owned).tolist(), epoch)
        targets = {
            "candidates": torch.tensor([len(numbers) for numbers in owned]),
            "relevant": torch.from_numpy(self._relevant[index]),
        }
        if self._teacher:
            targets["teacher"] = _padded([torch.from_numpy(self._teacher[number]) for number in index])
        inputs = {name: tensor.unsqueeze(1) for name, tensor in batch.inputs.items()}
        return TrainingBatch(inputs, targets, len(index))

    def classify(self, output: Any, targets: "dict[str, Tensor]") -> "Sequence[Classification]":
        """The relevant one of each record's candidates."""
        from qakit.training.objective import Classification

        counts = targets["candidates"].tolist()
        scores = output.logits.float().flatten()
        choices_of = scores.split(counts * (len(scores) // sum(counts)))
        return [Classification(_padded(choices_of), targets["relevant"], targets.get("teacher"))]


def _padded(rows: "Sequence[Tensor]") -> "Tensor":
    """Rows of different lengths, shape (N, longest), -inf behind each one's end."""
    import torch

    return torch.nn.utils.rnn.pad_sequence(list(rows), batch_first=True, padding_value=-torch.inf)


class ParagraphSelection(QuestionTask):
    """The selection task; models are `AutoModelForMultipleChoice`."""

    name, auto_class = SELECT
    pipeline_tag = "multiple-choice"
    usage = "qakit predict --selector . --model READER --data test.json --out answers.csv"
    best_scores: tuple[str, ...] = ("accuracy",)

    def prepare(self, dataset: Dataset, tokenizer: Any, config: TrainConfig) -> Prepared:
        """Encode the candidates of the records whose relevant paragraph is known; add some where there is but one."""
        from qakit.modeling.batching import EpochWindows
        from qakit.modeling.info import ModelInfo

        records = choices(dataset, config)
        if not records:
            raise ConfigError(f"{', '.join(map(str, dataset.files))}: no record tells its relevant paragraph")
        pairs = encode_pairs(tokenizer, question_candidate_pairs(records), config.windows)
        bounds = candidate_bounds(records)
        spans = np.full((len(pairs), 2), -1, dtype=np.int32)
        relevant = bounds[:-1] + np.array([record.relevant for record in records])
        spans[relevant] = answer_spans(pairs, relevant, records)
        info = ModelInfo(task=self.name, windows=config.windows, qakit_version=__version__)
        windows = EpochWindows(pairs, spans, pad_id=tokenizer.pad_token_id, seed=config.training.seed)
        if config.tricks.negative_windows:
            raise ConfigError("tricks.negative_windows is for train-qa: a selector learns from other paragraphs anyway")
        teacher = candidate_teacher(config.tricks.distill, records) if config.tricks.distill else None
        training_set = SelectTrainingSet(windows, records, teacher)
        return Prepared(training_set, info, tuple(_notes(dataset, records, pairs, config)))

    def can_score(self, record: Record) -> bool:
        """Whether the answer is in a known paragraph."""
        return record.relevant is not None and not record.impossible

    def evaluate(self, loaded: "LoadedModel", dataset: Dataset, config: TrainConfig) -> Mapping[str, float]:
        """Accuracy in percent: how often the relevant paragraph is chosen."""
        records = choices(dataset, config)
        scored = score_candidates(loaded, records, ReadConfig(inference=config.inference))
        right = [int(scores.argmax()) == record.relevant for record, scores in zip(records, scored, strict=True)]
        return {"accuracy": 100.0 * sum(right) / len(right)}


def choices(dataset: Dataset, config: TrainConfig) -> list[Record]:
    """The records whose answer is in a known paragraph, each with candidates to choose it from."""
    known = [record for record in dataset if record.relevant is not None and not record.impossible]
    settings = config.selection
    return add_candidates(known, count=settings.candidates, method=settings.negatives, seed=config.training.seed)


def _notes(dataset: Dataset, records: Sequence[Record], pairs: EncodedPairs, config: TrainConfig) -> Iterator[str]:
    counts = sorted({len(record.paragraphs) for record in records})
    several = f"{counts[0]} to {counts[-1]}" if len(counts) > 1 else str(counts[0])
    yield f"{len(records)} questions with {several} candidate paragraphs to choose from"
    if any(len(record.paragraphs) == 1 for record in dataset):
        yield f"candidates were added by {config.selection.negatives} from the other questions' paragraphs"
    if len(records) < len(dataset):
        yield f"{len(dataset) - len(records)} questions left out: no answer, or no paragraph marked as relevant"
    yield from describe_windows(pairs)
