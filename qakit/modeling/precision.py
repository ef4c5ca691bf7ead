"""Inference in 16 bits: what computes in them, and what must not."""

from typing import Any

import torch
from torch import nn

from qakit.config import Precision

DTYPES = {"fp32": torch.float32, "bf16": torch.bfloat16, "fp16": torch.float16}


def stored_dtype(precision: Precision | None) -> Any:
    """The dtype to load weights in; without a precision as they are stored, but fp32 on a CPU.

    A CPU computes slowly in fp16, if at all; half the size on disk is no reason to.
    """
    if precision:
        return DTYPES[precision]
    return "auto" if torch.accelerator.is_available() else torch.float32


def precision_of(model: Any, asked: Precision | None) -> str:
    """What a torch model computes in: autocast narrows weights of fp32, and no others, to what is asked for."""
    stored = next((name for name, dtype in DTYPES.items() if dtype == model.dtype), str(model.dtype))
    return asked if asked and stored == "fp32" else stored


def widen_heads(model: Any) -> None:
    """Let what stands on top of a 16-bit encoder compute in fp32.

    Logits of bf16 have 8 significant bits: scores of 16 and 16.1 are the same number, and the best span a matter of
    chance. The heads are so small that fp32 costs nothing.
    """
    if model.dtype.itemsize != 2:
        return
    encoder = model.base_model
    for head in model.children():
        if head is not encoder and isinstance(head, nn.Module):
            head.float().register_forward_pre_hook(_widened)


def _widened(_: nn.Module, arguments: tuple[Any, ...]) -> tuple[Any, ...]:
    return tuple(
        argument.float() if torch.is_tensor(argument) and argument.is_floating_point() else argument
        for argument in arguments
    )
