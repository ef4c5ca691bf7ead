"""`export`: a trained model in a folder of its own, in another number format or for another engine, and its parity."""

import shutil
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from qakit.config import Precision, ReadConfig, WindowSettings
from qakit.data.records import Dataset, Paragraph, Record
from qakit.data.schemas import read_dataset
from qakit.data.texts import Texts, read_texts
from qakit.errors import ConfigError, suggestion
from qakit.io import write_json
from qakit.metrics.presets import default_preset, evaluate
from qakit.modeling.info import INFO_FILE
from qakit.modeling.loading import model_folder, positions_of
from qakit.modeling.models import LoadedModel, is_plain_encoder, load_encoder, load_trained, save_trained
from qakit.modeling.trimming import TrimReport, trim_vocabulary
from qakit.tasks.questions.reading import read_answers, score_candidates
from qakit.tasks.questions.select import ParagraphSelection
from qakit.tasks.registry import task_of_model

BACKENDS = ("torch", "onnx", "int8")


class Parity(NamedTuple):
    """Differences between a converted model and its original.

    Attributes:
        questions: that were compared.
        logit_difference: the largest difference of a logit, or of a paragraph's log-probability in selection.
        same: share of the questions with the same answer (its characters, by place) or paragraph, in percent.
        before, after: EM and F1 in percent, or accuracy, where the data has answers.
    """

    questions: int
    logit_difference: float
    same: float
    before: Mapping[str, float]
    after: Mapping[str, float]


class ExportResult(NamedTuple):
    """The files written, how far a converted model is from what it was made from, and what trimming left of it.

    `notes` are sentences on what no longer holds of the model.
    """

    files: tuple[Path, ...]
    parity: Parity | None = None
    trimmed: TrimReport | None = None
    notes: tuple[str, ...] = ()


def export(
    model: str,
    out: Path,
    *,
    to: str = "torch",
    precision: Precision = "fp32",
    max_length: int | None = None,
    card: Path | None = None,
    data: Path | None = None,
    trim: Sequence[Path] = (),
    characters: bool = False,
) -> ExportResult:
    """Write a model with its tokenizer and what qakit knows of it.

    An encoder without a head of the task can be trimmed too, to be fine-tuned afterwards; it has nothing else to it.

    Args:
        model: the name of the model that comes with qakit, a run folder, a folder or a hub name.
        out: a new folder; it appears whole or not at all.
        to: `torch` for the hub's layout, which `from_pretrained` reads; `onnx` for an ONNX file in its place; `int8`
            for one whose matrices are quantised. The last two are compared with the original, see `Parity`.
        precision: what the weights are stored in, for `torch`. They are converted once, without training.
        max_length: tokens of the windows that it is to read through, where they are to be others than in training.
        card: a file to be its README.md; the model's own, if it has one, when not given.
        data: questions to compare on; a sample of one when not given.
        trim: files of texts, such as the data; of the vocabulary only what they need is kept (`trim_vocabulary`).
        characters: keep no piece that joins Chinese characters.

    Raises:
        ConfigError: `out` is there already, there is no such card or engine, or the vocabulary cannot be trimmed.
        CheckpointError: nothing usable under that name.
        DataError: with all the mistakes in `data` or `trim`.
    """
    _check(out, to, precision, card)
    if characters and not trim:
        raise ConfigError("--characters: says which pieces --trim-vocabulary keeps; give both")
    texts = read_texts(trim) if trim else None
    dataset = read_dataset([data]) if data else Dataset((_SAMPLE,), "jsonl")
    folder = model_folder(model)
    task = task_of_model(model)
    if to != "torch" and to not in task.backends:
        raise ConfigError(f"--to {to}: does not apply to {model}, a model for {task.name}; use --to torch")
    is_encoder = texts is not None and is_plain_encoder(folder)
    if is_encoder and to != "torch":
        raise ConfigError(f"--to {to}: {model} is an encoder without a head; train it first")
    loaded = (
        load_encoder(model)
        if is_encoder
        else load_trained(model, task=task.name, auto_class=task.auto_class, backend="torch")
    )
    loaded, trimmed, notes = _trimmed(loaded, texts, characters=characters) if texts else (loaded, None, ())
    if max_length:
        windows = loaded.windows_with(WindowSettings(max_length=max_length))
        loaded = replace(loaded, info=loaded.info.model_copy(update={"windows": windows}))
    out.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix=f".{out.name}.", dir=out.parent) as parts:
        made = Path(parts) / out.name
        parity = None
        if to == "torch":
            save_trained(made, _as_stored(loaded.model, precision), loaded.tokenizer, loaded.info)
            if is_encoder:
                (made / INFO_FILE).unlink()
        else:
            _write_onnx(made, loaded, to)
            converted = load_trained(str(made), task=task.name, auto_class=task.auto_class, backend=to)
            parity = compare(loaded, converted, dataset, ReadConfig())
            write_json(made / _PARITY, parity._asdict())
        text = card or Path(folder) / _CARD
        if text.is_file():
            shutil.copyfile(text, made / _CARD)
        made.rename(out)
    return ExportResult(tuple(sorted(out.iterdir())), parity, trimmed, notes)


