# Copyright 2026 The HPT authors
# SPDX-License-Identifier: Apache-2.0
import copy
import logging
import pickle
import string
import warnings

import datasets
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from omegaconf import OmegaConf
from tokenizers import Regex, Tokenizer, decoders, models, pre_tokenizers
from torch.utils.data import DataLoader
from transformers import PreTrainedTokenizerFast
from verl.trainer.ppo.utils import create_rl_dataset
from verl.utils.dataset.rl_dataset import RLHFDataset, collate_fn

import hpt.verl_ext.dataset as module
from hpt.common.errors import DataError
from hpt.verl_ext.dataset import HybridDataset

EOS = "<eos>"
CHAT_TEMPLATE = (
    "{% for m in messages %}{{ m['role'] }}:{{ m['content'] }}\n{% endfor %}"
    "{% if add_generation_prompt %}assistant:{% endif %}"
)
FRAME = len("user:\nassistant:")  # what the template adds to a question, in tokens


@pytest.fixture(scope="module")
def tokenizer():
    """One token per character; its own length limit is tiny, to show that nothing warns of it."""
    alphabet = [*string.printable, EOS, "<unk>"]
    backend = Tokenizer(models.WordLevel({token: i for i, token in enumerate(alphabet)}, unk_token="<unk>"))
    backend.pre_tokenizer = pre_tokenizers.Split(Regex(r"[\s\S]"), "isolated")
    backend.decoder = decoders.Fuse()
    return PreTrainedTokenizerFast(
        tokenizer_object=backend,
        eos_token=EOS,
        unk_token="<unk>",
        chat_template=CHAT_TEMPLATE,
        model_max_length=8,
    )


@pytest.fixture(autouse=True)
def own_cache(tmp_path, monkeypatch):
    """Keep what datasets caches out of the user's home and of other tests."""
    monkeypatch.setattr(datasets.config, "HF_DATASETS_CACHE", tmp_path / "cache")
    monkeypatch.setattr(datasets.config, "HF_DATASETS_DISABLE_PROGRESS_BARS", None)


def make_row(index, target, question=None) -> dict:
    return {
        "prompt": [{"role": "user", "content": question or f"question {index}"}],
        "data_source": "sums",
        "reward_model": {"ground_truth": str(index), "style": "rule"},
        "extra_info": {"index": index, "split": "train"},
        "target": target,
    }


def make_rows(count) -> list[dict]:
    return [make_row(index, f"solution {index}") for index in range(count)]


def write(tmp_path, rows, name="train.parquet") -> str:
    path = str(tmp_path / name)
    pq.write_table(pa.Table.from_pylist(rows), path)
    return path


def make_config(**settings):
    # filter_overlong_prompts_workers=None filters in this process, without a pool
    defaults = {
        "max_prompt_length": 64,
        "max_response_length": 32,
        "filter_overlong_prompts": True,
        "filter_overlong_prompts_workers": None,
        "shuffle": False,
        "seed": 1,
    }
    config = OmegaConf.create(defaults | settings)
    OmegaConf.set_struct(config, True)  # as Hydra's
    return config


def make(tmp_path, tokenizer, rows, max_samples=-1, **settings) -> HybridDataset:
    path = write(tmp_path, rows)
    return HybridDataset(path, tokenizer, make_config(**settings), max_samples=max_samples)


def solution(tokenizer, dataset, position) -> str | None:
    """Text of the demonstration that a row's id leads to, EOS included."""
    ids = dataset.demonstration(dataset[position]["demonstration_id"])
    return None if ids is None else tokenizer.decode(ids, clean_up_tokenization_spaces=False)


def test_questions_with_an_unverifiable_gold_answer_are_dropped_on_request(tmp_path, tokenizer, caplog):
    rows = make_rows(4)
    rows[1]["reward_model"]["ground_truth"] = "(1)(3)(4)"
    assert len(make(tmp_path, tokenizer, rows)) == 4
    dataset = make(tmp_path, tokenizer, rows, unverifiable="drop")
    assert [solution(tokenizer, dataset, position) for position in range(3)] == [
        solution(tokenizer, make(tmp_path, tokenizer, rows), position) for position in (0, 2, 3)
    ]
    assert "1 of 4 questions have an unverifiable gold answer and are dropped" in caplog.text


