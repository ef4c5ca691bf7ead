"""Cutting a vocabulary down to what texts need: fewer rows of embeddings, the same answers.

Four fifths of a multilingual encoder are rows of its vocabulary. Rows are taken away or copied, never computed, so a
text whose tokens all stay is read exactly as before. This holds for Unigram (XLM-R), WordPiece (BERT) and byte-level
BPE (RoBERTa, Qwen).
"""

import json
import re
import unicodedata
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from itertools import islice, pairwise
from typing import Any

from qakit.data.script import get_converter
from qakit.errors import ConfigError

SPACE = "▁"  # how Unigram writes a space
_BATCH = 1000  # texts tokenized at a time
_LATIN_END = 0x250  # behind Latin Extended-B
_CHINESE = re.compile("[\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff\U00020000-\U000323af]")
_BYTE = re.compile("<0x[0-9A-F]{2}>")  # how sentencepiece writes a byte of a character without a piece
_RELATIVES = ("t2s", "s2t", "tw2t", "hk2t", "jp2t")  # OpenCC's conversions that lead to the same character elsewhere
_CHINESE_BYTES = frozenset((*range(0xE3, 0xEA), 0xEF, 0xF0))  # UTF-8's first bytes of Chinese characters and signs


@dataclass(frozen=True, slots=True)
class TrimReport:
    """What a vocabulary and its model were before and after.

    Attributes:
        pieces_before, pieces_after: entries of the tokenizer, special tokens with them.
        added: Chinese characters without a piece that got one. `unrelated` are those of them without a relative, whose
            row is that of the unknown token.
        in_bytes: Chinese characters of the texts that stay several pieces, as byte-level BPE spells rare ones.
        parameters_before, parameters_after: numbers in the model.
        bytes_before, bytes_after: their size in memory, in the type they are in.
    """

    pieces_before: int
    pieces_after: int
    added: tuple[str, ...]
    unrelated: tuple[str, ...]
    in_bytes: tuple[str, ...]
    parameters_before: int
    parameters_after: int
    bytes_before: int
    bytes_after: int


def trim_vocabulary(
    model: Any, tokenizer: Any, texts: Iterable[str], *, characters: bool = False, latin: int = 0
) -> tuple[Any, TrimReport]:
    """Leave a model the pieces that texts need; the model is changed in place.

    Always kept are special tokens; letters of Latin script, digits, signs and single bytes, so that other words can be
    spelled; and every piece of one Chinese character, in both scripts. A Chinese character of the texts that has no
    piece gets one, and so does its form in the other script: its row is that of a relative that has one (鰉 from 鳇),
    else that of the unknown token. Byte-level BPE spells it in bytes as before.

    Pieces stay in their order. Tokens, and the model's outputs to the bit, stay those of before for every text whose
    pieces are kept and that has no added character. A word that WordPiece could not spell may become one it can.

    Args:
        model: any model of transformers without a language modelling head.
        tokenizer: its fast tokenizer.
        texts: what is to be read, such as questions and contexts of the data; they are gone through once.
        characters: keep no piece that joins a Chinese character, a digit or a sign to anything, so that each is a token
            of its own, and answers begin and end at tokens. Pieces of several letters stay.
        latin: how many of the commonest pieces of two or more Latin letters stay whether the texts have them or not;
            by rank, as vocabularies list common pieces first.

    Returns:
        The new tokenizer, and what has become of sizes.

    Raises:
        ConfigError: the tokenizer is no fast one or of another kind, the model has a language modelling head or no row
            for a token, or opencc is missing where Chinese characters need a relative.
    """
    vocabulary = _read(tokenizer)
    rows = len(_embedding(model).weight)
    before = _sizes(model)
    fixed = _fixed(model, tokenizer, vocabulary)
    allowed = [
        number
        for number, piece in vocabulary.pieces.items()
        if number in fixed or not (characters and vocabulary.joins(piece))
    ]
    needed, seen = _needed(vocabulary, allowed, texts)
    kept = needed | fixed | _alphabet(vocabulary, allowed) | _commonest_latin(vocabulary, allowed, latin)
    kept = vocabulary.closed(kept, allowed)
    added = {} if vocabulary.in_bytes else _missing(vocabulary, kept, seen, tokenizer.unk_token_id)
    new = vocabulary.cut(sorted(kept), added)
    if max(new.rows) >= rows:
        raise ConfigError(f"the tokenizer has an id {max(new.rows)}, and the model embeds {rows} tokens")
    trimmed = _tokenizer_like(tokenizer, new.spec)
    _cut_rows(model, new.rows, {old: number for number, old in enumerate(new.rows[: new.own])}, new.outside)
    unknown = tokenizer.unk_token_id
    return trimmed, TrimReport(
        pieces_before=len(tokenizer),
        pieces_after=len(trimmed),
        added=tuple(sorted({vocabulary.visible(piece) for piece in added})),
        unrelated=tuple(sorted({vocabulary.visible(piece) for piece, row in added.items() if row == unknown})),
        in_bytes=tuple(sorted(_spelled(vocabulary, seen))) if vocabulary.in_bytes else (),
        parameters_before=before[0],
        parameters_after=_sizes(model)[0],
        bytes_before=before[1],
        bytes_after=_sizes(model)[1],
    )


