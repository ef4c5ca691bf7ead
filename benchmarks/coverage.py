"""How often a 95 % interval holds the truth, on simulated questions with effects of their paragraphs.

`python benchmarks/coverage.py [--repetitions 500] [--paragraphs 10 20 ...]` draws paragraphs whose difficulty
differs, 1 to 6 questions on each (3.5 in the mean, as DRCD has), and whether each is answered right; the truth is the
EM over endlessly many paragraphs. It prints how many of the intervals hold it: those of `qakit evaluate`, which draw
paragraphs, and for comparison those over single questions.
"""

import argparse

import numpy as np

from qakit.metrics.intervals import bootstrap

SIZES = (10, 20, 50, 155, 1000)  # paragraphs: of small slices, HW7's test part and DRCD's dev file
MEAN, SPREAD = 0.3, 1.2  # of the paragraphs' log-odds of a right answer
_MANY = 4_000_000


def right_answers(random: np.random.Generator, paragraphs: int) -> tuple[list[float], list[int]]:
    """EM of each question in percent, and its paragraph."""
    chances = 1 / (1 + np.exp(-random.normal(MEAN, SPREAD, paragraphs)))
    counts = random.integers(1, 7, paragraphs)
    owner = np.repeat(np.arange(paragraphs), counts)
    return (100.0 * (random.random(len(owner)) < chances[owner])).tolist(), owner.tolist()


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--repetitions", type=int, default=500)
    parser.add_argument("--paragraphs", type=int, nargs="+", default=SIZES)
    asked = parser.parse_args()
    repetitions = asked.repetitions
    logits = np.random.default_rng(0).normal(MEAN, SPREAD, _MANY)
    truth = float(100 * np.mean(1 / (1 + np.exp(-logits))))
    print(f"true EM {truth:.2f}; {repetitions} repetitions")
    for paragraphs in asked.paragraphs:
        random = np.random.default_rng([1, paragraphs])
        held = np.zeros(2)
        for trial in range(repetitions):
            scores, owner = right_answers(random, paragraphs)
            for kind, groups in enumerate((owner, range(len(owner)))):
                interval = bootstrap(scores, groups, resamples=2000, seed=trial)
                held[kind] += interval.low <= truth <= interval.high
        by_paragraph, by_question = 100 * held / repetitions
        print(f"{paragraphs:5} paragraphs: {by_paragraph:.1f} % over paragraphs, {by_question:.1f} % over questions")


if __name__ == "__main__":
    main()