# Ids


def test_a_question_is_named_by_its_id_else_by_source_and_row(tmp_path, tokenizer):
    dataset = make(tmp_path, tokenizer, make_rows(3))
    assert dataset.question_ids([0, 1, 2]) == ["sums/0", "sums/1", "sums/2"]
    rows = make_rows(3)
    for row, name in zip(rows, ["a", None, 7], strict=True):
        row["extra_info"] = {"index": 0, "id": name if name is None else str(name)}
    dataset = make(tmp_path, tokenizer, rows)
    assert dataset.question_ids([0, 1, 2]) == ["a", "sums/1", "7"]


def test_the_gold_answer_is_that_of_the_row_whose_demonstration_it_is(tmp_path, tokenizer):
    rows = make_rows(4)
    rows[1]["prompt"][0]["content"] = "long " * 100  # verl's filter leaves it out
    dataset = make(tmp_path, tokenizer, rows)
    expected = [(rows[index]["reward_model"]["ground_truth"], rows[index]["extra_info"]) for index in (0, 2, 3)]
    assert dataset.gold_answers([row["demonstration_id"] for row in dataset]) == expected
    rows = [{k: v for k, v in row.items() if k != "extra_info"} for row in make_rows(2)]
    assert [extra for _, extra in make(tmp_path, tokenizer, rows).gold_answers([1, 0])] == [None, None]


def test_the_name_is_that_of_the_row_whose_demonstration_it_is(tmp_path, tokenizer):
    rows = make_rows(4)
    rows[1]["prompt"][0]["content"] = "long " * 100  # verl's filter leaves it out
    for index, row in enumerate(rows):
        row["extra_info"]["id"] = f"question {index}"
    dataset = make(tmp_path, tokenizer, rows)
    names = dataset.question_ids([row["demonstration_id"] for row in dataset])
    assert names == ["question 0", "question 2", "question 3"]


def test_a_file_without_extra_info(tmp_path, tokenizer):
    rows = [{k: v for k, v in row.items() if k != "extra_info"} for row in make_rows(2)]
    assert make(tmp_path, tokenizer, rows).question_ids([1, 0]) == ["sums/1", "sums/0"]


# Tokens


def test_tokens_of_a_solution(tmp_path, tokenizer):
    dataset = make(tmp_path, tokenizer, [make_row(0, "ab\nc ")])
    expected = [tokenizer.convert_tokens_to_ids(c) for c in "ab\nc "] + [tokenizer.eos_token_id]
    ids = dataset.demonstration(0)
    assert ids == expected
    assert type(ids) is list and type(ids[0]) is int


@pytest.mark.parametrize("text", ["abc", f"abc{EOS}", f"abc{EOS}{EOS}"])
def test_exactly_one_eos(tmp_path, tokenizer, text):
    dataset = make(tmp_path, tokenizer, [make_row(0, text)])
    ids = dataset.demonstration(0)
    assert ids.count(tokenizer.eos_token_id) == 1
    assert tokenizer.decode(ids) == f"abc{EOS}"


def test_text_is_taken_verbatim(tmp_path, tokenizer):
    text = "  <think>\n1 +  1 = 2\n</think> \\boxed{2}.\n"
    dataset = make(tmp_path, tokenizer, [make_row(0, text)], max_target_length=99)
    assert solution(tokenizer, dataset, 0) == text + EOS


def test_no_special_tokens_are_added(tmp_path, tokenizer):
    calls = []

    class Spy(PreTrainedTokenizerFast):
        def __call__(self, text, **options):
            calls.append(options)
            return super().__call__(text, **options)

    spy = Spy(tokenizer_object=tokenizer.backend_tokenizer, eos_token=EOS)
    spy.chat_template = CHAT_TEMPLATE
    make(tmp_path, spy, make_rows(3), filter_overlong_prompts=False)
    assert [call["add_special_tokens"] for call in calls] == [False]  # and in one batch


