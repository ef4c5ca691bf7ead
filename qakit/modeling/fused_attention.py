"""Torch's fused attention for RoFormer, whose own in transformers writes out every score of every head.

Only where nothing is learned: dropout and the gradients of training stay those of the model's own code.
"""

from typing import Any

from torch import Tensor, nn
from transformers.models.roformer.modeling_roformer import RoFormerSelfAttention


class FusedSelfAttention(RoFormerSelfAttention):  # type: ignore[misc]
    """Equal to its base up to rounding, and taking its place where it can."""

    def forward(
        self,
        hidden_states: Tensor,
        attention_mask: Tensor | None = None,
        sinusoidal_pos: Tensor | None = None,
        **others: Any,
    ) -> tuple[Tensor, Tensor | None]:
        """The attended states, shape (B, T, hidden); the probabilities only where they are asked for."""
        narrow = hidden_states.device.type == "cpu" and self.query.weight.dtype.itemsize == 2
        # A CPU's fused attention of 16 bits is no faster than that of 32, and slower than plain products of 16.
        if self.training or narrow or sinusoidal_pos is None or any(others.values()):
            found: tuple[Tensor, Tensor | None] = super().forward(
                hidden_states, attention_mask, sinusoidal_pos, **others
            )
            return found
        by_head = (*hidden_states.shape[:-1], -1, self.attention_head_size)
        query, key, value = (
            project(hidden_states).view(by_head).transpose(1, 2) for project in (self.query, self.key, self.value)
        )
        turned = (query, key, value) if self.rotary_value else (query, key)
        query, key, *rest = self.apply_rotary_position_embeddings(sinusoidal_pos.to(query.dtype), *turned)
        value = rest[0] if rest else value
        mask = None if attention_mask is None else attention_mask.to(query.dtype)
        attended = nn.functional.scaled_dot_product_attention(query, key, value, attn_mask=mask)
        return attended.transpose(1, 2).flatten(2), None


def fuse_attention(model: nn.Module) -> None:
    """Let the RoFormer layers of a model that was loaded to answer use it."""
    for module in model.modules():
        if type(module) is RoFormerSelfAttention:
            module.__class__ = FusedSelfAttention
