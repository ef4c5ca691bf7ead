"""What windows of a size hold and cost is as counted by hand, and as counted one size at a time."""

from pathlib import Path

import pytest

from qakit.config import WindowSettings
from qakit.data.records import Answer, Paragraph, Record
from qakit.data.schemas import read_dataset
from qakit.modeling.loading import load_tokenizer
from qakit.spans.window_coverage import Reach, measure_reach
from qakit.spans.windowing import answer_spans, covering_windows, encode_pairs, gather_windows, held_whole, refit

CONTEXT = Paragraph("0", "山河湖海風雲林石田山河湖海風雲林石田山河")  # 20 characters, each a token


def record(name: str, start: int, text: str) -> Record:
    return Record(name, "山河湖海風", (CONTEXT,), 0, (Answer(text, start),))


def test_by_hand(sample_data: Path):
    tokenizer = load_tokenizer(sample_data / "tokenizer")
    records = [record("1", 7, "石田"), record("2", 3, "海"), record("3", 0, "山河湖海風雲林石田")]
    found = measure_reach(tokenizer, records, [16, 32], [0, 4, 16])
    assert found == (
        Reach(16, 0, 3.0, 44.0, 33.33, 66.67),  # windows from 0, 8, 16: 20 tokens, and 3 times 5 and 3
        Reach(16, 4, 4.0, 64.0, 66.67, 66.67),  # from 0, 4, 8, 12: 4 times 16
        Reach(32, 0, 1.0, 28.0, 100.0, 100.0),
        Reach(32, 4, 1.0, 28.0, 100.0, 100.0),
        Reach(32, 16, 1.0, 28.0, 100.0, 100.0),
    )


def test_without_answers_or_without_questions(sample_data: Path):
    tokenizer = load_tokenizer(sample_data / "tokenizer")
    unknown = Record("1", "何？", (CONTEXT, Paragraph("1", "乙")))
    assert measure_reach(tokenizer, [unknown], [32], [0]) == ()
    (found,) = measure_reach(tokenizer, [unknown, Record("2", "山河湖海風", (CONTEXT,), 0)], [32], [0])
    assert found == Reach(32, 0, 1.0, 28.0, None, None)


def test_the_sample_data_one_size_at_a_time(sample_data: Path):
    tokenizer = load_tokenizer(sample_data / "tokenizer")
    records = read_dataset([sample_data / "source.json"]).records[:60]
    sizes = [(length, overlap) for length in (32, 64, 128) for overlap in (0, 16)]
    found = measure_reach(tokenizer, records, [32, 64, 128], [0, 16])
    assert [(reach.max_length, reach.overlap) for reach in found] == sizes
    texts = [(item.question, item.context) for item in records]
    first = encode_pairs(tokenizer, texts, WindowSettings(max_length=512))
    for reach, (length, overlap) in zip(found, sizes, strict=True):
        settings = WindowSettings(max_length=length, overlap=overlap)
        pairs = encode_pairs(tokenizer, texts, settings)
        windows = covering_windows(pairs)
        assert (covering_windows(refit(first, settings)).rows == windows.rows).all()
        gathered = gather_windows(pairs, windows, range(len(windows)), 0)
        held = held_whole(windows, answer_spans(pairs, range(len(pairs)), records))
        assert reach.tokens == pytest.approx(gathered.attention_mask.sum() / len(records), abs=0.051)
        assert reach.held == pytest.approx(100 * held.mean(), abs=0.0051)
        assert reach.windows == pytest.approx(len(windows) / len(records), abs=0.0051)