def _trimmed(loaded: LoadedModel, texts: Texts, *, characters: bool) -> tuple[LoadedModel, TrimReport, tuple[str, ...]]:
    """The model with the pieces that texts need, changed in place, and sentences on what its `qakit.json` loses."""
    tokenizer, report = trim_vocabulary(loaded.model, loaded.tokenizer, texts.strings, characters=characters)
    info, notes = loaded.info, list(texts.notes)
    if characters:
        # Both count tokens, of which an answer has more where each character is one.
        if info.max_answer_length is not None:
            notes.append(f"its longest answer, {info.max_answer_length} tokens, is no limit any more: set another")
        if info.length_prior:
            notes.append("its prior of answer lengths is left out: `qakit evaluate --tune length` makes another")
        info = info.model_copy(update={"max_answer_length": None, "length_prior": (), "length_weight": 0.0})
    return replace(loaded, tokenizer=tokenizer, info=info), report, tuple(notes)


def _check(out: Path, to: str, precision: str, card: Path | None) -> None:
    if out.exists():
        raise ConfigError(f"--out {out}: is there already; name a new folder")
    if card and not card.is_file():
        raise ConfigError(f"--card {card}: no such file")
    if to not in BACKENDS:
        raise ConfigError(f"--to {to}: unknown{suggestion(to, BACKENDS)}; expected one of {', '.join(BACKENDS)}")
    if to != "torch" and precision != "fp32":
        raise ConfigError(f"--precision {precision} is for --to torch; an ONNX file is fp32, or int8 with --to int8")


def _as_stored(model: Any, precision: Precision) -> Any:
    from qakit.modeling.precision import DTYPES

    return model.to(DTYPES[precision])


def _write_onnx(folder: Path, loaded: LoadedModel, to: str) -> None:
    from qakit.modeling.onnx import FILES, write_int8, write_onnx

    folder.mkdir()
    model, file = loaded.model.float().to("cpu"), folder / FILES["onnx"]
    longest = min(positions_of(model, loaded.tokenizer), _LONGEST)
    write_onnx(model, _inputs(loaded), file, longest=longest)
    if to == "int8":
        write_int8(file, folder / FILES["int8"])
        for part in folder.glob(f"{FILES['onnx']}*"):
            part.unlink()
    model.config.save_pretrained(folder)
    loaded.tokenizer.save_pretrained(folder)
    write_json(folder / INFO_FILE, loaded.info.model_dump(mode="json"))


def _inputs(loaded: LoadedModel) -> dict[str, Any]:
    """A batch of two windows, as the model is given it."""
    from qakit.modeling.batching import gather_batch
    from qakit.spans.windowing import covering_windows, encode_pairs

    texts = [(_SAMPLE.question, paragraph.text[:60]) for paragraph in _SAMPLE.paragraphs]
    pairs = encode_pairs(loaded.tokenizer, texts, loaded.windows_with(None))
    windows = covering_windows(pairs)
    inputs = gather_batch(pairs, windows, range(2), loaded.tokenizer.pad_token_id).inputs
    return {name: tensor.unsqueeze(1) if _is_selector(loaded) else tensor for name, tensor in inputs.items()}


def _is_selector(loaded: LoadedModel) -> bool:
    return loaded.info.task == ParagraphSelection.name


def compare(original: LoadedModel, converted: LoadedModel, dataset: Dataset, config: ReadConfig) -> Parity:
    """Read the dataset with both models."""
    if _is_selector(original):
        return _compare_selectors(original, converted, dataset, config)
    answers = [list(read_answers(loaded, dataset.records, config)) for loaded in (original, converted)]
    difference = max(
        float(np.abs(getattr(one, name) - getattr(other, name)).max(initial=0.0))
        for (_, one), (_, other) in zip(*answers, strict=True)
        for name in ("start", "end")
    )
    places = [[tuple((one.start, one.end) for one in found.answers[:1]) for found, _ in read] for read in answers]
    labelled = {record.id: record.references for record in dataset if record.is_labelled}
    scores: list[dict[str, float]] = [{}, {}]
    if labelled:
        for number, read in enumerate(answers):
            texts = {found.id: found.text for found, _ in read if found.id in labelled}
            found_scores = evaluate(texts, labelled, default_preset(dataset))
            scores[number] = {"em": found_scores.em, "f1": found_scores.f1}
    return Parity(len(dataset), difference, _share_of_equals(*places), *scores)


_CARD, _PARITY = "README.md", "parity.json"
_LONGEST = 2**16  # tokens, for models without a limit
_SAMPLE = Record(
    "sample",
    "這所學校位於哪裡？",
    (Paragraph("0", "這所學校位於臺北市，創立於1928年。"), Paragraph("1", "山上有一條河。" * 40)),
    relevant=0,
)


def _compare_selectors(original: LoadedModel, converted: LoadedModel, dataset: Dataset, config: ReadConfig) -> Parity:
    records = [record for record in dataset if len(record.paragraphs) > 1]
    found = [list(score_candidates(loaded, records, config)) for loaded in (original, converted)]
    difference = max((float(np.abs(one - other).max()) for one, other in zip(*found, strict=True)), default=0.0)
    chosen = [[int(scores.argmax()) for scores in read] for read in found]
    return Parity(
        len(records), difference, _share_of_equals(*chosen), *(_accuracy(records, choice) for choice in chosen)
    )


def _accuracy(records: Sequence[Record], chosen: Sequence[int]) -> dict[str, float]:
    right = [
        record.relevant == number for record, number in zip(records, chosen, strict=True) if record.relevant is not None
    ]
    return {"accuracy": 100.0 * sum(right) / len(right)} if right else {}


def _share_of_equals(one: Sequence[Any], other: Sequence[Any]) -> float:
    same = sum(first == second for first, second in zip(one, other, strict=True))
    return 100.0 * same / len(one) if one else 100.0
