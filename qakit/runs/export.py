"""`export`: a trained model in a folder of its own, in the number format or for the engine asked for."""

import shutil
import tempfile
from dataclasses import replace
from pathlib import Path
from typing import Any, NamedTuple

from qakit.config import Precision, ReadConfig, WindowSettings
from qakit.data.formats import read_dataset
from qakit.data.records import Dataset, Paragraph, Record
from qakit.errors import ConfigError, suggestion
from qakit.io import write_json
from qakit.modeling.info import INFO_FILE, read_info
from qakit.modeling.loading import model_folder, positions_of
from qakit.modeling.models import LoadedModel, load_trained, save_trained
from qakit.runs.parity import Parity, compare
from qakit.tasks.registry import TASKS

BACKENDS = ("torch", "onnx", "int8")
_CARD, _PARITY = "README.md", "parity.json"
_LONGEST = 2**16  # tokens, for models without a limit
_SAMPLE = Record(
    "sample",
    "這所學校位於哪裡？",
    (Paragraph("0", "這所學校位於臺北市，創立於1928年。"), Paragraph("1", "山上有一條河。" * 40)),
    relevant=0,
)


class ExportResult(NamedTuple):
    """The files written, and how far a converted model is from what it was made from."""

    files: tuple[Path, ...]
    parity: Parity | None


def export(
    model: str,
    out: Path,
    *,
    to: str = "torch",
    precision: Precision = "fp32",
    max_length: int | None = None,
    card: Path | None = None,
    data: Path | None = None,
) -> ExportResult:
    """Write a model with its tokenizer and what qakit knows of it.

    Args:
        model: the name of the model that comes with qakit, a run folder, a folder or a hub name.
        out: a new folder; it appears whole or not at all.
        to: `torch` for the hub's layout, which `from_pretrained` reads; `onnx` for an ONNX file in its place; `int8`
            for one whose matrices are quantised. The last two are compared with the original, see `Parity`.
        precision: what the weights are stored in, for `torch`. They are converted once, without training.
        max_length: tokens of the windows that it is to read through, where they are to be others than in training.
        card: a file to be its README.md; the model's own, if it has one, when not given.
        data: questions to compare on; a sample of one when not given.

    Raises:
        ConfigError: `out` is there already, or there is no such card or engine.
        CheckpointError: nothing usable under that name.
    """
    _check(out, to, precision, card)
    dataset = read_dataset([data]) if data else Dataset((_SAMPLE,), "jsonl")
    folder = model_folder(model)
    info = read_info(folder)
    task = TASKS[info.task if info else "qa"]
    if to != "torch" and task.name not in ("qa", "select"):
        raise ConfigError(f"--to {to}: is for models of questions, and {model} is one of {task.name}; use --to torch")
    loaded = load_trained(model, task=task.name, auto_class=task.auto_class, backend="torch")
    if max_length:
        windows = loaded.windows_with(WindowSettings(max_length=max_length))
        loaded = replace(loaded, info=loaded.info.model_copy(update={"windows": windows}))
    out.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix=f".{out.name}.", dir=out.parent) as parts:
        made = Path(parts) / out.name
        parity = None
        if to == "torch":
            save_trained(made, _as_stored(loaded.model, precision), loaded.tokenizer, loaded.info)
        else:
            _write_onnx(made, loaded, to)
            converted = load_trained(str(made), task=task.name, auto_class=task.auto_class, backend=to)
            parity = compare(loaded, converted, dataset, ReadConfig())
            write_json(made / _PARITY, parity._asdict())
        text = card or Path(folder) / _CARD
        if text.is_file():
            shutil.copyfile(text, made / _CARD)
        made.rename(out)
    return ExportResult(tuple(sorted(out.iterdir())), parity)


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
    import torch

    return model.to({"fp32": torch.float32, "fp16": torch.float16, "bf16": torch.bfloat16}[precision])


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
    from qakit.modeling.batching import window_batch
    from qakit.spans.windowing import covering_windows, encode_pairs

    texts = [(_SAMPLE.question, paragraph.text[:60]) for paragraph in _SAMPLE.paragraphs]
    pairs = encode_pairs(loaded.tokenizer, texts, loaded.windows_with(None))
    windows = covering_windows(pairs)
    inputs = window_batch(pairs, windows, range(2), loaded.tokenizer.pad_token_id).inputs
    return {name: tensor.unsqueeze(1) if loaded.info.task == "select" else tensor for name, tensor in inputs.items()}