def _joins(piece: str, visible: str) -> bool:
    if is_chinese(piece):
        return len(piece) > 1
    return len(visible) > 1 and not all(unicodedata.category(character)[0] in "LM" for character in visible)


def is_chinese(text: str) -> bool:
    """Whether a text has a Chinese character, of any plane."""
    return _CHINESE.search(text) is not None


@dataclass(frozen=True, slots=True)
class _Cut:
    """A smaller vocabulary.

    Attributes:
        spec: the tokenizer's JSON.
        rows: for each new id the old one whose row it takes.
        own: how many of the new ids, from 0 on, are kept pieces of the vocabulary itself; added ones follow.
        outside: new ids of the tokens that are no part of the vocabulary itself (`<mask>` of some), by their old ids.
    """

    spec: dict[str, Any]
    rows: list[int]
    own: int
    outside: dict[int, int]


class _Vocabulary:
    """The pieces of a fast tokenizer, what they show, and how they become fewer."""

    in_bytes = False
    """Whether characters without a piece are spelled in bytes, so that none is ever unknown."""

    def __init__(self, spec: dict[str, Any]) -> None:
        from tokenizers import Tokenizer

        self.spec = spec
        self.model = spec["model"]
        self.pieces: dict[int, str] = self._pieces()
        self.ids = {piece: number for number, piece in self.pieces.items()}
        self.tokenizer = Tokenizer.from_str(json.dumps(spec))

    def visible(self, piece: str) -> str:
        """What a piece stands for, without the marks of its place in a word."""
        return piece.removeprefix(SPACE)

    def joins(self, piece: str) -> bool:
        """Whether a Chinese character, a digit or a sign is not alone in a piece."""
        return _joins(piece, self.visible(piece))

    def is_letter(self, piece: str) -> bool:
        """Whether other words are spelled with a piece: a Chinese character, a Latin letter, a sign, a byte."""
        text = self.visible(piece)
        return _BYTE.fullmatch(piece) is not None or not text or (len(text) == 1 and _is_basic(text))

    def closed(self, kept: set[int], allowed: Iterable[int]) -> set[int]:
        """The pieces, with those that they need to be found as before; `allowed` are those that may stay."""
        return kept

    def forms(self, character: str) -> list[str]:
        """The pieces of a character that the vocabulary should have."""
        return [character]

    def normalized(self, character: str) -> str:
        """A character as the model is to see it."""
        normalizer = self.tokenizer.normalizer
        return str(normalizer.normalize_str(character)).strip() if normalizer else character

    def cut(self, kept: Sequence[int], added: Mapping[str, int]) -> _Cut:
        """The vocabulary of these pieces, in their order, and of added ones with the row that each one takes."""
        own = {old: new for new, old in enumerate(kept)}
        rows = [*kept, *added.values()]
        outside = {}
        for token in sorted(self.spec["added_tokens"], key=lambda token: int(token["id"])):
            if token["id"] not in self.pieces:
                outside[token["id"]] = len(rows)
                rows.append(token["id"])
        tokens = [{**token, "id": {**own, **outside}[token["id"]]} for token in self.spec["added_tokens"]]
        spec = {**self.spec, "model": self._cut_model(own, list(added)), "added_tokens": tokens}
        spec["truncation"] = spec["padding"] = None  # set anew for each call, by the number of the padding token
        ids = {self.pieces[old]: new for old, new in own.items()}
        ids |= {token["content"]: token["id"] for token in tokens}
        return _Cut({**spec, "post_processor": _renumbered(spec["post_processor"], ids)}, rows, len(kept), outside)

    def _pieces(self) -> dict[int, str]:
        return {number: piece for piece, number in self.model["vocab"].items()}

    def _cut_model(self, own: Mapping[int, int], added: Sequence[str]) -> dict[str, Any]:
        """The model's part of the JSON."""
        vocabulary = {self.pieces[old]: new for old, new in own.items()}
        vocabulary |= {piece: len(own) + number for number, piece in enumerate(added)}
        return {**self.model, "vocab": vocabulary}


