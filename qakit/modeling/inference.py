"""Inference: the one loop that runs a model on windows without gradients, and RoFormer's fused attention in it."""

from collections.abc import Iterator
from typing import Any

import torch
from torch import Tensor, nn
from transformers.models.roformer.modeling_roformer import RoFormerSelfAttention

from qakit.config import InferenceSettings
from qakit.modeling.batching import WindowBatch, batches_by_length, gather_batch
from qakit.modeling.precision import DTYPES
from qakit.spans.windowing import EncodedPairs, Windows
from qakit.training.device import explain_out_of_memory

# Larger batches leave a CPU's caches: with 4,096 tokens on one core, 12 layers of 768 were 1.11 times slower in fp32.
_BATCH_TOKENS_OF_A_THREAD = 1024
# Numbers in 16-bit hidden states: with AMX their products are so fast that small models need more tokens (4 layers of
# 256 answer 1.1 to 1.6 times as many questions with 4,096 tokens).
_BATCH_NUMBERS_OF_A_THREAD = 2**20
_BATCH_TOKENS_OF_AN_ACCELERATOR = 16384


def run_windows(
    model: Any,
    pairs: EncodedPairs,
    windows: Windows,
    *,
    pad_id: int,
    settings: InferenceSettings,
    choices: bool = False,
) -> Iterator[tuple[WindowBatch, Any]]:
    """Run every window through the model once, in batches of similar length.

    Args:
        choices: shape the inputs (B, 1, T), as multiple choice with one choice, instead of (B, T).

    Yields:
        Each batch with the model's output, in no particular order.
    """
    device = next(model.parameters()).device
    # Only for fp32 weights: on a model loaded in 16 bits, autocast would narrow its fp32 heads.
    dtype, stored = DTYPES[settings.precision or "fp32"], getattr(model, "dtype", torch.float32)
    autocast = dtype.itemsize == 2 and stored == torch.float32
    batch_tokens = settings.batch_tokens or _batch_tokens(device, model, narrow=autocast or stored.itemsize == 2)
    was_training = model.training  # evaluations during a training must hand the model back as it was
    model.eval()
    try:
        for index in batches_by_length(pairs, windows, batch_tokens):
            batch = gather_batch(pairs, windows, index, pad_id)
            inputs = {name: tensor.to(device) for name, tensor in batch.inputs.items()}
            if choices:
                inputs = {name: tensor.unsqueeze(1) for name, tensor in inputs.items()}
            with (
                explain_out_of_memory(f"lower inference.batch_tokens ({batch_tokens})"),
                torch.inference_mode(),
                torch.autocast(device.type, dtype if autocast else None, enabled=autocast),
            ):
                output = model(**inputs)
            yield batch, output
    finally:
        model.train(was_training)


def _batch_tokens(device: torch.device, model: Any, *, narrow: bool) -> int:
    """Default tokens of a forward pass; `narrow`: the model computes in 16 bits."""
    if device.type != "cpu":
        return _BATCH_TOKENS_OF_AN_ACCELERATOR
    hidden_size = getattr(model.config, "hidden_size", None)
    tokens = _BATCH_NUMBERS_OF_A_THREAD // hidden_size if narrow and hidden_size else 0
    return max(tokens, _BATCH_TOKENS_OF_A_THREAD) * torch.get_num_threads()


class FusedSelfAttention(RoFormerSelfAttention):  # type: ignore[misc]
    """RoFormer's self-attention through `scaled_dot_product_attention`; equal up to rounding.

    Transformers has only an eager one, which writes out every score of every head: on one core the bundled model
    answers 1.25 times as fast in fp32 without it.
    """

    def forward(
        self,
        hidden_states: Tensor,
        attention_mask: Tensor | None = None,
        sinusoidal_pos: Tensor | None = None,
        **others: Any,
    ) -> tuple[Tensor, Tensor | None]:
        """Attended states, shape (B, T, hidden), and attention probabilities where they are requested."""
        # On a CPU, fused attention in 16 bits is no faster than in 32, and slower than plain products of 16 bits.
        narrow = hidden_states.device.type == "cpu" and self.query.weight.dtype.itemsize == 2
        # In training it was slower, and its dropout differs. The probabilities exist only in the eager implementation.
        if self.training or narrow or sinusoidal_pos is None or any(others.values()):
            found: tuple[Tensor, Tensor | None] = super().forward(
                hidden_states, attention_mask, sinusoidal_pos, **others
            )
            return found
        # (B, T, hidden) -> (B, T, heads, head size) -> (B, heads, T, head size)
        by_head = (*hidden_states.shape[:-1], -1, self.attention_head_size)
        query, key, value = (
            project(hidden_states).view(by_head).transpose(1, 2) for project in (self.query, self.key, self.value)
        )
        rotated = (query, key, value) if self.rotary_value else (query, key)
        query, key, *rest = self.apply_rotary_position_embeddings(sinusoidal_pos.to(query.dtype), *rotated)
        value = rest[0] if rest else value
        mask = None if attention_mask is None else attention_mask.to(query.dtype)
        attended = nn.functional.scaled_dot_product_attention(query, key, value, attn_mask=mask)
        return attended.transpose(1, 2).flatten(2), None


def fuse_attention(model: nn.Module) -> None:
    """Make the RoFormer layers of a model use fused attention at inference."""
    for module in model.modules():
        if type(module) is RoFormerSelfAttention:
            # The class alone changes: weights, names and hooks stay, and so does what is saved.
            module.__class__ = FusedSelfAttention
