"""A tokenizer made from texts: both scripts share their ids, and offsets are those of the text as it was given."""

import re
import subprocess
import sys
from functools import cache
from pathlib import Path
from typing import Any

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from tokenizers import Tokenizer

from qakit.data.character_tokenizer import SPECIAL_TOKENS, build_tokenizer, write_tokenizer
from qakit.data.schemas import read_dataset
from qakit.errors import ConfigError
from qakit.modeling.loading import load_tokenizer

SAMPLE = Path(__file__).resolve().parents[2] / "data" / "hw7" / "hw7_train.json"
PIECES = (
    *"的臺灣台湾國国薴苎𠮷葛㐹㑶",
    *"a9Ｚé１９①½²₂ßİŉﬁĳ㈱㍿㎏℃Ⅷ…ﷺ〇",
    *"がガ한하🙂，。「",
    *" \t\n\u3000\u200b\x00\ufe0f",
    *("ｶﾞ", "e\u0301", "\u0301", "\u3099", "[SEP]", "##a", "1990", "Station"),
)
TEXTS = st.one_of(st.lists(st.sampled_from(PIECES), max_size=12).map("".join), st.text(max_size=20))


@cache
def sample_texts() -> tuple[str, ...]:
    return tuple(dict.fromkeys(record.context for record in read_dataset([SAMPLE]).records))


@cache
def made() -> Tokenizer:
    return build_tokenizer([*sample_texts(), "がガ한하①½ﬁ㈱Ⅷ…〇"])


def tokens_of(tokenizer: Tokenizer) -> list[str]:
    """The vocabulary in the order of the ids."""
    vocabulary = tokenizer.get_vocab()
    tokens = sorted(vocabulary, key=vocabulary.__getitem__)
    assert [vocabulary[token] for token in tokens] == list(range(len(tokens)))
    return tokens


def ids(text: str) -> list[int]:
    return made().encode(text, add_special_tokens=False).ids


def normalized(text: str) -> str:
    return made().normalizer.normalize_str(text)


def config_error(*texts: str, size: int = 8000) -> str:
    with pytest.raises(ConfigError) as caught:
        build_tokenizer(texts, size=size)
    return str(caught.value)


@pytest.mark.parametrize(
    ("traditional", "simplified"),
    [
        ("臺灣大學", "台湾大学"),
        ("後來發現裡裏", "后来发现里里"),
        ("薴", "苧"),
        ("薴", "苎"),
        ("ＡＢＣ１２", "abc12"),
        ("②", "2"),
    ],
)
def test_two_forms_of_a_text_have_the_same_ids(traditional: str, simplified: str):
    assert ids(traditional) == ids(simplified)
    assert made().token_to_id("[UNK]") not in ids(traditional)


def test_every_traditional_character_has_the_ids_of_its_simplified_form():
    from opencc import OpenCC

    convert = OpenCC("t2s").convert
    pairs = [
        (character, convert(character)) for character in map(chr, (*range(0x3400, 0x4DC0), *range(0x4E00, 0xA000)))
    ]
    changed = [(old, new) for old, new in pairs if old != new]
    assert len(changed) > 3000
    assert [old for old, new in changed if normalized(old).split() != normalized(new).split()] == []


def test_a_traditional_text_has_the_offsets_of_its_own_characters():
    encoding = made().encode("臺灣㈱①１２℃", add_special_tokens=False)
    assert encoding.tokens == ["台", "湾", "(", "株", ")", "1", "##1", "##2", "##°", "##c"]
    places = [(0, 1), (1, 2), (2, 3), (2, 3), (2, 3), (3, 4), (4, 5), (5, 6), (6, 7), (6, 7)]
    assert encoding.offsets == places


@settings(max_examples=400)
@given(text=TEXTS)
@example(text="ﬁ\u0301")
@example(text="\u1112\u1161")
def test_each_token_comes_from_the_characters_that_its_offsets_tell(text: str):
    encoding = made().encode(text, add_special_tokens=False)
    for token, (start, end) in zip(encoding.tokens, encoding.offsets, strict=True):
        assert 0 <= start < end <= len(text)
        if token not in SPECIAL_TOKENS:
            assert token.removeprefix("##") in normalized(text[start:end])
    assert [start for start, _ in encoding.offsets] == sorted(start for start, _ in encoding.offsets)


@settings(max_examples=400)
@given(text=TEXTS)
@example(text="\u1112\u1161")
def test_the_offsets_cover_every_character_that_normalisation_keeps(text: str):
    covered = {place for start, end in made().encode(text).offsets for place in range(start, end)}
    assert [place for place, raw in enumerate(text) if normalized(raw).split() and place not in covered] == []


@settings(max_examples=100)
@given(text=TEXTS)
def test_a_text_and_what_normalisation_makes_of_it_have_the_same_ids(text: str):
    if not any(token in text for token in SPECIAL_TOKENS):
        assert ids(normalized(text)) == ids(text)


def test_no_character_of_the_texts_is_unknown():
    unknown = made().token_to_id("[UNK]")
    assert all(unknown not in encoding.ids for encoding in made().encode_batch(list(sample_texts())))