class _Unigram(_Vocabulary):
    """Pieces with scores: of all ways to cut a text the likeliest counts, and stays it where there are fewer."""

    def __init__(self, spec: dict[str, Any]) -> None:
        super().__init__(spec)
        self.scores = [score for _, score in self.model["vocab"]]
        self.in_bytes = bool(self.model.get("byte_fallback"))

    def closed(self, kept: set[int], allowed: Iterable[int]) -> set[int]:
        """With the least likely piece, as an unknown character costs more than it by a fixed sum."""
        return kept | {min(allowed, key=self.scores.__getitem__)}

    def _pieces(self) -> dict[int, str]:
        return {number: piece for number, (piece, _) in enumerate(self.model["vocab"])}

    def _cut_model(self, own: Mapping[int, int], added: Sequence[str]) -> dict[str, Any]:
        lowest = min(self.scores[old] for old in own)
        pieces = [*(self.model["vocab"][old] for old in own), *([piece, lowest] for piece in added)]
        unknown = self.model["unk_id"]
        return {**self.model, "vocab": pieces, "unk_id": None if unknown is None else own[unknown]}


class _WordPiece(_Vocabulary):
    """The longest piece first, so that a word whose pieces stay is cut as before."""

    def __init__(self, spec: dict[str, Any]) -> None:
        super().__init__(spec)
        self.mark: str = self.model["continuing_subword_prefix"]
        words = self.tokenizer.pre_tokenizer
        text = self.normalized("中国")
        self.splits_chinese = words is not None and len(words.pre_tokenize_str(text)) > 1

    def visible(self, piece: str) -> str:
        return piece.removeprefix(self.mark) or piece

    def joins(self, piece: str) -> bool:
        return super().joins(self.visible(piece))  # the mark of a later part of a word is no character

    def is_letter(self, piece: str) -> bool:
        # No Chinese character is the later part of a word where each is a word.
        inside = piece != self.visible(piece)
        return super().is_letter(piece) and not (inside and self.splits_chinese and is_chinese(piece))

    def forms(self, character: str) -> list[str]:
        return [character] if self.splits_chinese else [character, self.mark + character]


class _Bpe(_Vocabulary):
    """Pieces that grow by merges in a fixed order: with a piece those stay that it grows through."""

    def __init__(self, spec: dict[str, Any]) -> None:
        super().__init__(spec)
        found = (merge.split(" ") if isinstance(merge, str) else merge for merge in self.model["merges"])
        self.merges = {(left, right): rank for rank, (left, right) in enumerate(found)}
        self.of_bytes = '"ByteLevel"' in json.dumps([spec["pre_tokenizer"], spec["decoder"]])
        self.in_bytes = self.of_bytes or bool(self.model.get("byte_fallback"))

    def visible(self, piece: str) -> str:
        if not self.of_bytes:
            return super().visible(piece)
        return (_bytes_of(piece) or piece.encode()).decode(errors="replace").removeprefix(" ")

    def joins(self, piece: str) -> bool:
        if not self.of_bytes:
            return super().joins(piece)
        stored = _bytes_of(piece) or b""
        text = stored.decode(errors="replace")
        if "\ufffd" in text:  # a part of a character, which must not go on into the next one
            return any(byte in _CHINESE_BYTES for byte in stored[1:])
        return _joins(text, text.removeprefix(" "))

    def is_letter(self, piece: str) -> bool:
        return super().is_letter(piece) or (self.of_bytes and len(piece) == 1)

    def closed(self, kept: set[int], allowed: Iterable[int]) -> set[int]:
        """With all that a merge of theirs needs: how a piece grows depends on nothing outside of it."""
        grown = {self.ids[part] for number in kept for part in self._parts(self.pieces[number]) if part in self.ids}
        return kept | grown

    def _parts(self, piece: str) -> Iterator[str]:
        """All that a piece grows through, single letters with it."""
        parts = list(piece)
        yield from parts
        while len(parts) > 1:
            ranked = min(pairwise(parts), key=lambda pair: self.merges.get(pair, len(self.merges)))
            if ranked not in self.merges:
                return
            parts = list(_merged(parts, ranked))
            yield "".join(ranked)

    def _cut_model(self, own: Mapping[int, int], added: Sequence[str]) -> dict[str, Any]:
        there = {self.pieces[old] for old in own}
        merges = [[*pair] for pair in self.merges if {*pair, "".join(pair)} <= there]
        return {**super()._cut_model(own, added), "merges": merges}


