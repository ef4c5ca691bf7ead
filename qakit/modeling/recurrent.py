"""Recurrent encoders, LSTM and GRU, as transformers models: what encoders of words were before attention.

They are saved and loaded as any other model once `register` was called, which qakit's loading does; `--model lstm` and
`--model gru` are their model types. Their layers are one-layer modules of torch in a list, so that tricks which tell
layers apart find them.
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
    """The shape of a recurrent model.

    `word_dropout` is the share of tokens that are read as unknown in training, so that unknown words come as no
    surprise later; `crf` lets a tagger weigh which tag follows which.
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
        """Features of a token behind the last layer."""
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
        """As torch draws them, but embeddings smaller: what is learnt of a word is to outweigh its draw.

        Weights that were loaded are guarded by transformers.
        """
        if isinstance(module, nn.LSTM | nn.GRU | nn.Linear):
            module.reset_parameters()
        elif isinstance(module, nn.Embedding):
            nn.init.normal_(module.weight, std=self.config.initializer_range)
            if module.padding_idx is not None:
                nn.init.zeros_(module.weight[module.padding_idx])
        elif isinstance(module, Transitions):
            for weight in module.parameters():
                nn.init.zeros_(weight)


class RecurrentModel(_PreTrained):
    """Embedded tokens through the layers of an LSTM or a GRU."""

    def __init__(self, config: RecurrentConfig) -> None:
        super().__init__(config)
        cell = {"lstm": nn.LSTM, "gru": nn.GRU}[config.model_type]
        sizes = [config.embedding_size, *[config.output_size] * (config.num_hidden_layers - 1)]
        self.embeddings = nn.Embedding(config.vocab_size, config.embedding_size, padding_idx=config.pad_token_id)
        self.layers = nn.ModuleList(
            cell(size, config.hidden_size, batch_first=True, bidirectional=config.bidirectional) for size in sizes
        )
        self.dropout = nn.Dropout(config.hidden_dropout_prob)
        self.post_init()

    def get_input_embeddings(self) -> nn.Module:
        """The module that embeds tokens."""
        return self.embeddings

    def set_input_embeddings(self, value: nn.Embedding) -> None:
        """Put another in its place."""
        self.embeddings = value

    def forward(self, input_ids: Tensor, attention_mask: Tensor | None = None, **_: Any) -> BaseModelOutput:
        """The features of each token, shape (B, T, output size); those of padding are 0 and change nothing."""
        mask = torch.ones_like(input_ids) if attention_mask is None else attention_mask
        if self.training and self.config.word_dropout:
            dropped = torch.rand(input_ids.shape, device=input_ids.device) < self.config.word_dropout
            input_ids = input_ids.masked_fill(dropped & (mask > 0), self.config.unk_token_id)
        lengths = mask.sum(dim=1).clamp(min=1).cpu()
        hidden = self.embeddings(input_ids)
        for layer in self.layers:
            packed = pack_padded_sequence(self.dropout(hidden), lengths, batch_first=True, enforce_sorted=False)
            hidden, _ends = pad_packed_sequence(layer(packed)[0], batch_first=True, total_length=input_ids.shape[1])
        return BaseModelOutput(last_hidden_state=hidden)


class RecurrentForSequenceClassification(_PreTrained):
    """The class of a text, from the highest value that each feature has in it."""

    def __init__(self, config: RecurrentConfig) -> None:
        super().__init__(config)
        self.encoder = RecurrentModel(config)
        self.dropout = nn.Dropout(config.hidden_dropout_prob)
        self.classifier = nn.Linear(config.output_size, config.num_labels)
        self.post_init()

    def forward(self, input_ids: Tensor, attention_mask: Tensor | None = None, **_: Any) -> SequenceClassifierOutput:
        """Logits, shape (B, L)."""
        hidden = self.encoder(input_ids, attention_mask).last_hidden_state
        if attention_mask is not None:
            hidden = hidden.masked_fill(attention_mask[:, :, None] == 0, torch.finfo(hidden.dtype).min)
        return SequenceClassifierOutput(logits=self.classifier(self.dropout(hidden.amax(dim=1))))


class Transitions(nn.Module):
    """What a conditional random field adds for each two neighbouring classes, and for the first and the last one."""

    def __init__(self, labels: int) -> None:
        super().__init__()
        self.between = nn.Parameter(torch.zeros(labels, labels))
        self.start = nn.Parameter(torch.zeros(labels))
        self.end = nn.Parameter(torch.zeros(labels))

    def forward(self) -> Tensor:
        """All in one: a row for each class before, then the starts and the ends, shape (L + 2, L)."""
        return torch.cat([self.between, self.start[None], self.end[None]])


@dataclass
class TaggerOutput(TokenClassifierOutput):  # type: ignore[misc]
    """Logits, shape (B, T, L), and where the model has them the weights of a CRF, as `Transitions` gives them."""

    transitions: Tensor | None = None


class RecurrentForTokenClassification(_PreTrained):
    """The class of each token."""

    def __init__(self, config: RecurrentConfig) -> None:
        super().__init__(config)
        self.encoder = RecurrentModel(config)
        self.dropout = nn.Dropout(config.hidden_dropout_prob)
        self.classifier = nn.Linear(config.output_size, config.num_labels)
        self.transitions = Transitions(config.num_labels) if config.crf else None
        self.post_init()

    def forward(self, input_ids: Tensor, attention_mask: Tensor | None = None, **_: Any) -> TaggerOutput:
        """Logits of each token, and the weights of the CRF."""
        hidden = self.encoder(input_ids, attention_mask).last_hidden_state
        transitions = None if self.transitions is None else self.transitions()
        return TaggerOutput(logits=self.classifier(self.dropout(hidden)), transitions=transitions)


class LstmForSequenceClassification(RecurrentForSequenceClassification):
    """With the layers of an LSTM."""

    config_class = LstmConfig


class GruForSequenceClassification(RecurrentForSequenceClassification):
    """With the layers of a GRU."""

    config_class = GruConfig


class LstmForTokenClassification(RecurrentForTokenClassification):
    """With the layers of an LSTM."""

    config_class = LstmConfig


class GruForTokenClassification(RecurrentForTokenClassification):
    """With the layers of a GRU."""

    config_class = GruConfig


@cache
def register() -> None:
    """Make `lstm` and `gru` known to transformers' Auto classes."""
    for config, of_texts, of_tokens in (
        (LstmConfig, LstmForSequenceClassification, LstmForTokenClassification),
        (GruConfig, GruForSequenceClassification, GruForTokenClassification),
    ):
        AutoConfig.register(config.model_type, config)
        AutoModelForSequenceClassification.register(config, of_texts)
        AutoModelForTokenClassification.register(config, of_tokens)


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
