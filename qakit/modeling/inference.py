"""Inference: the one loop that runs a model on windows without gradients."""

from collections.abc import Iterator
from typing import Any

import torch

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
