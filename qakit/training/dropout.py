"""Dropout masks on a CPU, drawn several times as fast as torch draws them.

29 % of a small encoder's step go into the masks of dropout, as torch draws a number and does arithmetic with
it for each element. Here one 64-bit number of the same generator makes four elements, by comparing 16 bits each.
"""

import warnings
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from typing import Any

import torch
from torch import Tensor

_LEVELS = 2**16


def fast_dropout(device: torch.device) -> AbstractContextManager[None]:
    """Inside, random masks of tensors on the CPU (`bernoulli_`, so every dropout) are drawn fast; elsewhere as always.

    A probability is rounded to a multiple of 2**-16. The masks come from torch's own generator, whose state is all that
    resuming needs; they are others than torch would draw.
    """
    return _fast_masks() if device.type == "cpu" else nullcontext()


@contextmanager
def _fast_masks() -> Iterator[None]:
    library: Any = torch.library.Library("aten", "IMPL", "CPU")  # type: ignore[no-untyped-call]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of a kernel that is replaced, which is the purpose
        library.impl("bernoulli_.float", draw_mask, allow_override=True)
    try:
        yield
    finally:
        library._destroy()


def draw_mask(mask: Tensor, p: float = 0.5, generator: torch.Generator | None = None) -> Tensor:
    """Fill a tensor of any shape and type with ones (probability `p`) and zeros; gives the tensor."""
    kept = round(p * _LEVELS)
    words = torch.empty(-(-mask.numel() // 4), dtype=torch.int64)
    bits = words.random_(torch.iinfo(torch.int64).min, None, generator=generator).view(torch.int16)
    drawn = bits[: mask.numel()].view(mask.shape)
    if kept == _LEVELS:
        return mask.fill_(1)
    if mask.is_contiguous():
        return torch.lt(drawn, kept - _LEVELS // 2, out=mask)
    return mask.copy_(drawn < kept - _LEVELS // 2)
