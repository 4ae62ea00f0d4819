# Copyright 2026 The HPT authors
# SPDX-License-Identifier: Apache-2.0
import json

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from hpt.common.errors import DataError, SourceError
from hpt.common.tokenizers import with_eos
from hpt.data.candidates import Settings
from hpt.data.checks import check_files
from hpt.data.openr1 import complement_layout, subset_keys, subset_layout
from hpt.data.preparation import Preparation
from hpt.data.sources import open_source
from hpt.data.writing import read_manifest
from recipe.hpt.reproduction.task.base_model import build_tokenizer


def subset_row(question="What is 1+1?", answer="2", solution=None, **changes) -> dict:
    """Make a row like those of OpenR1-Math-46k-8192."""
    solution = f"<think>\nhm\n</think>\n\n\\boxed{{{answer}}}" if solution is None else solution
    row = {
        "data_source": "Openr1-Math-46k",
        "prompt": [
            {"role": "system", "content": "Think first."},
            {"role": "user", "content": question},
        ],
        "target": [{"role": "assistant", "content": solution}],
        "ability": "math",
        "reward_model": {"style": "rule", "ground_truth": answer},
        "extra_info": {"index": -1, "split": "default"},
    }
    return row | changes


def complete_row(question="What is 1+1?", answer="2", generations=(), **changes) -> dict:
    """Make a row like those of OpenR1-Math-220k; generations are (text, correct, complete)."""
    texts, correct, complete = zip(*generations, strict=True) if generations else ((), (), ())
    row = {
        "problem": question,
        "solution": "the source's own",
        "answer": answer,
        "source": "olympiads",
        "uuid": f"uuid of {question}",
        "generations": list(texts),
        "correctness_math_verify": list(correct),
        "is_reasoning_complete": list(complete),
    }
    return row | changes


def source_of(tmp_path, rows, name="source.json"):
    (tmp_path / name).write_text(json.dumps(rows))
    return open_source(str(tmp_path / name))


def prepare(tmp_path, rows, layout=None, tokenizer=None, out="out.parquet", **settings):
    settings = Settings(**settings)
    layout = layout or subset_layout(settings.think)
    source = source_of(tmp_path, rows)
    preparation = Preparation(source, layout, settings, tokenizer=tokenizer, progress=False)
    counts = preparation.write(tmp_path / out)
    check_files(tmp_path / out, require_target=True)
    written = pq.read_table(tmp_path / out).to_pylist()
    assert counts.read == len(rows) and counts.kept == len(written)
    return counts, written


def refused(tmp_path, rows, **settings) -> str:
    with pytest.raises((DataError, SourceError)) as error:
        prepare(tmp_path, rows, **settings)
    assert [each.name for each in tmp_path.iterdir()] == ["source.json"]
    return str(error.value)


# ---- the subset ----


def test_a_row_becomes_a_question(tmp_path):
    _, (row,) = prepare(tmp_path, [subset_row()])
    assert row["prompt"] == [{"role": "user", "content": "What is 1+1?"}]
    assert row["target"] == [{"role": "assistant", "content": "<think>\nhm\n</think>\n\n\\boxed{2}"}]
    assert row["data_source"] == "Openr1-Math-46k" and row["ability"] == "math"
    assert row["reward_model"] == {"style": "rule", "ground_truth": "2"}
    info = row["extra_info"]
    assert (info["index"], info["split"], info["verifier_kind"]) == (0, "train", "math")
    assert len(info["id"]) == 16


def test_parquet_gives_the_same_as_json(tmp_path):
    rows = [subset_row(f"What is {i}+1?", str(i + 1)) for i in range(300)]
    _, from_json = prepare(tmp_path, rows)
    pq.write_table(pa.Table.from_pylist(rows), tmp_path / "source.parquet")
    source = open_source(str(tmp_path / "source.parquet"))
    Preparation(source, subset_layout("keep"), Settings(), progress=False).write(tmp_path / "b.parquet")
    assert pq.read_table(tmp_path / "b.parquet").to_pylist() == from_json
    assert (tmp_path / "b.parquet").read_bytes() == (tmp_path / "out.parquet").read_bytes()


def test_ids_do_not_depend_on_the_other_rows(tmp_path):
    rows = [subset_row(f"What is {i}+1?", str(i + 1)) for i in range(5)]
    _, all_of_them = prepare(tmp_path, rows)
    _, last_two = prepare(tmp_path, rows[3:], out="b.parquet")
    ids = [row["extra_info"]["id"] for row in all_of_them]
    assert len(set(ids)) == 5
    assert [row["extra_info"]["id"] for row in last_two] == ids[3:]


def test_the_sources_own_id_is_kept(tmp_path):
    _, (row,) = prepare(tmp_path, [subset_row(extra_info={"id": "own/1", "index": 7})])
    assert row["extra_info"]["id"] == "own/1"


