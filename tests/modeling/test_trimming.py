"""A trimmed vocabulary gives the tokens, and its model the logits, that the whole one gave."""

import copy
import json

import pytest
import torch
import transformers
from hypothesis import given
from hypothesis import strategies as st
from tokenizers import Tokenizer, decoders, models, normalizers, pre_tokenizers, processors, trainers
from transformers import AutoTokenizer, PreTrainedTokenizerFast

from qakit.errors import ConfigError
from qakit.modeling.trimming import is_chinese, trim_vocabulary
from tests.modeling.tiny import SIZES

ENGLISH = [
    "The Wealth of Nations was written by Adam Smith in 1776.",
    "Who wrote the book about the wealth of nations?",
    "A later translation of this book appeared in 1902, in Shanghai.",
]
CHINESE = [
    "《國富論》是亞當斯密寫的，一七七六年出版。",
    "国富论是亚当斯密写的，出版于一七七六年。",
    "學校位於臺北市，學校的圖書館在山上。學校有河，河有城。",
    "学校位于台北市，学校的图书馆在山上。",
]
OTHERS = ["Библиотека находится в городе.", "도서관은 산 위에 있다.", "その図書館は山の上にあります。"]
SPECIAL = ["<s>", "<pad>", "</s>", "<unk>"]
KINDS = ("unigram", "wordpiece", "bpe")


def unigram():
    """XLM-R's: spaces as ▁, compatibility forms made plain, a mask behind the vocabulary."""
    made = Tokenizer(models.Unigram())
    made.normalizer = normalizers.NFKC()
    made.pre_tokenizer, made.decoder = pre_tokenizers.Metaspace(), decoders.Metaspace()
    trainer = trainers.UnigramTrainer(vocab_size=600, special_tokens=SPECIAL, unk_token="<unk>", show_progress=False)
    return made, trainer, SPECIAL


def wordpiece():
    """BERT's."""
    made = Tokenizer(models.WordPiece(unk_token="[UNK]"))
    made.normalizer, made.pre_tokenizer = normalizers.BertNormalizer(), pre_tokenizers.BertPreTokenizer()
    special = ["[CLS]", "[PAD]", "[SEP]", "[UNK]"]
    return made, trainers.WordPieceTrainer(vocab_size=900, special_tokens=special, show_progress=False), special


def bpe():
    """RoBERTa's."""
    made = Tokenizer(models.BPE())
    made.pre_tokenizer, made.decoder = pre_tokenizers.ByteLevel(add_prefix_space=False), decoders.ByteLevel()
    alphabet = pre_tokenizers.ByteLevel.alphabet()
    trainer = trainers.BpeTrainer(
        vocab_size=900, special_tokens=SPECIAL, initial_alphabet=alphabet, show_progress=False
    )
    return made, trainer, SPECIAL


def whole_tokenizer(kind):
    """A tokenizer of many languages; repeated texts make long pieces, also of Chinese."""
    made, trainer, (start, pad, end, unknown) = globals()[kind]()
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("TOKENIZERS_PARALLELISM", "false")  # threads add up in another order, and make other pieces
        made.train_from_iterator((ENGLISH + CHINESE + OTHERS) * 20, trainer)
    ids = [(token, made.token_to_id(token)) for token in (start, end)]
    if kind == "wordpiece":
        made.post_processor = processors.BertProcessing(ids[1], ids[0])
    else:
        pair = f"{start} $A {end} {end} $B {end}"
        made.post_processor = processors.TemplateProcessing(single=f"{start} $A {end}", pair=pair, special_tokens=ids)
    return PreTrainedTokenizerFast(
        tokenizer_object=made, bos_token=start, cls_token=start, pad_token=pad, eos_token=end, sep_token=end,
        unk_token=unknown, mask_token="<mask>", model_max_length=512,
    )  # fmt: skip


