"""Shapes of well-known encoders, so that a dry run can build one with random weights where no hub can be reached.

The figures are those of the checkpoints' published `config.json`.
"""

from typing import Any

_BASE = {"hidden_size": 768, "num_hidden_layers": 12, "num_attention_heads": 12, "intermediate_size": 3072}
_LARGE = {"hidden_size": 1024, "num_hidden_layers": 24, "num_attention_heads": 16, "intermediate_size": 4096}

# BERT's architecture and the 21,128 WordPieces of bert-base-chinese, whatever the name says (RoBERTa, MacBERT, ...).
_CHINESE_BERT = {"model_type": "bert", "vocab_size": 21128, "max_position_embeddings": 512, "type_vocab_size": 2}
_CHINESE_BASE = {**_CHINESE_BERT, **_BASE}
_CHINESE_LARGE = {**_CHINESE_BERT, **_LARGE}
_CHINESE_ELECTRA = {**_CHINESE_BASE, "model_type": "electra", "embedding_size": 768}
_MULTILINGUAL_BERT = {**_CHINESE_BASE, "vocab_size": 119547}
_ENGLISH_BERT = {"model_type": "bert", "vocab_size": 30522, "max_position_embeddings": 512, "type_vocab_size": 2}
_MINILM_L6 = {"hidden_size": 384, "num_hidden_layers": 6, "num_attention_heads": 12, "intermediate_size": 1536}
_XLM_ROBERTA = {
    "model_type": "xlm-roberta",
    "vocab_size": 250002,
    "max_position_embeddings": 514,  # two of them stand before the first token
    "type_vocab_size": 1,
    "pad_token_id": 1,
    "bos_token_id": 0,
    "eos_token_id": 2,
    "layer_norm_eps": 1e-5,
}

_SHAPES: dict[str, dict[str, Any]] = {
    "bert-base-chinese": _CHINESE_BASE,
    "google-bert/bert-base-chinese": _CHINESE_BASE,
    "hfl/chinese-bert-wwm-ext": _CHINESE_BASE,
    "hfl/chinese-roberta-wwm-ext": _CHINESE_BASE,
    "hfl/chinese-roberta-wwm-ext-large": _CHINESE_LARGE,
    "hfl/chinese-macbert-base": _CHINESE_BASE,
    "hfl/chinese-macbert-large": _CHINESE_LARGE,
    "hfl/chinese-lert-base": _CHINESE_BASE,
    "hfl/chinese-lert-large": _CHINESE_LARGE,
    "hfl/chinese-pert-base": _CHINESE_BASE,
    "hfl/chinese-pert-large": _CHINESE_LARGE,
    "hfl/chinese-pert-base-mrc": _CHINESE_BASE,
    "hfl/chinese-pert-large-mrc": _CHINESE_LARGE,
    "hfl/chinese-electra-180g-base-discriminator": _CHINESE_ELECTRA,
    "luhua/chinese_pretrain_mrc_macbert_large": _CHINESE_LARGE,
    "luhua/chinese_pretrain_mrc_roberta_wwm_ext_large": _CHINESE_LARGE,
    "NchuNLP/Chinese-Question-Answering": _CHINESE_BASE,
    "bert-base-uncased": {**_ENGLISH_BERT, **_BASE},
    "google-bert/bert-base-uncased": {**_ENGLISH_BERT, **_BASE},
    "sentence-transformers/all-MiniLM-L6-v2": {**_ENGLISH_BERT, **_MINILM_L6},
    "bert-base-multilingual-cased": _MULTILINGUAL_BERT,
    "google-bert/bert-base-multilingual-cased": _MULTILINGUAL_BERT,
    "FacebookAI/xlm-roberta-base": {**_XLM_ROBERTA, **_BASE},
    "FacebookAI/xlm-roberta-large": {**_XLM_ROBERTA, **_LARGE},
}

KNOWN = tuple(_SHAPES)
"""The hub names that `known_config` knows."""


def known_config(name: str) -> Any:
    """The transformers config of a checkpoint by its hub name; None for one that is not known here."""
    shape = _SHAPES.get(name)
    if shape is None:
        return None
    from transformers import AutoConfig

    return AutoConfig.for_model(**shape)