def test_every_fate_is_counted(tmp_path):
    long = "<think>\n" + "1" * 100 + "\n</think>\n\\boxed{2}"
    rows = [
        subset_row("kept"),
        subset_row("no tag", solution=r"\boxed{2}"),
        subset_row("opening tag missing", solution="hm</think>\\boxed{2}"),
        subset_row("unboxed", solution="<think>a</think>It is 2."),
        subset_row("cut off", solution="<think>a"),
        subset_row("no answer after", solution="<think>a</think>"),
        subset_row("too long", solution=long),
        subset_row(" KEPT "),
        subset_row("gold", answer="{"),
        subset_row("no gold", answer=" "),
        subset_row("no target", target=[]),
        subset_row("two of the assistant", target=subset_row()["target"] * 2),
        subset_row("surrogate \ud800"),
        subset_row("two users", prompt=subset_row()["prompt"] * 2),
        subset_row("none", prompt=[]),
        subset_row("no name", data_source=None),
        subset_row("no reward", reward_model="2"),
    ]
    counts, written = prepare(tmp_path, rows, tokenizer=build_tokenizer(), max_target_length=80)
    questions = [row["prompt"][0]["content"] for row in written]
    assert questions == ["kept", "no tag", "opening tag missing", "unboxed"]
    assert written[2]["target"][0]["content"] == "<think>\nhm</think>\\boxed{2}"
    assert counts.dropped == {
        "think tags other than one pair at the beginning": 1,
        "nothing after </think>": 1,
        "demonstration too long": 1,
        "question occurs earlier": 1,
        "gold answer cannot be verified": 1,
        "no gold answer": 2,
        "no demonstration": 2,
        "text that is no Unicode (lone surrogates)": 1,
        "prompt other than one question of the user's": 2,
        "no data_source": 1,
    }
    assert counts.notes == {"demonstration without a boxed answer": 1}
    record = read_manifest(tmp_path / "out.parquet")
    assert record["counts"]["read"] == 17 and record["counts"]["kept"] == 4
    assert record["counts"]["dropped"] == counts.dropped
    assert record["settings"]["max_target_length"] == 80
    assert record["source"]["file"] == "source.json"


def test_strip(tmp_path):
    _, (row,) = prepare(tmp_path, [subset_row()], think="strip")
    assert row["target"][0]["content"] == "hm\n\n\\boxed{2}"


def test_the_first_usable_one_of_equal_questions_is_kept(tmp_path):
    rows = [
        subset_row("What is $1+1$?", solution="<think>cut off"),
        subset_row(r"What is \(1 + 1\)?", solution=r"\boxed{2}"),
        subset_row("What is 1+1?", solution=r"so \boxed{2}"),
        subset_row("What is 1-1?", answer="0"),
    ]
    counts, written = prepare(tmp_path, rows)
    assert [row["prompt"][0]["content"] for row in written] == [
        r"What is \(1 + 1\)?",
        "What is 1-1?",
    ]
    assert counts.dropped["question occurs earlier"] == 1


# ---- lengths ----


def test_lengths_are_those_the_trainer_makes():
    tokenizer = build_tokenizer()
    end = tokenizer.eos_token
    tokens = with_eos(["12+3", "", "1" + end, "1" + end * 2, "boxed"], tokenizer)
    assert [len(ids) for ids in tokens] == [5, 1, 2, 2, 2]
    assert all(ids.index(tokenizer.eos_token_id) == len(ids) - 1 for ids in tokens)


@pytest.mark.parametrize("limit, kept", [(5, 2), (4, 1)])
def test_the_limit_counts_eos_and_is_inclusive(tmp_path, limit, kept):
    rows = [subset_row("a", solution="123"), subset_row("b", solution="1234")]
    counts, written = prepare(tmp_path, rows, tokenizer=build_tokenizer(), max_target_length=limit)
    assert len(written) == kept and counts.dropped.get("demonstration too long", 0) == 2 - kept


def test_overlong_keep_and_error(tmp_path):
    rows = [subset_row(f"question {i}", solution="1" * i) for i in range(1, 101)]
    counts, written = prepare(tmp_path, rows, tokenizer=build_tokenizer(), max_target_length=50, overlong="keep")
    assert len(written) == 100 and counts.notes["demonstration too long, kept"] == 51
    (tmp_path / "out.parquet").unlink()
    (tmp_path / "out.parquet.manifest.json").unlink()
    message = refused(tmp_path, rows, tokenizer=build_tokenizer(), max_target_length=50, overlong="error")
    assert "51 problems" in message
    assert "row 49: the demonstration has 51 tokens with EOS, more than 50" in message


def test_without_a_tokenizer_a_remark_says_that_nothing_is_measured(tmp_path):
    counts, _ = prepare(tmp_path, [subset_row()])
    assert "Demonstrations were not measured" in counts.remarks[0]
    with pytest.raises(ValueError, match="max_target_length=5 without a tokenizer"):
        prepare(tmp_path, [subset_row()], max_target_length=5)
    tokenizer = build_tokenizer()
    tokenizer.eos_token = None
    with pytest.raises(ValueError, match="no EOS token"):
        prepare(tmp_path, [subset_row()], tokenizer=tokenizer, max_target_length=5)


# ---- bad input ----


