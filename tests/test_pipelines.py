"""The former pipeline's interface; benchmarks/former_pipeline.py compares its results with the former ones."""

import shutil
from itertools import count, islice

import pytest
import torch
from torch.utils.data import Dataset

import qakit
from qakit.errors import CheckpointError, ConfigError
from qakit.pipelines import Options, QuestionAnsweringPipeline, whole_words
from qakit.reader import Reader
from tests.modeling.tiny import qa_records, tiny_bert, tokenizer
from tests.runs.models import save_reader

ITEMS = [{"question": record.question, "context": record.context} for record in qa_records(5, shortest=30)]
ONE, TWO = ITEMS[:2]
NULL = {"start": 0, "end": 0, "answer": ""}


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return save_reader(tmp_path_factory.mktemp("model"))


@pytest.fixture(scope="module")
def qa(folder):
    return qakit.pipeline("question-answering", model=folder, device=-1)


class Listed(Dataset):
    def __len__(self):
        return len(ITEMS)

    def __getitem__(self, number):
        return ITEMS[number]


def texts(results):
    return [(result["answer"], result["start"], result["end"]) for result in results]


def test_a_result_is_cut_from_the_context_and_has_a_probability(qa):
    result = qa(**ONE)
    assert list(result) == ["score", "start", "end", "answer"]
    assert result["answer"] == ONE["context"][result["start"] : result["end"]]
    assert 0 < result["score"] <= 1


def test_every_form_for_one_question_gives_one_result(qa):
    expected = qa(**ONE)
    assert qa(ONE) == expected
    assert qa([ONE]) == expected
    assert qa(ONE["question"], ONE["context"]) == expected
    assert qa(data=ONE) == expected
    assert qa(X=[ONE]) == expected
    assert qa(qa.create_sample(**ONE)) == expected


def test_every_form_for_several_gives_a_list_in_order(qa):
    alone = texts(qa(**item) for item in ITEMS)
    questions, contexts = ([item[name] for item in ITEMS] for name in ("question", "context"))
    assert texts(qa(ITEMS)) == alone
    assert texts(qa(*ITEMS)) == alone
    assert texts(qa(tuple(ITEMS))) == alone
    assert texts(qa(question=questions, context=contexts)) == alone
    assert texts(qa(data=ITEMS)) == alone
    assert texts(qa(qa.create_sample(questions, contexts))) == alone
    assert texts(qa(iter(ITEMS))) == alone
    assert texts(qa(Listed())) == alone


def test_one_text_goes_with_each_of_the_others(qa):
    question, contexts = ONE["question"], [item["context"] for item in ITEMS]
    assert qa(question=question, context=contexts) == qa([{"question": question, "context": one} for one in contexts])
    questions = [item["question"] for item in ITEMS]
    assert texts(qa(question=questions, context=ONE["context"])) == texts(
        qa(question=one, context=ONE["context"]) for one in questions
    )


def test_an_endless_generator_is_read_as_it_is_asked_for(qa):
    numbers = count()
    results = qa({"question": "河在哪？", "context": f"河在山{next(numbers)}"} for _ in count())
    assert len(list(islice(results, 3))) == 3
    assert next(numbers) < 1000


def test_nothing_gives_nothing(qa):
    assert qa([]) == []
    assert list(qa(iter([]))) == []


def test_top_k_gives_different_answers_best_first(qa):
    results = qa(**ONE, top_k=4)
    assert len({result["answer"] for result in results}) == len(results) == 4
    scores = [result["score"] for result in results]
    assert scores == sorted(scores, reverse=True)
    assert qa(**ONE, topk=4) == results
    assert [len(found) for found in qa(ITEMS, top_k=2)] == [2] * len(ITEMS)
    assert qa([ONE], top_k=2) == results[:2]


def test_equal_texts_are_one_answer_and_their_scores_add_up():
    reader = Reader(tiny_bert(initializer_range=1e-6), tokenizer())  # every span is as likely as any other
    context = "河A河a"
    results = QuestionAnsweringPipeline(reader, Options(max_answer_len=1, align_to_words=False))(
        question="山", context=context, top_k=4
    )
    assert sorted(result["answer"].lower() for result in results) == ["a", "河"]
    assert all(result["score"] == pytest.approx(2 * (1 / 5) ** 2, abs=1e-4) for result in results)  # 4 tokens and null


