"""Windows of a dataset in a model's tokens: at the settings given, and at several lengths and overlaps."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from qakit.config import PreprocessConfig, WindowSettings
from qakit.data.records import Dataset, Record
from qakit.modeling.bundled import BUNDLED_MODEL
from qakit.report.style import can_show
from qakit.spans.reachability import Reach

PICTURE = "reachability"


def window_report(records: Sequence[Record], tokenizer: str, settings: WindowSettings) -> dict[str, Any]:
    """Windows a question at the given settings, and the share of answers, in percent, that one window holds whole."""
    from qakit.modeling.loading import load_tokenizer
    from qakit.spans.windowing import answer_spans, covering_windows, encode_pairs, held_whole

    known = [record for record in records if record.relevant is not None or len(record.paragraphs) == 1]
    pairs = encode_pairs(load_tokenizer(tokenizer), [(record.question, record.context) for record in known], settings)
    windows = covering_windows(pairs)
    spans = answer_spans(pairs, range(len(pairs)), known)
    answered = spans[:, 0] >= 0
    held = held_whole(windows, spans)
    return {
        "max_length": settings.max_length,
        "per_question": round(len(windows) / max(len(pairs), 1), 2),
        "longest_answer": int((spans[answered, 1] - spans[answered, 0]).max()) + 1 if answered.any() else None,
        "answers_in_reach": round(100 * float(held[answered].mean()), 2) if answered.any() else None,
    }


def reach_of(parts: Mapping[str, Dataset], config: PreprocessConfig) -> dict[str, tuple[Reach, ...]]:
    """What windows hold and cost, by part, if that is asked for; parts without anything to measure are left out.

    Raises:
        CheckpointError: no such tokenizer.
    """
    if not config.reachability:
        return {}
    from qakit.modeling.loading import load_tokenizer
    from qakit.spans.reachability import measure_reach

    tokenizer = load_tokenizer(config.tokenizer or BUNDLED_MODEL)
    found = {
        name: measure_reach(tokenizer, part.records, config.lengths, config.overlaps) for name, part in parts.items()
    }
    return {name: reaches for name, reaches in found.items() if reaches}


def draw(reach: Mapping[str, Sequence[Reach]], out: Path, tokenizer: str | None) -> tuple[Path, ...]:
    """Draw it into the folder `out`, if there is anything; names that a picture cannot have become numbers."""
    if not reach:
        return ()
    from qakit.report.reachability import draw_reach

    named = {name if can_show(name) else f"part {number}": reach[name] for number, name in enumerate(reach, 1)}
    shown = Path(tokenizer or BUNDLED_MODEL).name
    return draw_reach(named, out / PICTURE, title=f"Windows in tokens of {shown}" if can_show(shown) else "")