def test_unverifiable_error_names_the_rows(tmp_path):
    rows = [subset_row("a"), subset_row("b", answer="{"), subset_row("c", answer=r"\frac{")]
    message = refused(tmp_path, rows, unverifiable="error")
    assert "2 problems" in message and "row 1: gold answer cannot be verified: '{'" in message
    assert "--unverifiable drop" in message


def test_nothing_usable(tmp_path):
    message = refused(tmp_path, [subset_row(solution="<think>a")] * 2)
    assert "no usable question (think tags other than one pair at the beginning: 2)" in message


def test_other_columns(tmp_path):
    message = refused(tmp_path, [{"question": "q", "answer": "a"}])
    assert "has no column data_source, prompt, target, reward_model" in message


@pytest.mark.parametrize(
    "settings, part",
    [
        ({"think": "drop"}, "Unknown think .* Available: keep, strip"),
        ({"overlong": "cut"}, "Unknown overlong .* Available: drop, error, keep"),
        ({"unverifiable": "keep"}, "Unknown unverifiable .* Available: drop, error"),
        ({"max_target_length": 0}, "got max_target_length=0; expected .* a whole number >= 1"),
    ],
)
def test_bad_settings(settings, part):
    with pytest.raises(ValueError, match=part):
        Settings(**settings)


# ---- the complement ----


def complement(tmp_path, rows, subset=("What is 0+0?",), **settings):
    taken = source_of(tmp_path, [subset_row(question) for question in subset], "subset.json")
    layout = complement_layout(subset_keys(taken, progress=False), settings.get("think", "keep"))
    return prepare(tmp_path, rows, layout, **settings)


LONG = "<think>\nlong long\n</think>\n\\boxed{2}"
SHORT = "<think>\nshort\n</think>\n\\boxed{2}"


def test_complement_leaves_out_the_subset(tmp_path):
    rows = [
        complete_row("What  is $1 + 1$?", generations=[(SHORT, True, True)]),
        complete_row("What is 2+2?", "4", generations=[(SHORT, True, True)]),
    ]
    counts, (row,) = complement(tmp_path, rows, subset=["what is 1+1?", "other"])
    assert counts.dropped == {"question of the subset": 1}
    assert row["data_source"] == "openr1_complement"
    assert row["extra_info"]["id"] == "uuid of What is 2+2?"
    assert row["extra_info"]["source"] == "olympiads"
    assert row["reward_model"]["ground_truth"] == "4"


@pytest.mark.parametrize(
    "generations, chosen",
    [
        ([(LONG, True, True), (SHORT, True, True)], SHORT),
        ([(LONG, True, True), (SHORT, False, True)], LONG),
        ([(LONG, True, True), (SHORT, True, False)], LONG),
        ([(LONG, True, True), (SHORT, None, True)], LONG),
        ([(LONG, True, True), ("<think>a</think>", True, True)], LONG),
        ([(LONG, True, True), (None, True, True)], LONG),
        # The first one wins among equally short ones.
        (
            [("a</think>\\boxed{2}", True, True), ("b</think>\\boxed{2}", True, True)],
            "<think>\na</think>\\boxed{2}",
        ),
    ],
)
def test_the_shortest_verified_complete_generation_is_the_solution(tmp_path, generations, chosen):
    _, (row,) = complement(tmp_path, [complete_row(generations=generations)])
    assert row["target"] == [{"role": "assistant", "content": chosen}]


def test_fates_of_the_complement(tmp_path):
    good = [(SHORT, True, True)]
    rows = [
        complete_row("kept", generations=good),
        complete_row("proof", answer="Proof", generations=good),
        complete_row("empty", answer="", generations=good),
        complete_row("null", answer=None, generations=good),
        complete_row("not found", answer="not found", generations=good),
        complete_row("none right", generations=[(SHORT, False, True)]),
        complete_row("no generation"),
        complete_row("not judged", generations=good, correctness_math_verify=None),
        complete_row("kept ", generations=good),
        complete_row("", generations=good),
    ]
    counts, _ = complement(tmp_path, rows)
    assert counts.dropped == {
        "no gold answer": 4,
        "no verified, complete generation": 2,
        "lists of generations and of their verdicts differ in length": 1,
        "question occurs earlier": 1,
        "no question": 1,
    }


def test_a_prepared_file_serves_as_the_subset(tmp_path):
    prepare(tmp_path, [subset_row("What is 1+1?")], out="subset.parquet")
    keys = subset_keys(open_source(str(tmp_path / "subset.parquet")), progress=False)
    rows = [complete_row(q, generations=[(SHORT, True, True)]) for q in ("What is 1+1?", "new")]
    counts, _ = prepare(tmp_path, rows, complement_layout(keys, "keep"), out="rest.parquet")
    assert counts.dropped == {"question of the subset": 1}


def test_a_subset_without_questions_is_refused(tmp_path):
    with pytest.raises(SourceError, match=r"row 1: prompt other than one question"):
        subset_keys(source_of(tmp_path, [subset_row(), subset_row(prompt=[])]), progress=False)