_KINDS: dict[str, type[_Vocabulary]] = {"Unigram": _Unigram, "WordPiece": _WordPiece, "BPE": _Bpe}


def _read(tokenizer: Any) -> _Vocabulary:
    backend = getattr(tokenizer, "backend_tokenizer", None)
    if backend is None:
        raise ConfigError(f"a vocabulary is trimmed by its tokenizer.json, which {type(tokenizer).__name__} has not")
    spec = json.loads(backend.to_str())
    kind = spec["model"]["type"]
    if kind not in _KINDS:
        raise ConfigError(f"a vocabulary of the kind {kind} cannot be trimmed; expected one of {', '.join(_KINDS)}")
    return _KINDS[kind](spec)


def _fixed(model: Any, tokenizer: Any, vocabulary: _Vocabulary) -> set[int]:
    """Special and added tokens, those that the config names, and those whose place in the list means something."""
    found = {token["id"] for token in vocabulary.spec["added_tokens"]} | set(tokenizer.all_special_ids)
    found |= {vocabulary.model.get("unk_id"), vocabulary.ids.get(vocabulary.model.get("unk_token"))}
    for _, value in _token_fields(model.config):
        found |= set(value) if isinstance(value, list) else {value}
    positions = getattr(getattr(model.base_model, "embeddings", None), "position_embeddings", None)
    padding = getattr(positions, "padding_idx", None)
    if padding is not None:  # RoBERTa counts positions from the number of the padding token
        found |= set(range(padding + 1))
    return {number for number in found if number in vocabulary.pieces}


def _token_fields(config: Any) -> list[tuple[str, Any]]:
    """The fields of a config that are ids of tokens, or lists of them."""
    fields = config.to_dict().items()
    return [(name, value) for name, value in fields if name.endswith("_token_id") and value is not None]


def _needed(vocabulary: _Vocabulary, allowed: Sequence[int], texts: Iterable[str]) -> tuple[set[int], set[str]]:
    """The pieces that texts are cut into where only `allowed` ones are there, and the Chinese characters they have."""
    from tokenizers import Tokenizer

    part = vocabulary.cut(allowed, {})
    reader = Tokenizer.from_str(json.dumps(part.spec))
    needed: set[int] = set()
    seen: set[str] = set()
    rest = iter(texts)
    while some := list(islice(rest, _BATCH)):
        for text in some:
            seen.update(_CHINESE.findall(text))
        for encoding in reader.encode_batch_fast(some, add_special_tokens=False):
            needed.update(encoding.ids)
    return {part.rows[number] for number in needed if part.rows[number] in vocabulary.pieces}, seen


def _alphabet(vocabulary: _Vocabulary, allowed: Iterable[int]) -> set[int]:
    return {number for number in allowed if vocabulary.is_letter(vocabulary.pieces[number])}


def _is_basic(character: str) -> bool:
    """Whether a character is Chinese, Latin, a digit or a sign of any script."""
    return ord(character) < _LATIN_END or is_chinese(character) or unicodedata.category(character)[0] in "NPS"


def _commonest_latin(vocabulary: _Vocabulary, allowed: Sequence[int], count: int) -> set[int]:
    found: set[int] = set()
    for number in sorted(allowed):
        if len(found) >= count:
            break
        text = vocabulary.visible(vocabulary.pieces[number])
        if len(text) > 1 and text.isalpha() and all(ord(character) < _LATIN_END for character in text):
            found.add(number)
    return found


