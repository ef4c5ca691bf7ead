"""Linear-chain conditional random fields (Lafferty et al., 2001) as choices among classes.

The probability of a sequence of classes is, by the chain rule, a product of choices: each class given the one before
it. The logits of these choices come from one pass from right to left, so a CRF is trained by the loss of all tasks.
"""

import torch
from torch import Tensor


def conditional_logits(scores: Tensor, labels: Tensor, mask: Tensor, transitions: Tensor) -> Tensor:
    """Logits whose softmax at place t is the probability of each class there, given the right class before it.

    The cross-entropies of a sequence's places add up to the negative log-likelihood of its classes under the CRF.

    Args:
        scores: of the classes at each place, shape (B, T, L).
        labels: the right classes, shape (B, T).
        mask: true at the places of each sequence, which come before those that are padding, shape (B, T).
        transitions: from a class (row) to the next one (column), a row of starts and one of ends, shape (L + 2, L).

    Returns:
        Shape (B, T, L); what stands in the padding means nothing.
    """
    between, start, end = transitions[:-2], transitions[-2], transitions[-1]
    # after[t] is the log of the summed weights of all that may follow each class at place t.
    after = [end.expand_as(scores[:, 0])]
    for place in range(scores.shape[1] - 2, -1, -1):
        coming = torch.logsumexp(between + (scores[:, place + 1] + after[-1])[:, None], dim=2)
        after.append(torch.where(mask[:, place + 1, None], coming, end))
    before = torch.cat([start.expand_as(scores[:, :1]), between[labels[:, :-1]]], dim=1)
    return scores + before + torch.stack(after[::-1], dim=1)
