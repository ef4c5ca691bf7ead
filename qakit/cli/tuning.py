"""How a tuning looks: a table of the values tried for each setting."""

from collections.abc import Iterator, Sequence
from math import inf
from typing import TYPE_CHECKING

from qakit.cli.tables import aligned

if TYPE_CHECKING:
    from qakit.runs.tune import Tuned

_INFINITE = {("joint", inf): "selector alone", ("null", inf): "never none", ("null", -inf): "always none"}
_NAMES = {
    "length": "weight of the length",
    "temperature": "temperature",
    "joint": "weight of the selector",
    "null": "threshold of no answer",
}


def tuning_lines(tuned: "Sequence[Tuned]") -> Iterator[str]:
    """One table a setting: a row for each value, a star at the one that was kept."""
    for one in tuned:
        figures = list(one.chosen.figures)
        titles = [_NAMES[one.what], "EM", "F1", *(name.replace("_", " ") for name in figures)]
        table = [titles]
        for trial in one.trials:
            value = _INFINITE.get((one.what, trial.value)) or f"{trial.value:.4g}"
            numbers = (trial.em, trial.f1, *(trial.figures[name] for name in figures))
            table.append([value, *(f"{number:.3f}" for number in numbers)])
        marks = [" ", *("*" if trial == one.chosen else " " for trial in one.trials)]
        yield from (f"{mark} {line}" for mark, line in zip(marks, aligned(table), strict=True))
        yield ""