def test_messages_as_target(tmp_path, tokenizer):
    def message(role, content):
        return {"role": role, "content": content}

    targets = [
        [message("assistant", "alone")],
        [message("user", "not this"), message("assistant", "but this")],
        [],
        None,
        [message("assistant", "")],
    ]
    dataset = make(tmp_path, tokenizer, [make_row(i, t) for i, t in enumerate(targets)])
    texts = [solution(tokenizer, dataset, i) for i in range(5)]
    assert texts == [f"alone{EOS}", f"but this{EOS}", None, None, None]
    assert dataset.num_without_target == 3


def test_question_without_target(tmp_path, tokenizer):
    targets = ["some", None, "", "  \n", "more"]
    dataset = make(tmp_path, tokenizer, [make_row(i, t) for i, t in enumerate(targets)])
    texts = [solution(tokenizer, dataset, i) for i in range(5)]
    assert texts == [f"some{EOS}", None, None, None, f"more{EOS}"]
    assert (dataset.num_without_target, dataset.num_overlong_targets) == (3, 0)


def test_no_question_has_a_target(tmp_path, tokenizer, caplog):
    dataset = make(tmp_path, tokenizer, [make_row(0, None), make_row(1, None)])
    assert [dataset.demonstration(i) for i in range(2)] == [None, None]
    assert dataset.num_without_target == 2
    assert not caplog.records


def test_absent_target_column(tmp_path, tokenizer, caplog):
    rows = [{k: v for k, v in row.items() if k != "target"} for row in make_rows(3)]
    dataset = make(tmp_path, tokenizer, rows)
    assert [dataset.demonstration(dataset[i]["demonstration_id"]) for i in range(3)] == [None] * 3
    assert (dataset.num_without_target, dataset.num_overlong_targets) == (3, 0)
    assert not caplog.records


def test_files_with_and_without_targets_together(tmp_path, tokenizer):
    first = write(tmp_path, make_rows(2), "a.parquet")
    bare = [{k: v for k, v in row.items() if k != "target"} for row in make_rows(2)]
    second = write(tmp_path, bare, "b.parquet")
    dataset = HybridDataset([second, first], tokenizer, make_config())
    texts = [solution(tokenizer, dataset, i) for i in range(4)]
    assert texts == [None, None, f"solution 0{EOS}", f"solution 1{EOS}"]


def test_target_key(tmp_path, tokenizer):
    rows = [row | {"gold": row.pop("target") + "!"} for row in make_rows(2)]
    dataset = make(tmp_path, tokenizer, rows, target_key="gold")
    assert solution(tokenizer, dataset, 1) == f"solution 1!{EOS}"
    assert "gold" not in dataset[1]


def test_ids_out_of_range(tmp_path, tokenizer):
    dataset = make(tmp_path, tokenizer, make_rows(3))
    for wrong in (-1, 3):
        with pytest.raises(IndexError, match="there are 3 questions"):
            dataset.demonstration(wrong)
    with pytest.raises(TypeError):
        dataset.demonstration("1")


def test_tokenised_in_arrow_and_on_disk(tmp_path, tokenizer):
    dataset = make(tmp_path, tokenizer, make_rows(5))
    assert dataset._demonstrations.cache_files
    assert dataset._demonstrations.features["ids"] == datasets.List(datasets.Value("int32"))


def test_more_rows_than_a_batch(tmp_path, tokenizer):
    count = 2 * module.TOKENIZE_BATCH + 3
    dataset = make(tmp_path, tokenizer, make_rows(count))
    for position in range(count):
        assert solution(tokenizer, dataset, position) == f"solution {position}{EOS}"


# Overlong solutions


def overlong_rows() -> list[dict]:
    return [make_row(i, text) for i, text in enumerate(["a" * 9, "b" * 10, None, "c" * 30, "d"])]