def test_the_empty_answer_is_offered_when_asked_for(qa):
    results = qa(**ONE, top_k=500, handle_impossible_answer=True)
    (null,) = [result for result in results if not result["answer"]]
    assert {name: null[name] for name in NULL} == NULL
    assert 0 <= null["score"] <= 1
    assert all(result["answer"] for result in qa(**ONE, top_k=500))


def test_a_context_without_a_token_has_the_empty_answer(qa):
    assert qa(question="河？", context="\u200b") == {"score": pytest.approx(1.0), **NULL}


def test_a_long_context_is_read_whole_and_its_scores_are_one_distribution(qa):
    context = "".join(record.context for record in qa_records(8, shortest=60))
    results = qa(question=ONE["question"], context=context, top_k=500, max_answer_len=1)
    assert max(result["end"] for result in results) > 300  # the windows have 64 tokens
    assert sum(result["score"] for result in results) <= 1 + 1e-6


@pytest.mark.parametrize("size", [1, 3])
def test_batches_change_nothing(qa, size):
    assert texts(qa(ITEMS, batch_size=size)) == texts(qa(ITEMS))


def test_options_of_the_pipeline_hold_for_every_call_and_a_call_may_change_them(folder):
    qa = qakit.pipeline(
        model=folder, top_k=2, max_answer_len=1, doc_stride=8, max_seq_len=32, padding=True, num_workers=2
    )
    assert all(len(result["answer"]) == 1 for result in qa(**ONE))
    assert len(qa(**ONE)) == 2
    assert len(qa(**ONE, top_k=3)) == 3
    assert len(qa(**ONE)) == 2


@pytest.mark.parametrize(
    ("context", "token", "whole"),
    [
        ("在iPhone裡", (2, 5), (1, 7)),
        ("在河邊走", (1, 2), (1, 2)),
        ("at home,now", (4, 5), (3, 7)),
        ("カタカナ", (1, 2), (1, 2)),
        ("160～220公斤", (4, 7), (0, 7)),
    ],
)
def test_answers_grow_to_whole_words_only_where_words_are_apart(context, token, whole):
    assert whole_words(context, *token) == whole


def test_a_loaded_model_with_its_tokenizer_or_one_by_name(folder):
    qa = qakit.pipeline(model=tiny_bert(), tokenizer=tokenizer())
    named = qakit.pipeline(model=folder, tokenizer=folder)
    assert texts([qa(**ONE, max_seq_len=64, doc_stride=16)]) == texts(
        [named(**ONE)]
    )  # the folder's weights, by the same seed
    assert qa.model.config.model_type == "bert"
    assert qa.tokenizer is tokenizer()


def test_a_loaded_model_of_few_positions_is_read_in_windows_that_fit():
    qa = qakit.pipeline(model=tiny_bert(max_position_embeddings=256), tokenizer=tokenizer())
    context = "".join(record.context for record in qa_records(8, shortest=60))
    assert qa(question=ONE["question"], context=context)["answer"] in context


def test_the_number_format_is_that_of_the_weights(folder):
    assert qakit.pipeline(model=folder, dtype=torch.bfloat16).model.dtype == torch.bfloat16
    assert qakit.pipeline(model=folder, torch_dtype="bfloat16").model.dtype == torch.bfloat16
    assert qakit.pipeline(model=folder, dtype="auto").model.dtype == torch.float32


