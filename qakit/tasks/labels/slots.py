"""Slot tagging: a tag for each word of a sentence, read at the word's first token, so that no word falls apart."""

from collections.abc import Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray
from rich.cells import cell_len

from qakit.config import ReadConfig, TrainConfig
from qakit.data.labels import LabelPrediction, LabelSchema, WordsRecord
from qakit.data.records import Dataset
from qakit.data.schemas.shapes import FilledText, Id, Shape, parse
from qakit.errors import ConfigError
from qakit.metrics.slots import slot_scores, tagged_spans
from qakit.spans.tokenizing import Ints, token_span
from qakit.spans.viterbi import follows_bio, is_bio
from qakit.spans.windowing import EncodedPairs, covering_windows, encode_texts
from qakit.tasks.base import OneWindowEach, Prepared
from qakit.tasks.labels.base import LabelTask, score_in_chunks
from qakit.tasks.labels.decoding import TagDecoder
from qakit.tasks.labels.scores import LabelScores
from qakit.tasks.labels.training import check_settings, model_info, notes_on, with_labels

if TYPE_CHECKING:
    from torch import Tensor

    from qakit.modeling.batching import EpochWindows
    from qakit.modeling.models import LoadedModel
    from qakit.training.loop import TrainingBatch
    from qakit.training.objective import Classification


class _Slots(Shape):
    id: Id
    tokens: list[FilledText]
    tags: list[FilledText] | None = None


def _parse(value: Any, required: Collection[str]) -> WordsRecord:
    shape = parse(_Slots, value, required=required)
    return WordsRecord(shape.id, tuple(shape.tokens), None if shape.tags is None else tuple(shape.tags))


@dataclass(frozen=True)
class FirstTokens:
    """The words of N sentences, those of sentence i being `bounds[i]` to `bounds[i + 1]` (exclusive).

    Attributes:
        tokens: number, in its sentence, of each word's first token; -1 where the tokenizer dropped the word, shape
            (words,).
        bounds: shape (N + 1,).
    """

    tokens: Ints
    bounds: NDArray[np.int64]

    def within(self, sentence: int, first: int, end: int) -> tuple[NDArray[np.int64], Ints]:
        """The words, numbered among all, whose first token is from `first` to `end` (exclusive), and that token."""
        low, high = self.bounds[sentence : sentence + 2]
        tokens = self.tokens[low:high]
        words = np.flatnonzero((tokens >= first) & (tokens < end))
        return words + low, tokens[words]


class SlotTrainingSet(OneWindowEach):
    """Sentences with the numbers of their words' tags; one longer than a window shows another part in each epoch."""

    def __init__(self, windows: "EpochWindows", words: FirstTokens, labels: NDArray[np.int64]) -> None:
        """`labels` are the classes of all words, shape (words,)."""
        super().__init__(windows)
        self._words = words
        self._labels = labels

    def batch(self, index: Sequence[int], epoch: int) -> "TrainingBatch":
        """The sentences of numbers `index`; the loss sums over their W words.

        Targets: `counts`, the words of each sentence, shape (B,); and of each word, sentence by sentence, the place in
        its window of its first token and its class, `places` and `labels`, shape (W,).
        """
        import torch

        from qakit.training.loop import TrainingBatch

        batch = self._windows.batch(index, epoch)
        columns = (batch.pairs, batch.first_token, batch.paragraph_length, batch.paragraph_offset)
        found = [
            (*self._words.within(sentence, first, first + length), offset - first)
            for sentence, first, length, offset in zip(*(column.tolist() for column in columns), strict=True)
        ]
        words = np.concatenate([words for words, _, _ in found])
        places = np.concatenate([tokens + shift for _, tokens, shift in found]).astype(np.int64)
        targets = {
            "counts": torch.tensor([len(words) for words, _, _ in found]),
            "places": torch.from_numpy(places),
            "labels": torch.from_numpy(self._labels[words]),
        }
        return TrainingBatch(batch.inputs, targets, len(words))

    def classify(self, output: Any, targets: "dict[str, Tensor]") -> "Sequence[Classification]":
        """The tag of each word; under a CRF given the tag before it."""
        import torch

        from qakit.training.objective import Classification

        counts, labels = targets["counts"], targets["labels"]
        sentences = torch.repeat_interleave(torch.arange(len(counts), device=counts.device), counts)
        logits = output.logits.float()
        logits = logits.view(-1, len(counts), *logits.shape[1:])[:, sentences, targets["places"]]  # (S, W, L)
        transitions = output.get("transitions")
        if transitions is not None:
            logits = torch.stack([_given_the_one_before(one, labels, counts, transitions.float()) for one in logits])
        return [Classification(logits.flatten(0, 1), labels)]


