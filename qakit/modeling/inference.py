"""The only loop that runs a model without gradients."""

from collections.abc import Iterator
from typing import Any

import torch

from qakit.config import InferenceSettings
from qakit.modeling.batching import WindowBatch, batches_by_length, window_batch
from qakit.modeling.precision import DTYPES
from qakit.spans.windowing import EncodedPairs, Windows
from qakit.training.device import explain_out_of_memory

_BATCH_TOKENS_OF_A_THREAD = 1024  # of a CPU: more gain it nothing, and its caches lose
_BATCH_NUMBERS_OF_A_THREAD = 2**20  # in hidden states of 16 bits: their products are so fast that more tokens pay
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
    """Run every window through the model once, in batches of like length.

    Args:
        choices: give each window as a multiple-choice question of one choice, shape (B, 1, T).

    Yields:
        Each batch with the model's output, in no promised order.
    """
    device = next(model.parameters()).device
    # Weights of 16 bits compute so by themselves; autocast would narrow their heads.
    dtype, stored = DTYPES.get(settings.precision or "", torch.float32), getattr(model, "dtype", torch.float32)
    autocast = dtype.itemsize == 2 and stored == torch.float32
    batch_tokens = settings.batch_tokens or _batch_tokens(device, model, narrow=autocast or stored.itemsize == 2)
    was_training = model.training
    model.eval()
    try:
        for index in batches_by_length(pairs, windows, batch_tokens):
            batch = window_batch(pairs, windows, index, pad_id)
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
    """The tokens of a forward pass, where the settings name none; `narrow` says that it computes in 16 bits."""
    if device.type != "cpu":
        return _BATCH_TOKENS_OF_AN_ACCELERATOR
    hidden_size = getattr(model.config, "hidden_size", None)
    tokens = _BATCH_NUMBERS_OF_A_THREAD // hidden_size if narrow and hidden_size else 0
    return max(tokens, _BATCH_TOKENS_OF_A_THREAD) * torch.get_num_threads()