def test_overlong_solutions_are_dropped_whole_and_counted(tmp_path, tokenizer, caplog):
    with caplog.at_level(logging.WARNING):
        dataset = make(tmp_path, tokenizer, overlong_rows(), max_target_length=10)
    texts = [solution(tokenizer, dataset, i) for i in range(5)]
    assert texts == ["a" * 9 + EOS, None, None, None, "d" + EOS]  # 10 tokens with EOS still fit
    assert (dataset.num_overlong_targets, dataset.num_without_target) == (2, 1)
    assert len(dataset) == 5  # the questions stay
    (record,) = caplog.records
    assert "2 of 4 demonstrations are longer than data.max_target_length=10" in record.getMessage()


def test_eos_in_the_text_does_not_count_twice(tmp_path, tokenizer):
    dataset = make(tmp_path, tokenizer, [make_row(0, "a" * 9 + EOS)], max_target_length=10)
    assert len(dataset.demonstration(0)) == 10


def test_counts_are_right_when_datasets_finds_its_cache(tmp_path, tokenizer, monkeypatch):
    config = make_config(max_target_length=10)
    path = write(tmp_path, overlong_rows())
    HybridDataset(path, tokenizer, config)
    calls = []
    monkeypatch.setattr(type(tokenizer), "__call__", lambda *a, **k: calls.append(a))
    dataset = HybridDataset(path, tokenizer, config)
    assert calls == []
    assert (dataset.num_overlong_targets, dataset.num_without_target) == (2, 1)


def test_cache_of_other_code_is_not_used(tmp_path, tokenizer, monkeypatch):
    """datasets itself would not notice: it identifies an imported function by its name."""
    path = write(tmp_path, make_rows(2))
    HybridDataset(path, tokenizer, make_config())

    def _tokenize(batch, **_):
        return {"ids": [[7]] * len(batch["target"]), "num_tokens": [1] * len(batch["target"])}

    _tokenize.__module__, _tokenize.__qualname__ = module.__name__, "_tokenize"
    monkeypatch.setattr(module, "_tokenize", _tokenize)
    assert HybridDataset(path, tokenizer, make_config()).demonstration(0) != [7]
    monkeypatch.setattr(module, "_CODE_VERSION", "another")
    assert HybridDataset(path, tokenizer, make_config()).demonstration(0) == [7]


def test_max_target_length_defaults_to_the_response_length(tmp_path, tokenizer):
    for settings in ({}, {"max_target_length": None}):
        dataset = make(tmp_path, tokenizer, overlong_rows(), max_response_length=10, **settings)
        assert dataset.num_overlong_targets == 2
    dataset = make(tmp_path, tokenizer, overlong_rows(), max_response_length=10, max_target_length=31)
    assert dataset.num_overlong_targets == 0


def test_overlong_solutions_as_an_error(tmp_path, tokenizer):
    with pytest.raises(DataError) as error:
        make(tmp_path, tokenizer, overlong_rows(), max_target_length=10, target_overlong="error")
    message = str(error.value)
    path = tmp_path / "train.parquet"
    assert f"{path}, row 1: the demonstration has 11 tokens with EOS, more than" in message
    assert f"{path}, row 3: the demonstration has 31 tokens with EOS, more than" in message
    assert [problem.row for problem in error.value.problems] == [1, 3]
    assert "data.max_target_length=10" in message
    assert "data.target_overlong=drop" in message


def test_error_names_rows_of_the_file_whatever_was_chosen(tmp_path, tokenizer):
    """Rows 0 and 1 fall to the filter of overlong prompts; the file of row 2 comes second."""
    rows = [make_row(0, "a", "q" * 99), make_row(1, "b", "q" * 99), make_row(2, "c" * 30)]
    files = [write(tmp_path, make_rows(4), "a.parquet"), write(tmp_path, rows, "b.parquet")]
    config = make_config(max_target_length=20, target_overlong="error")
    with pytest.raises(DataError) as error:
        HybridDataset(files, tokenizer, config)
    assert [(p.path, p.row) for p in error.value.problems] == [(files[1], 2)]