# --- what is wrong ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda qa: qa(question="河？"), "context is missing"),
        (lambda qa: qa(context="河"), "question is missing"),
        (lambda qa: qa(), "question is missing"),
        (lambda qa: qa("河？"), "found str"),
        (lambda qa: qa(3), "found int"),
        (lambda qa: qa(question=["a", "b"], context=["c"]), "2 questions, but 1 contexts"),
        (lambda qa: qa({"question": "", "context": "河"}), "item 0: question: is empty"),
        (lambda qa: qa([ONE, {"question": "河？", "context": None}]), "item 1: context: expected text, found NoneType"),
        (lambda qa: qa([ONE, {"question": "河？"}]), "item 1: context: expected text"),
        (lambda qa: qa([ONE, "河"]), "item 1: pair: expected"),
        (lambda qa: qa(**ONE, top_k=0), "top_k must be 1 or more"),
        (lambda qa: qa(**ONE, max_answer_len=0), "max_answer_len must be 1 or more"),
        (lambda qa: qa(**ONE, doc_stride=64, max_seq_len=64), "doc_stride .64. must be below max_seq_len .64."),
        (lambda qa: qa(**ONE, max_seq_len=8), "max_seq_len must be 16 or more, not 8"),
        (lambda qa: qa(**ONE, batch_size=0), "batch_size must be 1 or more, not 0"),
        (lambda qa: qa(**ONE, batch_size=-1), "batch_size must be 1 or more, not -1"),
        (lambda qa: qa(**ONE, doc_stride=-1), "doc_stride must be 0 or more, not -1"),
        (lambda qa: qa(**ONE, max_question_len=0), "max_question_len must be 1 or more, not 0"),
        (lambda qa: qa(**ONE, top_k="3"), "top_k must be 1 or more, not '3'"),
        (lambda qa: qa(question=3, context="河"), "question: expected a text or a list of texts, found int"),
        (lambda qa: qa(question=["河？"], context=3), "context: expected a text or a list of texts, found int"),
        (lambda _: qakit.pipeline("ner"), "not for 'ner'"),
    ],
)
def test_what_makes_no_sense_is_a_value_error(qa, call, message):
    with pytest.raises(ValueError, match=message):
        call(qa)


def test_an_unknown_argument_is_named(qa, folder):
    with pytest.raises(TypeError, match="max_answer_length"):
        qa(**ONE, max_answer_length=3)
    with pytest.raises(TypeError, match="pipeline_class"):
        qakit.pipeline(model=folder, pipeline_class=object)


REFUSED = [
    ({"config": object()}, ConfigError, "config: .*load the model with transformers"),
    ({"feature_extractor": object()}, ConfigError, "feature_extractor"),
    ({"device_map": "balanced"}, ConfigError, "device_map 'balanced'"),
    ({"device_map": {"": 0}}, ConfigError, "device_map"),
    ({"model_kwargs": {"attn_implementation": "eager"}}, ConfigError, "model_kwargs: .*attn_implementation"),
    ({"framework": "tf"}, ValueError, "framework 'tf'"),
    ({"dtype": "float64"}, ValueError, "dtype float64"),
]


@pytest.mark.parametrize(("arguments", "kind", "message"), REFUSED)
def test_what_another_way_of_loading_needs_is_refused(folder, arguments, kind, message):
    with pytest.raises(kind, match=message):
        qakit.pipeline(model=folder, **arguments)


def test_arguments_that_change_nothing_are_taken(qa, folder):
    same = {"framework": "pt", "use_fast": True, "feature_extractor": None, "config": folder}
    hub = {"revision": "main", "token": None, "trust_remote_code": False}
    same_again = qakit.pipeline(model=folder, device_map="cpu", **same, **hub)
    assert same_again(**ONE) == qa(**ONE)
    assert qakit.pipeline(model=folder, device_map="auto")(**ONE)["answer"] == qa(**ONE)["answer"]
    in_half = qakit.pipeline(model=folder, model_kwargs={"torch_dtype": torch.bfloat16})
    assert in_half.model.dtype == torch.bfloat16


def test_a_revision_of_the_hub_is_read_with_what_qakit_stored_there(folder, qa, tmp_path, monkeypatch):
    """As `huggingface_hub` keeps what it has downloaded."""
    cached = tmp_path / "models--someone--reader"
    (cached / "refs").mkdir(parents=True)
    (cached / "refs" / "v2").write_text("0" * 40)
    shutil.copytree(folder, cached / "snapshots" / ("0" * 40))
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(tmp_path))
    found = qakit.pipeline(model="someone/reader", revision="v2", device=-1)
    assert found.reader.loaded.info == qa.reader.loaded.info
    assert found(**ONE) == qa(**ONE)
    with pytest.raises(CheckpointError, match="someone/reader"):
        qakit.pipeline(model="someone/reader", revision="v1")


def test_a_generator_gives_what_comes_before_a_bad_item(qa):
    results = qa(iter([ONE, {"question": "", "context": "河"}, TWO]))
    assert next(results) == qa(**ONE)
    with pytest.raises(ValueError, match="item 1: question"):
        next(results)
