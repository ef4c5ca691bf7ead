"""Recurrent encoders (LSTM, GRU) with heads for texts and tokens, and a linear-chain CRF, as transformers models.

`--model lstm` and `--model gru` are their model types. After `register`, which qakit's loading calls, transformers'
Auto classes save and load them as any other model.
"""

from dataclasses import dataclass
from functools import cache
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.utils.rnn import pack_padded_sequence, pad_packed_sequence
from transformers import (
    AutoConfig,
    AutoModelForSequenceClassification,
    AutoModelForTokenClassification,
    PreTrainedConfig,
    PreTrainedModel,
)
from transformers.modeling_outputs import BaseModelOutput, SequenceClassifierOutput, TokenClassifierOutput


class RecurrentConfig(PreTrainedConfig):  # type: ignore[misc]
    """Shape of a recurrent model.

    `word_dropout` is the share of tokens that training replaces with the unknown token, so that the model learns to
    cope with unknown words; `crf` adds a conditional random field to a tagger.
    """

    vocab_size: int = 1000
    embedding_size: int = 300
    hidden_size: int = 256
    num_hidden_layers: int = 2
    bidirectional: bool = True
    hidden_dropout_prob: float = 0.5
    word_dropout: float = 0.0
    initializer_range: float = 0.1
    crf: bool = False
    pad_token_id: int | None = 0
    unk_token_id: int = 1

    @property
    def output_size(self) -> int:
        """Features of a token after the last layer."""
        return self.hidden_size * (2 if self.bidirectional else 1)


class LstmConfig(RecurrentConfig):
    """Long short-term memory (Hochreiter and Schmidhuber, 1997)."""

    model_type = "lstm"


class GruConfig(RecurrentConfig):
    """Gated recurrent units (Cho et al., 2014)."""

    model_type = "gru"

    hidden_size: int = 512


class _PreTrained(PreTrainedModel):  # type: ignore[misc]
    config_class = RecurrentConfig
    base_model_prefix = "encoder"

    @torch.no_grad()
    def _init_weights(self, module: nn.Module) -> None:
        """Initialise a module as torch does, but embeddings smaller; transformers guards loaded weights."""
        if isinstance(module, nn.LSTM | nn.GRU | nn.Linear):
            module.reset_parameters()
        elif isinstance(module, nn.Embedding):
            # Smaller than torch's standard normal: what is learnt of a rare word must outweigh its random start.
            nn.init.normal_(module.weight, std=self.config.initializer_range)
            if module.padding_idx is not None:
                nn.init.zeros_(module.weight[module.padding_idx])
        elif isinstance(module, Transitions):
            for weight in module.parameters():
                nn.init.zeros_(weight)  # at first every sequence of classes is as likely as its logits say


class RecurrentModel(_PreTrained):
    """Stacked LSTM or GRU layers over embedded tokens."""

    def __init__(self, config: RecurrentConfig) -> None:
        super().__init__(config)
        cell = {"lstm": nn.LSTM, "gru": nn.GRU}[config.model_type]
        sizes = [config.embedding_size, *[config.output_size] * (config.num_hidden_layers - 1)]
        self.embeddings = nn.Embedding(config.vocab_size, config.embedding_size, padding_idx=config.pad_token_id)
        # One-layer modules in a list, not one module of several layers: tricks on single layers need a `ModuleList`.
        self.layers = nn.ModuleList(
            cell(size, config.hidden_size, batch_first=True, bidirectional=config.bidirectional) for size in sizes
        )
        self.dropout = nn.Dropout(config.hidden_dropout_prob)
        self.post_init()

    def get_input_embeddings(self) -> nn.Module:
        """The embedding of the tokens."""
        return self.embeddings

    def set_input_embeddings(self, value: nn.Embedding) -> None:
        """Replace the embedding of the tokens."""
        self.embeddings = value

    def forward(self, input_ids: Tensor, attention_mask: Tensor | None = None, **_: Any) -> BaseModelOutput:
        """Features of each token, shape (B, T, output size); 0 at padding, which changes no other token."""
        mask = torch.ones_like(input_ids) if attention_mask is None else attention_mask
        if self.training and self.config.word_dropout:
            dropped = torch.rand(input_ids.shape, device=input_ids.device) < self.config.word_dropout
            input_ids = input_ids.masked_fill(dropped & (mask > 0), self.config.unk_token_id)
        # On the CPU, as packing demands; at least 1, since packing refuses an empty row (an empty text).
        lengths = mask.sum(dim=1).clamp(min=1).cpu()
        hidden = self.embeddings(input_ids)
        for layer in self.layers:
            # Packed: the backward direction must start at the last token of each text, not in its padding.
            packed = pack_padded_sequence(self.dropout(hidden), lengths, batch_first=True, enforce_sorted=False)
            hidden, _ends = pad_packed_sequence(layer(packed)[0], batch_first=True, total_length=input_ids.shape[1])
        return BaseModelOutput(last_hidden_state=hidden)


