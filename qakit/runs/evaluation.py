"""What `evaluate` returns."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from qakit.metrics.analysis import Analysis
from qakit.metrics.comparing import Comparison
from qakit.metrics.intervals import Interval
from qakit.metrics.presets import Scores

if TYPE_CHECKING:
    import pandas as pd

    from qakit.runs.tune import Tuned


@dataclass(frozen=True)
class EvaluateResult:
    """Scores in percent, and what is known of each question.

    Attributes:
        source: what was scored: `predictions`, `end-to-end`, `gold-paragraph` or `selection`.
        analysis: of the answers; None where only a selector was scored.
        gold_analysis: of the answers from the relevant paragraphs, where `analysis` is end to end.
        selection: how often the relevant paragraph was chosen, in percent.
        choices: what a selector chose, a row a question, where only that was scored.
        unknown: predictions whose id is none of the references'; they count for nothing.
        comparisons: with each of `EvaluateRequest.compare`.
        tuned: what was tried and found for each of `EvaluateRequest.tune`.
    """

    metric: str
    source: str
    analysis: Analysis | None
    gold_analysis: Analysis | None = None
    selection: Interval | None = None
    choices: tuple[Mapping[str, Any], ...] = ()
    unknown: int = 0
    comparisons: tuple[Comparison, ...] = ()
    tuned: "tuple[Tuned, ...]" = ()

    @property
    def scores(self) -> Scores | None:
        """Of the answers."""
        return self.analysis.scores if self.analysis else None

    @property
    def gold_paragraph(self) -> Scores | None:
        """Of the answers from the relevant paragraphs, where `scores` are end to end."""
        return self.gold_analysis.scores if self.gold_analysis else None

    @property
    def selection_accuracy(self) -> float | None:
        """How often the relevant paragraph was chosen, in percent."""
        return self.selection.mean if self.selection else None

    @property
    def rows(self) -> tuple[Mapping[str, Any], ...]:
        """Each question as one row of a table, as JSON; where both are known the answer from the gold paragraph too."""
        if self.analysis is None:
            return self.choices
        rows = [question.row() for question in self.analysis.questions]
        if self.gold_analysis:
            golds = [question.row() for question in self.gold_analysis.questions]
            rows = [row | _of_gold_paragraph(gold) for row, gold in zip(rows, golds, strict=True)]
        return tuple(rows)

    def frame(self) -> "pd.DataFrame":
        """The rows as a pandas table."""
        import pandas as pd

        return pd.DataFrame(self.rows)

    def summary(self) -> dict[str, Any]:
        """The result without its rows, as JSON."""
        summary: dict[str, Any] = {"metric": self.metric, "source": self.source, "total": len(self.choices)}
        if self.analysis:
            summary |= {**self.analysis.summary(), "unknown": self.unknown}
        if self.gold_analysis:
            of_gold = self.gold_analysis.summary()
            summary["gold_paragraph"] = {name: value for name, value in of_gold.items() if name != "human"}
        if self.selection:
            summary["selection_accuracy"] = self.selection.mean
            summary["selection_accuracy_interval"] = [self.selection.low, self.selection.high]
        if self.comparisons:
            summary["comparisons"] = [comparison.summary() for comparison in self.comparisons]
        if self.tuned:
            summary["tuned"] = {one.what: one.summary() for one in self.tuned}
        return summary


def _of_gold_paragraph(row: Mapping[str, Any]) -> dict[str, Any]:
    return {f"gold_paragraph_{name}": row[name] for name in ("prediction", "em", "f1", "verdict")}
