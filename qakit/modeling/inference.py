"""The only loop that runs a model without gradients."""

from collections.abc import Iterator
from typing import Any

import torch

from qakit.config import InferenceSettings
from qakit.modeling.batching import WindowBatch, batches_by_length, window_batch
from qakit.spans.windowing import EncodedPairs, Windows
from qakit.training.memory import explained_memory

_AUTOCAST = {"bf16": torch.bfloat16, "fp16": torch.float16}


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
    dtype = _AUTOCAST.get(settings.precision or "")
    was_training = model.training
    model.eval()
    try:
        for index in batches_by_length(pairs, windows, settings.batch_tokens):
            batch = window_batch(pairs, windows, index, pad_id)
            inputs = {name: tensor.to(device) for name, tensor in batch.inputs.items()}
            if choices:
                inputs = {name: tensor.unsqueeze(1) for name, tensor in inputs.items()}
            with (
                explained_memory(f"lower inference.batch_tokens ({settings.batch_tokens})"),
                torch.inference_mode(),
                torch.autocast(device.type, dtype, enabled=dtype is not None),
            ):
                output = model(**inputs)
            yield batch, output
    finally:
        model.train(was_training)