def test_error_policy_with_nothing_overlong(tmp_path, tokenizer):
    dataset = make(tmp_path, tokenizer, make_rows(3), target_overlong="error")
    assert solution(tokenizer, dataset, 2) == f"solution 2{EOS}"


@pytest.mark.parametrize("policy", ["drop", "error"])
@pytest.mark.parametrize(
    ("target", "reason"),
    [
        ([{"role": "user", "content": "2"}], "target has 0 assistant messages"),
        ([{"role": "assistant", "content": "2"}] * 2, "target has 2 assistant messages"),
        (42, "target is of type int"),
    ],
)
def test_malformed_target(tmp_path, tokenizer, target, reason, policy):
    good = [{"role": "assistant", "content": "2"}] if isinstance(target, list) else None
    rows = [make_row(0, good), make_row(1, target)]
    with pytest.raises(DataError) as error:
        make(tmp_path, tokenizer, rows, target_overlong=policy)
    assert f"{tmp_path / 'train.parquet'}, row 1: {reason}" in str(error.value)
    assert len(error.value.problems) == 1


def test_malformed_and_overlong_targets(tmp_path, tokenizer):
    def target(*texts):
        return [{"role": "assistant", "content": text} for text in texts]

    rows = [make_row(0, target("a", "b")), make_row(1, target("c" * 99)), make_row(2, target("d"))]
    for policy, bad in (("drop", [0]), ("error", [0, 1])):
        with pytest.raises(DataError) as error:
            make(tmp_path, tokenizer, rows, target_overlong=policy)
        assert [problem.row for problem in error.value.problems] == bad


# Rows


def test_row_is_the_parents_without_the_target(tmp_path, tokenizer):
    dataset = make(tmp_path, tokenizer, make_rows(3))
    parent = RLHFDataset(str(tmp_path / "train.parquet"), tokenizer, make_config())
    row, expected = dataset[1], parent[1]
    assert "solution 1" not in repr(row)
    assert repr(dataset.demonstration(1)) not in repr(row)
    assert row.pop("demonstration_id") == 1
    assert expected.pop("target") == "solution 1"
    assert row.pop("dummy_tensor").equal(expected.pop("dummy_tensor"))
    assert row == expected


@pytest.mark.parametrize("item", [-1, np.int64(2), 2])
def test_id_is_a_plain_position(tmp_path, tokenizer, item):
    identity = make(tmp_path, tokenizer, make_rows(3))[item]["demonstration_id"]
    assert type(identity) is int
    assert identity == 2


def test_ids_go_through_a_dataloader(tmp_path, tokenizer):
    dataset = make(tmp_path, tokenizer, make_rows(6))
    loader = DataLoader(dataset, batch_size=3, shuffle=True, collate_fn=collate_fn)
    seen = []
    for batch in loader:
        assert "target" not in batch
        assert "solution" not in repr(batch)
        for identity, info in zip(batch["demonstration_id"], batch["extra_info"], strict=True):
            text = tokenizer.decode(dataset.demonstration(identity))
            assert text == f"solution {info['index']}{EOS}"
            seen.append(identity)
    assert sorted(seen) == list(range(6))


def assert_ids_match(dataset, tokenizer):
    """Each question's id leads to that question's own solution."""
    for position in range(len(dataset)):
        index = dataset[position]["extra_info"]["index"]
        assert solution(tokenizer, dataset, position) == f"solution {index}{EOS}"


def test_ids_after_the_filter_of_overlong_prompts(tmp_path, tokenizer):
    limit = FRAME + 20
    rows = [make_row(i, f"solution {i}", "q" * (21 if i % 3 == 0 else 20)) for i in range(10)]
    dataset = make(tmp_path, tokenizer, rows, max_prompt_length=limit)
    indices = [dataset[i]["extra_info"]["index"] for i in range(len(dataset))]
    assert indices == [1, 2, 4, 5, 7, 8]
    assert_ids_match(dataset, tokenizer)


def test_no_prompt_survives_the_filter(tmp_path, tokenizer):
    dataset = make(tmp_path, tokenizer, make_rows(3), max_prompt_length=3)
    assert (len(dataset), dataset.num_without_target, dataset.num_overlong_targets) == (0, 0, 0)


