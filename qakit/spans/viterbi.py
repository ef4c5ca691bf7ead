"""Viterbi decoding and marginals of a linear-chain CRF, in numpy; and the rules of BIO tags as its transitions."""

from collections.abc import Sequence
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

Doubles = NDArray[np.float64]


def best_path(scores: Doubles, transitions: Doubles, start: Doubles, end: Doubles) -> list[int]:
    """The classes of the highest sum of scores and transitions (Viterbi); of equal ones that of lower last ones.

    Args:
        scores: of each class at each place, shape (T, L).
        transitions: of a class (row) and the next one (column), shape (L, L); -inf where none may follow so.
        start, end: of the first and the last class, shape (L,).
    """
    if not len(scores):
        return []
    best = start + scores[0]  # of all paths that end in each class, shape (L,)
    origins = []
    for row in scores[1:]:
        # Row: the class before; column: the class reached, shape (L, L). `argmax` takes the first of equal ones.
        reached = best[:, None] + transitions
        origins.append(reached.argmax(axis=0))
        best = reached.max(axis=0) + row
    # Back along the stored origins, from the best last class.
    path = [int((best + end).argmax())]
    for origin in reversed(origins):
        path.append(int(origin[path[-1]]))
    return path[::-1]


def log_normaliser(scores: Doubles, transitions: Doubles, start: Doubles, end: Doubles) -> float:
    """The logarithm of the summed weights of all sequences, 0 for no place.

    Args:
        scores, transitions, start, end: as those of `best_path`.
    """
    if not len(scores):
        return 0.0
    return float(np.logaddexp.reduce(_forward(scores, transitions, start)[-1] + end))


def path_score(path: Sequence[int], scores: Doubles, transitions: Doubles, start: Doubles, end: Doubles) -> float:
    """The sum of a sequence's scores and transitions, 0 for no place."""
    if not path:
        return 0.0
    # Not the maximum of the search: a path's probability needs the same order of sums as the normaliser.
    steps = sum(transitions[one, other] for one, other in pairwise(path))
    return float(start[path[0]] + scores[np.arange(len(path)), path].sum() + steps + end[path[-1]])


def marginals(scores: Doubles, transitions: Doubles, start: Doubles, end: Doubles) -> Doubles:
    """Log-probability of each class at each place over all sequences (forward-backward), shape (T, L).

    Args:
        scores, transitions, start, end: as those of `best_path`.
    """
    if not len(scores):
        return scores
    # In logarithms throughout: products of many probabilities would underflow. Forward holds the score of its own
    # place and backward does not, so that their sum counts each place once.
    backward = [end]
    for row in scores[:0:-1]:
        backward.append(np.logaddexp.reduce(transitions + (row + backward[-1]), axis=1))
    both = np.stack(_forward(scores, transitions, start)) + np.stack(backward[::-1])
    found: Doubles = both - np.logaddexp.reduce(both, axis=1, keepdims=True)
    return found


def _forward(scores: Doubles, transitions: Doubles, start: Doubles) -> list[Doubles]:
    """The forward variables: log of the summed weights of all paths up to each place and class, T of shape (L,)."""
    forward = [start + scores[0]]
    for row in scores[1:]:
        forward.append(np.logaddexp.reduce(forward[-1][:, None] + transitions, axis=0) + row)
    return forward


def is_bio(labels: Sequence[str]) -> bool:
    """Whether labels are BIO tags (`B-date`, `I-date`, `O`), where each kind with an `I-` has a `B-` too."""
    kinds = [label for label in labels if label != "O"]
    return bool(kinds) and all(
        label.startswith("B-") or (label.startswith("I-") and f"B-{label[2:]}" in labels) for label in kinds
    )


def follows_bio(tags: Sequence[str]) -> bool:
    """Whether each `I-` tag stands behind a `B-` or `I-` of its kind."""
    return all(_may_follow(before, tag) for before, tag in pairwise(("O", *tags)))


def bio_rules(labels: Sequence[str]) -> tuple[Doubles, Doubles]:
    """Transitions and starts that are 0 where BIO lets them be and -inf elsewhere, shapes (L, L) and (L,)."""
    allowed = [[_may_follow(before, tag) for tag in labels] for before in labels]
    # A sentence begins as if behind an O.
    starts = [_may_follow("O", tag) for tag in labels]
    return np.where(allowed, 0.0, -np.inf), np.where(starts, 0.0, -np.inf)


def _may_follow(before: str, tag: str) -> bool:
    return not tag.startswith("I-") or before in (f"B-{tag[2:]}", tag)
