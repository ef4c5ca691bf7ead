"""Which members an ensemble is to have, and how often: greedy forward selection with replacement.

From nothing, the member that helps most is added, again and again, and the best of the ensembles on that way is kept
(Caruana, Niculescu-Mizil, Crew and Ksikes, ICML 2004). A member may be added many times: its count is its weight.

Unlike there, a member that has all the weight is not added again, which would change nothing: two members that disagree
often come to no more than the better one, and a third decides between them.
"""

from collections.abc import Callable
from math import gcd

Counts = tuple[int, ...]
Score = tuple[float, ...]
_PATIENCE = 5  # rounds without a better ensemble


def forward_selection(size: int, score: Callable[[Counts], Score], *, rounds: int) -> Counts:
    """How often each of `size` members is to count; none is better by itself.

    Ties go to the earlier member, then to the ensemble of fewer rounds. The search ends early when five rounds
    brought nothing.

    Args:
        score: of an ensemble, larger is better; it is asked for counts without a common divisor, some of them again.
        rounds: members that are added at most.

    Returns:
        The counts without their common divisor.
    """
    counts: Counts = (0,) * size
    best, reached, since = counts, None, 0
    for _ in range(rounds):
        added = [(*counts[:member], counts[member] + 1, *counts[member + 1 :]) for member in range(size)]
        added = [option for option in added if _reduced(option) != _reduced(counts)]
        if not added:
            break
        scored = [score(_reduced(option)) for option in added]
        top = max(scored)
        counts = added[scored.index(top)]
        if reached is None or top > reached:
            best, reached, since = counts, top, 0
        else:
            since += 1
        if since == _PATIENCE:
            break
    return _reduced(best)


def _reduced(counts: Counts) -> Counts:
    divisor = gcd(*counts) or 1
    return tuple(count // divisor for count in counts)