def test_ids_without_the_filter(tmp_path, tokenizer):
    dataset = make(tmp_path, tokenizer, make_rows(4), filter_overlong_prompts=False)
    assert len(dataset) == 4
    assert_ids_match(dataset, tokenizer)


def test_ids_after_the_first_samples(tmp_path, tokenizer):
    dataset = make(tmp_path, tokenizer, make_rows(10), max_samples=4)
    assert [dataset[i]["extra_info"]["index"] for i in range(4)] == [0, 1, 2, 3]
    assert len(dataset) == 4
    assert_ids_match(dataset, tokenizer)


@pytest.mark.parametrize("max_samples", [1, 7])
def test_ids_after_random_samples(tmp_path, tokenizer, max_samples):
    dataset = make(tmp_path, tokenizer, make_rows(20), max_samples, shuffle=True, seed=3)
    indices = [dataset[i]["extra_info"]["index"] for i in range(len(dataset))]
    assert len(indices) == max_samples
    assert indices != list(range(max_samples))
    assert_ids_match(dataset, tokenizer)


def test_ids_after_samples_and_filter_and_two_files(tmp_path, tokenizer):
    rows = [make_row(i, f"solution {i}", "q" * 99 if i % 4 == 1 else f"question {i}") for i in range(30)]
    files = [write(tmp_path, rows[:12], "a.parquet"), write(tmp_path, rows[12:], "b.parquet")]
    config = make_config(shuffle=True, seed=5)
    dataset = HybridDataset(files, tokenizer, config, max_samples=15)
    assert 5 < len(dataset) < 15
    assert_ids_match(dataset, tokenizer)


def test_only_chosen_rows_are_tokenised(tmp_path, tokenizer):
    """A malformed target in a row that is not used does no harm."""
    rows = [*make_rows(3), make_row(3, "x" * 99)]
    dataset = make(tmp_path, tokenizer, rows, max_samples=3, target_overlong="error")
    assert len(dataset) == 3


# Resuming


def test_pickled_without_data_and_resumed(tmp_path, tokenizer):
    settings = {"shuffle": True, "seed": 3, "max_target_length": 12}
    rows = make_rows(20)
    dataset = make(tmp_path, tokenizer, rows, 7, **settings)
    demonstrations = [dataset.demonstration(i) for i in range(7)]
    state = pickle.dumps(dataset)
    assert b"solution" not in state
    copied = pickle.loads(state)
    assert not hasattr(copied, "dataframe") and not hasattr(copied, "_demonstrations")
    copied.resume_dataset_state()
    assert [copied.demonstration(i) for i in range(7)] == demonstrations
    assert copied.num_overlong_targets == dataset.num_overlong_targets
    assert_ids_match_unless_dropped(copied, tokenizer)


def assert_ids_match_unless_dropped(dataset, tokenizer):
    for position in range(len(dataset)):
        index = dataset[position]["extra_info"]["index"]
        text = f"solution {index}{EOS}"
        expected = text if len(text) - len(EOS) + 1 <= dataset.max_target_length else None
        assert solution(tokenizer, dataset, position) == expected


def test_resumed_in_place(tmp_path, tokenizer):
    dataset = make(tmp_path, tokenizer, make_rows(5))
    dataset.resume_dataset_state()
    assert_ids_match(dataset, tokenizer)


def test_serialized_whole_as_the_parent_does(tmp_path, tokenizer):
    dataset = make(tmp_path, tokenizer, make_rows(5))
    dataset.serialize_dataset = True
    assert_ids_match(pickle.loads(pickle.dumps(dataset)), tokenizer)


def test_random_samples_want_a_seed(tmp_path, tokenizer):
    with pytest.raises(ValueError, match="and without a seed other rows"):
        make(tmp_path, tokenizer, make_rows(9), max_samples=3, shuffle=True, seed=None)
    # nothing is chosen at random in these
    assert len(make(tmp_path, tokenizer, make_rows(9), shuffle=True, seed=None)) == 9
    assert len(make(tmp_path, tokenizer, make_rows(9), max_samples=3, seed=None)) == 3