def _given_the_one_before(logits: "Tensor", labels: "Tensor", counts: "Tensor", transitions: "Tensor") -> "Tensor":
    """The logits of the choices that a CRF comes down to, of the words of all sentences, shape (W, L)."""
    import torch

    from qakit.modeling.recurrent import conditional_logits

    sizes = counts.tolist()
    scores, classes = (
        torch.nn.utils.rnn.pad_sequence(list(torch.split(flat, sizes)), batch_first=True) for flat in (logits, labels)
    )
    mask = torch.arange(scores.shape[1], device=counts.device) < counts[:, None]
    return conditional_logits(scores, classes, mask, transitions)[mask]


class SlotTagging(LabelTask):
    """The slot task; models are `AutoModelForTokenClassification`."""

    schema = LabelSchema(
        name="slots",
        text_key="tokens",
        label_key="tags",
        noun="a tag",
        parse=_parse,
        from_text=lambda text: WordsRecord("text", tuple(text.split())),
    )
    name = schema.name
    unit = "sentences"
    title = "Slots"
    auto_class = "AutoModelForTokenClassification"
    pipeline_tag = "token-classification"
    usage = "qakit predict --model . --data test.json --out tags.csv"
    best_scores: tuple[str, ...] = ("joint_accuracy", "token_accuracy")
    decoder = TagDecoder
    one_place = False

    def classes_of(self, label: str) -> list[str]:
        """The tags."""
        return label.split(" ")

    def measure(self, golds: Sequence[str], found: Sequence[LabelPrediction | None]) -> dict[str, float]:
        """Joint accuracy, token accuracy, and precision, recall and F1 of spans."""
        tags = [None if one is None else one.label.split(" ") for one in found]
        return slot_scores([gold.split(" ") for gold in golds], tags)

    def describe(self, one: LabelPrediction, record: WordsRecord | None) -> dict[str, Any]:
        """The prediction as JSON, with words and spans where the words are known."""
        row = super().describe(one, record)
        if record is None:
            return row
        return row | {"words": list(record.words), "spans": tagged_spans(one.label.split(" "), record.words)}

    def lines(self, one: LabelPrediction, record: WordsRecord) -> Iterator[str]:
        """The words of a sentence, each with its tag."""
        width = max(map(cell_len, record.words))
        for word, tag in zip(record.words, one.label.split(" "), strict=True):
            yield f"{_padded(word, width)}  {tag}"
        yield f"  probability of all these tags:  {one.probability:.4f}"

    def prepare(self, dataset: Dataset[WordsRecord], tokenizer: Any, config: TrainConfig) -> Prepared:
        """Encode the sentences whose tags are known, and find the first token of each word."""
        from qakit.modeling.batching import EpochWindows

        check_settings(config)
        records, classes = with_labels(dataset), self.classes(dataset)
        pairs = encode_texts(tokenizer, [record.text for record in records], config.windows)
        usable = pairs.paragraph_lengths > 0
        if not usable.any():
            raise ConfigError("the tokenizer makes no token of any word: it is not one for this language")
        records = [record for record, keep in zip(records, usable, strict=True) if keep]
        pairs = pairs.take(usable)
        nowhere = np.full((len(pairs), 2), -1, dtype=np.int32)  # no answer that each window would have to hold
        windows = EpochWindows(pairs, nowhere, pad_id=tokenizer.pad_token_id, seed=config.training.seed)
        words = first_tokens(pairs, (record.word_spans for record in records))
        number = {name: position for position, name in enumerate(classes)}
        labels = np.array([number[tag] for record in records for tag in record.tags or ()], dtype=np.int64)
        are_bio = is_bio(classes) and all(follows_bio(record.tags or ()) for record in records)
        notes = notes_on(dataset, records, classes, pairs)
        if dropped := int((words.tokens < 0).sum()):
            notes.append(f"{dropped} words left out: the tokenizer makes no token of them")
        info = model_info(self.name, config, follows_bio=are_bio)
        return Prepared(SlotTrainingSet(windows, words, labels), info, tuple(notes))

    def score(self, loaded: "LoadedModel", records: Sequence[WordsRecord], config: ReadConfig) -> Iterator[LabelScores]:
        """Log-probabilities of all tags for each word; a word of several windows has the mean of theirs.

        A conditional random field's transitions are not in them.
        """

        def scored(share: Sequence[WordsRecord]) -> Iterator[LabelScores]:
            words, logs = _word_scores(loaded, share, config)
            for record, (first, end) in zip(share, pairwise(words.bounds.tolist()), strict=True):
                yield LabelScores(record.id, record.text, logs[first:end])

        return score_in_chunks(loaded, records, scored)


