"""The same answers however questions are batched, ordered and padded, and whatever windows overlap by."""

import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from qakit.config import DecodingSettings, InferenceSettings, ReadConfig, WindowSettings
from qakit.reader import Reader
from tests.modeling.tiny import qa_records, tiny_bert, tokenizer

MODEL = tiny_bert()
WINDOW = 96
RECORDS = qa_records(24, longest=140)  # every other one needs two windows
PAIRS = [(record.question, record.context) for record in RECORDS]
SHORT = [pair for pair in PAIRS if len(pair[0]) + len(pair[1]) + 3 <= WINDOW]  # a character is a token


class Padded(torch.nn.Module):
    """A model whose windows all have tokens of padding added."""

    def __init__(self, model, more):
        super().__init__()
        self.model, self.more, self.config = model, more, model.config

    def forward(self, input_ids, **others):
        pad = torch.nn.functional.pad
        others = {name: pad(tensor, (0, self.more)) for name, tensor in others.items()}
        return self.model(input_ids=pad(input_ids, (0, self.more), value=self.config.pad_token_id), **others)


def answers(pairs, *, batch_tokens=8192, padding=0, overlap=16):
    """Text, start and end of each best answer."""
    config = ReadConfig(
        windows=WindowSettings(max_length=WINDOW, overlap=overlap),
        decoding=DecodingSettings(max_answer_length=12),
        inference=InferenceSettings(batch_tokens=batch_tokens),
    )
    reader = Reader(Padded(MODEL, padding), tokenizer(), device="cpu", config=config)
    return [best[:3] for best, *_ in reader.batch(pairs)]


EXPECTED = dict(zip(PAIRS, answers(PAIRS), strict=True))


def test_some_questions_have_one_window_and_some_have_several():
    assert 5 < len(SHORT) < len(PAIRS) - 5
    assert len(EXPECTED) == len(PAIRS)


@settings(max_examples=25)
@given(
    pairs=st.permutations(PAIRS).flatmap(lambda order: st.integers(1, len(order)).map(lambda count: order[:count])),
    batch_tokens=st.integers(1, 4000),
    padding=st.integers(0, 200),
)
def test_order_company_batches_and_padding_change_no_answer(pairs, batch_tokens, padding):
    assert answers(pairs, batch_tokens=batch_tokens, padding=padding) == [EXPECTED[pair] for pair in pairs]


@settings(max_examples=10)
@given(overlap=st.integers(0, WINDOW - 1))
def test_overlap_changes_no_answer_from_a_text_of_one_window(overlap):
    assert answers(SHORT, overlap=overlap) == [EXPECTED[pair] for pair in SHORT]


def test_a_model_that_looks_at_padding_would_be_found():
    """The check can fail: without its attention mask the model's answers depend on the padding."""

    class Unmasked(Padded):
        def forward(self, input_ids, attention_mask, **others):
            return super().forward(input_ids, attention_mask=torch.ones_like(attention_mask), **others)

    config = ReadConfig(windows=WindowSettings(max_length=WINDOW), decoding=DecodingSettings(max_answer_length=12))
    reader = Reader(Unmasked(MODEL, 0), tokenizer(), device="cpu", config=config)
    assert [best[:3] for best, *_ in reader.batch(PAIRS)] != [EXPECTED[pair] for pair in PAIRS]