# Settings


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"target_overlong": "truncate"}, "Unknown data.target_overlong 'truncate'. Available: dr"),
        ({"max_target_length": 0}, "is 0: set it to a positive number of tokens"),
        ({"max_target_length": "many"}, "is 'many': set it to a positive number of tokens"),
        ({"max_response_length": None}, "is None: set it to a positive number of tokens"),
        ({"target_key": "prompt"}, "are both 'prompt': name two columns"),
    ],
)
def test_bad_settings(tmp_path, tokenizer, settings, message):
    with pytest.raises(ValueError, match=message):
        make(tmp_path, tokenizer, make_rows(1), **settings)


def test_tokenizer_without_eos(tmp_path, tokenizer):
    bare = PreTrainedTokenizerFast(tokenizer_object=tokenizer.backend_tokenizer)
    with pytest.raises(ValueError, match="no EOS token"):
        make(tmp_path, bare, make_rows(1))


def test_only_parquet(tokenizer):
    with pytest.raises(DataError, match=r"data/train\.jsonl: is not \.parquet"):
        HybridDataset("data/train.jsonl", tokenizer, make_config())


# As verl makes it


def verl_config(train, val, **settings):
    path = {"custom_cls": {"path": "pkg://hpt.verl_ext.dataset", "name": "HybridDataset"}}
    return make_config(train_files=train, val_files=val, **path, **settings)


def test_verl_loads_the_class(tmp_path, tokenizer):
    train = write(tmp_path, make_rows(3))
    bare = [{k: v for k, v in row.items() if k != "target"} for row in make_rows(2)]
    val = write(tmp_path, bare, "val.parquet")
    config = verl_config([train], val)
    dataset = create_rl_dataset(config.train_files, config, tokenizer, None, is_train=True)
    assert type(dataset) is HybridDataset  # the importable class, so that it pickles
    assert_ids_match(dataset, tokenizer)
    validation = create_rl_dataset(config.val_files, config, tokenizer, None, is_train=False)
    assert type(validation) is HybridDataset
    assert validation.demonstration(1) is None
    assert validation[1]["reward_model"]["ground_truth"] == "1"


def test_targets_of_validation_files_are_left_alone(tmp_path, tokenizer, caplog):
    train = write(tmp_path, make_rows(3))
    rows = [make_row(i, "long " * 20) for i in range(4)]
    config = verl_config(train, [write(tmp_path, rows, "val.parquet")], target_overlong="error", seed=None)
    config.shuffle = True
    dataset = create_rl_dataset(config.val_files, config, tokenizer, None, is_train=False, max_samples=2)
    assert [dataset.demonstration(i) for i in range(2)] == [None, None]
    assert "target" not in dataset[0]
    assert not caplog.records
    with pytest.raises(DataError):
        same = verl_config(config.val_files, config.val_files, target_overlong="error")
        create_rl_dataset(same.train_files, same, tokenizer, None)


def test_nothing_is_warned_of_or_shown(tmp_path, tokenizer, monkeypatch, caplog, capfd):
    """model_max_length is 8 here, shorter than the prompts and the solutions."""
    path = write(tmp_path, make_rows(5))
    fresh = copy.deepcopy(tokenizer)
    fresh.deprecation_warnings = {}  # transformers warns once per tokenizer
    monkeypatch.setattr(logging.getLogger("transformers"), "propagate", True)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        dataset = HybridDataset(path, fresh, make_config(filter_overlong_prompts=False))
    dataset.demonstration(0)
    assert not caplog.records
    assert "Tokenizing" not in capfd.readouterr().err
    assert not datasets.are_progress_bars_disabled()  # as it was before


def test_progress_bar_for_many_rows(tmp_path, tokenizer, monkeypatch, capfd):
    monkeypatch.setattr(module, "PROGRESS_BAR_ROWS", 5)
    make(tmp_path, tokenizer, make_rows(5))
    assert "Tokenizing demonstrations" in capfd.readouterr().err