class RecurrentForSequenceClassification(_PreTrained):
    """Class of a text, from the maximum of each feature over its tokens."""

    def __init__(self, config: RecurrentConfig) -> None:
        super().__init__(config)
        self.encoder = RecurrentModel(config)
        self.dropout = nn.Dropout(config.hidden_dropout_prob)
        self.classifier = nn.Linear(config.output_size, config.num_labels)
        self.post_init()

    def forward(self, input_ids: Tensor, attention_mask: Tensor | None = None, **_: Any) -> SequenceClassifierOutput:
        """Logits of the L classes, shape (B, L)."""
        hidden = self.encoder(input_ids, attention_mask).last_hidden_state
        if attention_mask is not None:
            # Padding is 0, which would beat negative features in the maximum.
            hidden = hidden.masked_fill(attention_mask[:, :, None] == 0, torch.finfo(hidden.dtype).min)
        return SequenceClassifierOutput(logits=self.classifier(self.dropout(hidden.amax(dim=1))))


class Transitions(nn.Module):
    """Transition weights of a linear-chain CRF (Lafferty et al., 2001), with those of starts and ends."""

    def __init__(self, labels: int) -> None:
        super().__init__()
        self.between = nn.Parameter(torch.zeros(labels, labels))
        self.start = nn.Parameter(torch.zeros(labels))
        self.end = nn.Parameter(torch.zeros(labels))

    def forward(self) -> Tensor:
        """One table, shape (L + 2, L): a row for each preceding class, then the starts, then the ends."""
        return torch.cat([self.between, self.start[None], self.end[None]])


def conditional_logits(scores: Tensor, labels: Tensor, mask: Tensor, transitions: Tensor) -> Tensor:
    """Logits whose softmax at position t is the CRF's probability of each class given the right class at t - 1.

    The cross-entropies over a sequence add up to its negative log-likelihood under the CRF. So a CRF goes through the
    same loss as every other task, with label smoothing and R-Drop.

    Args:
        scores: of the classes at each position, shape (B, T, L).
        labels: the right classes, shape (B, T).
        mask: true at the positions of each sequence, false in the padding behind it, shape (B, T).
        transitions: as `Transitions` returns them, shape (L + 2, L).

    Returns:
        Shape (B, T, L); undefined at padding.
    """
    between, start, end = transitions[:-2], transitions[-2], transitions[-1]
    # P(y_t | y_t-1, x) is proportional to exp(score_t + transition + after_t), where after_t (B, L) is the log of the
    # summed weights of all sequences that may follow each class at t: the backward algorithm, from right to left.
    after = [end.expand_as(scores[:, 0])]
    for position in range(scores.shape[1] - 2, -1, -1):
        # (L, L) + (B, 1, L) -> (B, L, L), summed over the next class -> (B, L)
        coming = torch.logsumexp(between + (scores[:, position + 1] + after[-1])[:, None], dim=2)
        # Where the next position is padding the sequence ends here, whatever the padding's scores are.
        after.append(torch.where(mask[:, position + 1, None], coming, end))
    # (B, T, L): the transition from the right class before each position; starts at position 0.
    before = torch.cat([start.expand_as(scores[:, :1]), between[labels[:, :-1]]], dim=1)
    return scores + before + torch.stack(after[::-1], dim=1)


@dataclass
class TaggerOutput(TokenClassifierOutput):  # type: ignore[misc]
    """Logits, shape (B, T, L), and the weights of the CRF, shape (L + 2, L), if the model has one."""

    transitions: Tensor | None = None


class RecurrentForTokenClassification(_PreTrained):
    """Class of each token, with an optional CRF."""

    def __init__(self, config: RecurrentConfig) -> None:
        super().__init__(config)
        self.encoder = RecurrentModel(config)
        self.dropout = nn.Dropout(config.hidden_dropout_prob)
        self.classifier = nn.Linear(config.output_size, config.num_labels)
        self.transitions = Transitions(config.num_labels) if config.crf else None
        self.post_init()

    def forward(self, input_ids: Tensor, attention_mask: Tensor | None = None, **_: Any) -> TaggerOutput:
        """Logits of each token, and the transition weights of the CRF."""
        hidden = self.encoder(input_ids, attention_mask).last_hidden_state
        transitions = None if self.transitions is None else self.transitions()
        return TaggerOutput(logits=self.classifier(self.dropout(hidden)), transitions=transitions)


# Classes by model type: transformers stores the class name in a config and finds the config by the class.
class LstmForSequenceClassification(RecurrentForSequenceClassification):
    """With LSTM layers."""

    config_class = LstmConfig


class GruForSequenceClassification(RecurrentForSequenceClassification):
    """With GRU layers."""

    config_class = GruConfig


class LstmForTokenClassification(RecurrentForTokenClassification):
    """With LSTM layers."""

    config_class = LstmConfig


class GruForTokenClassification(RecurrentForTokenClassification):
    """With GRU layers."""

    config_class = GruConfig


@cache
def register() -> None:
    """Register `lstm` and `gru` with transformers' Auto classes; only the first call does anything."""
    for config, of_texts, of_tokens in (
        (LstmConfig, LstmForSequenceClassification, LstmForTokenClassification),
        (GruConfig, GruForSequenceClassification, GruForTokenClassification),
    ):
        AutoConfig.register(config.model_type, config)
        AutoModelForSequenceClassification.register(config, of_texts)
        AutoModelForTokenClassification.register(config, of_tokens)