def test_tokens_are_single_characters_after_the_special_tokens():
    tokens = tokens_of(made())
    assert tuple(tokens[:5]) == SPECIAL_TOKENS
    assert {len(token.removeprefix("##")) for token in tokens[5:] if token != "##"} == {1}


def test_the_texts_come_by_frequency_then_by_code_point_and_gb2312_after_them():
    tokens = tokens_of(build_tokenizer(["乙乙丙", "戊丁 鄕龘\n鄕", "國国鄕國 ☃"]))
    first = tokens.index("国")
    assert tokens[first : first + 10] == ["国", "鄕", "乙", "☃", "##☃", "丁", "丙", "戊", "龘", "啊"]
    assert tokens[-1] == "齄"
    assert "國" not in tokens


def test_gb2312_is_known_though_no_text_shows_it():
    from opencc import OpenCC

    convert = OpenCC("t2s").convert
    codes = [bytes([0xA0 + row, 0xA0 + cell]) for row in range(16, 88) for cell in range(1, 95)]
    characters = [character for code in codes if (character := code.decode("gb2312", errors="ignore"))]
    assert len(characters) == 6763
    tokens = set(tokens_of(build_tokenizer(["一"])))
    assert [character for character in characters if convert(character) not in tokens] == []


def test_only_a_character_that_can_stand_inside_a_word_has_a_continuing_form():
    tokens = set(tokens_of(made()))
    assert {"##a", "##9", "か", "##か", "##カ", "##°", "##〇"} <= tokens
    assert not {"##国", "##一", "##。", "##,", "##「"} & tokens


def test_the_size_is_an_upper_limit_and_cuts_from_the_end():
    whole = tokens_of(made())
    assert 6800 < len(whole) < 8000
    limited = build_tokenizer([*sample_texts(), "がガ한하①½ﬁ㈱Ⅷ…〇"], size=700)
    assert tokens_of(limited) == whole[:700]


def test_the_same_texts_make_the_same_tokenizer_in_any_order():
    texts = sample_texts()
    assert build_tokenizer(reversed(texts)).to_str() == build_tokenizer(texts).to_str()


def test_a_pair_has_berts_frame():
    encoding = made().encode("何處", "臺北")
    assert encoding.tokens == ["[CLS]", "何", "处", "[SEP]", "台", "北", "[SEP]"]
    assert encoding.type_ids == [0, 0, 0, 0, 1, 1, 1]


def test_tokens_decode_to_normalised_text():
    assert made().decode(ids("ＡＢＣ 臺 x1")) == "abc 台 x1"


def config_of_roformer(folder: Path) -> None:
    from transformers import RoFormerConfig

    RoFormerConfig(vocab_size=10).save_pretrained(folder)


@pytest.mark.parametrize("with_config", [False, True])
def test_a_written_folder_loads_and_saving_it_again_changes_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, with_config: bool
):
    monkeypatch.setitem(sys.modules, "rjieba", None)  # what transformers' own RoFormer tokenizer needs
    folders = [tmp_path / "first", tmp_path / "second"]
    files = write_tokenizer(made(), folders[0])
    assert sorted(files) == sorted(folders[0].iterdir())
    pair = ("臺灣的Ａ１②是？", "國立臺灣大學㈱ Station 1990…")
    own = made().encode(*pair)
    for number, folder in enumerate(folders):
        if with_config:
            config_of_roformer(folder)
        loaded: Any = load_tokenizer(folder)
        assert loaded.is_fast
        encoding = loaded(*pair, return_offsets_mapping=True)
        assert encoding["input_ids"] == own.ids
        assert encoding["token_type_ids"] == own.type_ids
        assert encoding["offset_mapping"] == own.offsets
        assert loaded.get_vocab() == made().get_vocab()
        special = (loaded.pad_token, loaded.unk_token, loaded.cls_token, loaded.sep_token, loaded.mask_token)
        assert special == SPECIAL_TOKENS
        assert loaded.model_max_length == 512
        if number == 0:
            loaded.save_pretrained(folders[1])


@pytest.mark.parametrize("texts", [[], ["", " \n\u3000\x00"]])
def test_texts_without_characters_are_refused(texts: list[str]):
    assert "these texts have none" in config_error(*texts)


def test_a_size_too_small_for_the_basic_tokens_is_refused():
    message = config_error("一", size=50)
    (least,) = map(int, re.findall("size 50 is too small: expected at least ([0-9]+)", message))
    assert build_tokenizer(["一"], size=least).get_vocab_size() == least
    config_error("一", size=least - 1)


@pytest.mark.parametrize("package", ["opencc", "sentencepiece"])
def test_a_missing_package_is_named_with_what_to_install(monkeypatch: pytest.MonkeyPatch, package: str):
    monkeypatch.setitem(sys.modules, package, None)
    message = config_error("一")
    assert package in message
    assert "pip install 'qakit[text]'" in message


def test_making_a_tokenizer_loads_neither_torch_nor_transformers_and_prints_nothing():
    code = (
        "import sys; from qakit.data.character_tokenizer import build_tokenizer; build_tokenizer(['一']);"
        "sys.exit(', '.join({'torch', 'transformers', 'accelerate'} & sys.modules.keys()))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert (done.stdout, done.stderr.strip()) == ("", "")