def _word_scores(
    loaded: "LoadedModel", records: Sequence[WordsRecord], config: ReadConfig
) -> tuple[FirstTokens, NDArray[np.float32]]:
    """The words of sentences, and the scores of each, shape (words, L); NaN where there is no token."""
    from qakit.modeling.inference import run_windows

    pairs = encode_texts(loaded.tokenizer, [record.text for record in records], loaded.windows_with(config.windows))
    words = first_tokens(pairs, (record.word_spans for record in records))
    sums, seen = np.zeros((len(words.tokens), loaded.model.config.num_labels)), np.zeros(len(words.tokens))
    runs = run_windows(
        loaded.model, pairs, covering_windows(pairs), pad_id=loaded.tokenizer.pad_token_id, settings=config.inference
    )
    for batch, output in runs:
        logs = output.logits.double().log_softmax(dim=-1).cpu().numpy()
        columns = (batch.pairs, batch.first_token, batch.paragraph_length, batch.paragraph_offset)
        for row, (sentence, first, length, offset) in enumerate(zip(*(one.tolist() for one in columns), strict=True)):
            numbers, tokens = words.within(sentence, first, first + length)
            sums[numbers] += logs[row, tokens - first + offset]
            seen[numbers] += 1
    with np.errstate(invalid="ignore"):
        return words, (sums / seen[:, None]).astype(np.float32)


Logits = NDArray[np.float32]


def first_tokens(pairs: EncodedPairs, spans: Iterable[Sequence[tuple[int, int]]]) -> FirstTokens:
    """Find the words of sentences that `encode_texts` tokenised.

    Args:
        spans: of each sentence the characters of its words, from (inclusive) and to (exclusive).
    """
    found = [
        [token_span(pairs.paragraphs, int(text), start, end)[0] for start, end in words]
        for text, words in zip(pairs.paragraph_of, spans, strict=True)
    ]
    bounds = np.append(0, np.cumsum([len(words) for words in found])).astype(np.int64)
    return FirstTokens(np.array([token for words in found for token in words], dtype=np.int32), bounds)


def _padded(text: str, width: int) -> str:
    """The text with spaces up to a number of terminal cells; Chinese characters take two."""
    return text + " " * (width - cell_len(text))
