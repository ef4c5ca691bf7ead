"""How well people agree: each annotator's answer scored against those of the others, as a model's would be."""

from collections.abc import Hashable, Mapping, Sequence
from dataclasses import dataclass
from statistics import fmean

from qakit.metrics.intervals import Interval, bootstrap_each
from qakit.metrics.presets import get_preset


@dataclass(frozen=True)
class Agreement:
    """The mean score of an annotator, in percent, over the `total` questions that have several."""

    em: Interval
    f1: Interval
    total: int


def agreement(
    golds: Mapping[str, Sequence[str]], groups: Mapping[str, Hashable], metric: str, *, confidence: float = 0.95
) -> Agreement | None:
    """What annotators score by a preset, each against the others; None where no question has two answers.

    A model is scored against one answer more than an annotator, which lowers the annotators' score by a little.

    Args:
        groups: what each question belongs to, such as its paragraph.
    """
    preset = get_preset(metric)
    several = {id_: answers for id_, answers in golds.items() if len(answers) > 1}
    if not several:
        return None
    em, f1 = [], []
    for answers in several.values():
        scores = [
            preset.score(text, [*answers[:number], *answers[number + 1 :]]) for number, text in enumerate(answers)
        ]
        em.append(100.0 * fmean(score.em for score in scores))
        f1.append(100.0 * fmean(score.f1 for score in scores))
    of_em, of_f1 = bootstrap_each([em, f1], [groups[id_] for id_ in several], confidence=confidence)
    return Agreement(of_em, of_f1, len(several))