def whole_model(tokenizer, family="bert"):
    """Random weights, with rows to spare as many published models have."""
    torch.manual_seed(0)
    config = transformers.AutoConfig.for_model(
        family, **SIZES, vocab_size=len(tokenizer) + 7, pad_token_id=tokenizer.pad_token_id, initializer_range=0.3
    )
    return transformers.AutoModelForQuestionAnswering.from_config(config).eval()


@pytest.fixture(scope="module", params=KINDS)
def pair(request):
    tokenizer = whole_tokenizer(request.param)
    return request.param, tokenizer, whole_model(tokenizer, "bert" if request.param == "wordpiece" else "roberta")


def trimmed(pair, texts, **options):
    model = copy.deepcopy(pair[2])
    return model, *trim_vocabulary(model, pair[1], texts, **options)


def read(model, tokenizer, text):
    """The tokens with their places, and the logits."""
    encoding = tokenizer(text, return_offsets_mapping=True, return_tensors="pt")
    tokens = tokenizer.convert_ids_to_tokens(encoding["input_ids"][0].tolist())
    inputs = {name: encoding[name] for name in ("input_ids", "attention_mask")}
    with torch.no_grad():
        return tokens, encoding["offset_mapping"].tolist(), model(**inputs).to_tuple()


def assert_same(one, other):
    assert one[:2] == other[:2]
    assert all(torch.equal(first, second) for first, second in zip(one[2], other[2], strict=True))


def pieces_of(tokenizer):
    return {*tokenizer.get_vocab()}


def test_texts_are_read_to_the_bit_as_before(pair):
    model, tokenizer, report = trimmed(pair, ENGLISH + CHINESE)
    assert report.pieces_after == len(tokenizer) < report.pieces_before
    for text in ENGLISH + CHINESE:
        assert_same(read(model, tokenizer, text), read(pair[2], pair[1], text))


@given(st.data())
def test_so_is_any_text_whose_pieces_stay(pair, data):
    parts = st.sampled_from([word for text in ENGLISH + CHINESE for word in (*text.split(), *text, " ")])
    text = "".join(data.draw(st.lists(parts, min_size=1, max_size=30)))
    model, tokenizer, _ = SOME.setdefault(pair[0], trimmed(pair, ENGLISH[:1] + CHINESE[:2]))
    before = read(pair[2], pair[1], text)
    if {*before[0]} <= pieces_of(tokenizer):
        assert_same(read(model, tokenizer, text), before)


SOME = {}


def test_scripts_stay_and_other_languages_go(pair):
    _, tokenizer, _ = trimmed(pair, ENGLISH)
    known = {piece.removeprefix("##") for piece in pieces_of(tokenizer)}
    if pair[0] != "bpe":
        assert {character for text in CHINESE for character in text if is_chinese(character)} <= known
    assert not any("\u0400" <= letter < "\u0500" for piece in known for letter in piece)
    assert tokenizer.tokenize("Zaqx") and tokenizer.unk_token not in tokenizer.tokenize("tale")


def test_characters_are_tokens(pair):
    kind, whole, _ = pair
    text = "學校位於臺北市，一七七六年，1902。"
    _, tokenizer, _ = trimmed(pair, ENGLISH + CHINESE, characters=True)
    places = tokenizer(text, return_offsets_mapping=True, add_special_tokens=False)["offset_mapping"]
    assert {(at, at + 1) for at in range(len(text))} <= {*places}
    joined = whole(text, return_offsets_mapping=True, add_special_tokens=False)["offset_mapping"]
    assert kind == "wordpiece" or any(end - start > 1 for start, end in joined)