def _missing(
    vocabulary: _Vocabulary, kept: Collection[int], seen: Collection[str], unknown: int | None
) -> dict[str, int]:
    """Chinese characters in both scripts without a piece: the pieces to add, each with the row it takes.

    Raises:
        ConfigError: opencc is missing.
    """
    if not seen or unknown is None:
        return {}
    relatives = [get_converter(name, "trimming the vocabulary of Chinese texts") for name in _RELATIVES]
    known = {vocabulary.pieces[number]: number for number in kept}
    both = set(seen) | {form for convert in relatives[:2] for form in map(convert, seen)}
    wanted = {vocabulary.normalized(character) for character in both}
    added: dict[str, int] = {}
    for character in sorted(filter(is_chinese, wanted)):
        if len(character) > 1:  # some compatibility forms are several characters
            continue
        rows = (known.get(form) for convert in relatives for form in (convert(character), convert(convert(character))))
        row = next((row for row in rows if row is not None), unknown)
        added |= {piece: row for piece in vocabulary.forms(character) if piece not in known}
    return added


def _spelled(vocabulary: _Vocabulary, seen: Collection[str]) -> Iterator[str]:
    """Characters that are several pieces each."""
    for character in seen:
        if len(vocabulary.tokenizer.encode(character, add_special_tokens=False).ids) > 1:
            yield character


def _merged(parts: Sequence[str], pair: tuple[str, str]) -> Iterator[str]:
    """The parts with each place of the pair made one, from the left."""
    place = 0
    while place < len(parts):
        width = 2 if tuple(parts[place : place + 2]) == pair else 1
        yield "".join(parts[place : place + width])
        place += width


def _bytes_of(piece: str) -> bytes | None:
    """The bytes that a byte-level piece is written for; None for a special token."""
    table = _byte_table()
    return bytes(table[letter] for letter in piece) if all(letter in table for letter in piece) else None


@cache
def _byte_table() -> dict[str, int]:
    """The letter that GPT-2 writes for each byte: itself where it shows, else one from U+0100 on."""
    shown = [*range(0x21, 0x7F), *range(0xA1, 0xAD), *range(0xAE, 0x100)]
    hidden = [byte for byte in range(0x100) if byte not in shown]
    return {chr(byte): byte for byte in shown} | {chr(0x100 + number): byte for number, byte in enumerate(hidden)}


def _renumbered(node: Any, ids: Mapping[str, int]) -> Any:
    """A post-processor with the new ids of its special tokens."""
    if isinstance(node, list):
        if len(node) == 2 and isinstance(node[0], str) and isinstance(node[1], int):  # `"sep": ["[SEP]", 102]`
            return [node[0], ids[node[0]]]
        return [_renumbered(part, ids) for part in node]
    if isinstance(node, dict):
        if {"ids", "tokens"} <= node.keys():
            return {**node, "ids": [ids[token] for token in node["tokens"]]}
        return {name: _renumbered(part, ids) for name, part in node.items()}
    return node


def _tokenizer_like(tokenizer: Any, spec: dict[str, Any]) -> Any:
    """A plain fast tokenizer, as transformers' own classes build theirs from parts and would lose the smaller one."""
    from tokenizers import Tokenizer
    from transformers import PreTrainedTokenizerFast

    return PreTrainedTokenizerFast(
        tokenizer_object=Tokenizer.from_str(json.dumps(spec)),
        model_input_names=list(tokenizer.model_input_names),
        model_max_length=tokenizer.model_max_length,
        padding_side=tokenizer.padding_side,
        truncation_side=tokenizer.truncation_side,
        **tokenizer.special_tokens_map,
    )


def _embedding(model: Any) -> Any:
    if model.get_output_embeddings() is not None:
        raise ConfigError(f"{type(model).__name__} predicts tokens; only models without such a head can be trimmed")
    return model.get_input_embeddings()


def _sizes(model: Any) -> tuple[int, int]:
    """Numbers of a model, and their bytes."""
    parameters = list(model.parameters())
    numbers = sum(part.numel() for part in parameters)
    return numbers, sum(part.numel() * part.element_size() for part in parameters)


def _cut_rows(model: Any, rows: Sequence[int], own: Mapping[int, int], outside: Mapping[int, int]) -> None:
    """Give a model the rows, and its config the new ids."""
    from torch import nn

    embedding, new = _embedding(model), {**own, **outside}
    trained = embedding.weight.requires_grad
    embedding.weight = nn.Parameter(embedding.weight.detach()[list(rows)].clone(), requires_grad=trained)
    embedding.num_embeddings = model.config.vocab_size = len(rows)
    if embedding.padding_idx is not None:
        embedding.padding_idx = new[embedding.padding_idx]
    for name, value in _token_fields(model.config):
        is_list = isinstance(value, list)
        numbers = [new[number] for number in (value if is_list else [value]) if number in new]
        setattr(model.config, name, numbers if is_list else numbers[0] if numbers else None)
