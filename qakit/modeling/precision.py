"""Number formats of models: the table of dtypes, and 16-bit inference with heads in fp32."""

from typing import Any

import torch
from torch import nn

from qakit.config import Precision

DTYPES: dict[Precision, torch.dtype] = {"fp32": torch.float32, "bf16": torch.bfloat16, "fp16": torch.float16}


def dtype_to_load(precision: Precision | None) -> Any:
    """The dtype to load weights in; without a precision as they are stored, but fp32 on a CPU."""
    if precision:
        return DTYPES[precision]
    # Weights are often stored in fp16 to save disk, but a CPU computes slowly in it, if at all.
    return "auto" if torch.accelerator.is_available() else torch.float32


def compute_precision(model: Any, requested: Precision | None) -> str:
    """Precision that a torch model computes in when `requested` is given."""
    # Autocast narrows fp32 weights to what is requested; weights of 16 bits compute as they are.
    stored = next((name for name, dtype in DTYPES.items() if dtype == model.dtype), str(model.dtype))
    return requested if requested and stored == "fp32" else stored


def upcast_heads(model: Any) -> None:
    """Let the heads of a 16-bit model compute in fp32."""
    # Logits of bf16 have 8 significant bits: 16 and 16.1 are the same score, and the order of close spans would be a
    # matter of chance. The heads are so small that fp32 costs nothing.
    if model.dtype.itemsize != 2:
        return
    encoder = model.base_model
    for head in model.children():
        if head is not encoder and isinstance(head, nn.Module):
            head.float().register_forward_pre_hook(_upcast_inputs)


# The encoder still hands over 16 bits, which an fp32 layer does not multiply with.
def _upcast_inputs(_: nn.Module, arguments: tuple[Any, ...]) -> tuple[Any, ...]:
    return tuple(
        argument.float() if torch.is_tensor(argument) and argument.is_floating_point() else argument
        for argument in arguments
    )