def test_a_missing_character_takes_the_row_of_its_other_script(pair):
    kind, whole, _ = pair
    pytest.importorskip("opencc")
    # 論 and 论 have pieces; 鰉 and 鳇 have none, and neither has 𠮷.
    model, tokenizer, report = trimmed(pair, [*CHINESE, "讀書", "鰉𠮷"])
    if kind == "bpe":
        assert report.added == () and {"鰉", "𠮷"} <= {*report.in_bytes}
        return
    assert {"鰉", "鳇", "𠮷"} <= {*report.unrelated} <= {*report.added}
    rows, before = model.get_input_embeddings().weight, pair[2].get_input_embeddings().weight
    vocabulary, unknown = tokenizer.get_vocab(), before[whole.unk_token_id]
    assert torch.equal(rows[vocabulary["鰉"]], unknown)
    assert tokenizer.unk_token_id not in tokenizer("鰉𠮷")["input_ids"]


def test_the_relative_is_found(pair):
    kind, whole, _ = pair
    pytest.importorskip("opencc")
    if kind == "bpe":
        pytest.skip("bytes spell it")
    # 亜 is Japanese for 亞, which the vocabulary has, as it has 亚.
    model, tokenizer, report = trimmed(pair, ["亜"])
    assert "亜" in report.added and "亜" not in report.unrelated
    rows, before = model.get_input_embeddings().weight, pair[2].get_input_embeddings().weight
    row = rows[tokenizer.get_vocab()["亜"]]
    assert any(torch.equal(row, before[whole.get_vocab()[relative]]) for relative in "亞亚")


def test_it_is_saved_and_read_again(pair, tmp_path):
    model, tokenizer, report = trimmed(pair, ENGLISH + CHINESE)
    model.save_pretrained(tmp_path)
    tokenizer.save_pretrained(tmp_path)
    again = transformers.AutoModelForQuestionAnswering.from_pretrained(tmp_path).eval()
    assert again.config.vocab_size == len(tokenizer)
    for text in ENGLISH + CHINESE:
        assert_same(read(again, AutoTokenizer.from_pretrained(tmp_path), text), read(pair[2], pair[1], text))
    rows, width = report.pieces_before + 7 - report.pieces_after, SIZES["hidden_size"]
    assert report.parameters_before - report.parameters_after == rows * width
    assert report.bytes_before - report.bytes_after == rows * width * 4


def test_common_latin_pieces_stay_on_demand(pair):
    few, many = (trimmed(pair, CHINESE, latin=count)[1] for count in (0, 8))
    assert len(many) - len(few) == 8


def test_special_tokens_keep_their_roles(pair):
    model, tokenizer, _ = trimmed(pair, ENGLISH)
    whole = pair[1]
    assert tokenizer.special_tokens_map == whole.special_tokens_map
    assert model.config.pad_token_id == tokenizer.pad_token_id == model.get_input_embeddings().padding_idx
    expected = whole.convert_ids_to_tokens(whole(ENGLISH[0], ENGLISH[1])["input_ids"])
    assert tokenizer.convert_ids_to_tokens(tokenizer(ENGLISH[0], ENGLISH[1])["input_ids"]) == expected


def test_what_cannot_be_trimmed_is_refused():
    tokenizer = whole_tokenizer("wordpiece")
    spec = json.loads(tokenizer.backend_tokenizer.to_str())
    spec["model"] = {"type": "WordLevel", "vocab": spec["model"]["vocab"], "unk_token": "[UNK]"}
    words = PreTrainedTokenizerFast(tokenizer_object=Tokenizer.from_str(json.dumps(spec)), pad_token="[PAD]")
    with pytest.raises(ConfigError, match="WordLevel"):
        trim_vocabulary(whole_model(tokenizer), words, ENGLISH)
    config = transformers.BertConfig(**SIZES, vocab_size=len(tokenizer))
    with pytest.raises(ConfigError, match="predicts tokens"):
        trim_vocabulary(transformers.BertForMaskedLM(config), tokenizer, ENGLISH)
    small = transformers.BertConfig(**SIZES, vocab_size=len(tokenizer) - 1)
    with pytest.raises(ConfigError, match="embeds"):
        trim_vocabulary(transformers.BertForQuestionAnswering(small), tokenizer, ENGLISH)
