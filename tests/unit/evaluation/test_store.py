# Copyright 2026 The HPT authors
# SPDX-License-Identifier: Apache-2.0
import json
import random

import pytest

from hpt.common.seeds import sample_seed
from hpt.evaluation.store import Key, Sample, SampleStore, StoreError, file_stem
from tests.unit.evaluation.helpers import fill, sample

QUESTIONS = ("b", "a", "c")
GOLD = dict.fromkeys(QUESTIONS, "1")
ANSWERS: dict[str, list[str | None]] = {"b": ["1", "2"], "a": [None, "1"], "c": ["1", "1"]}


def store_in(folder, seed=0) -> SampleStore:
    return SampleStore(folder, "tiny", QUESTIONS, seed)


def finished(folder, answers=ANSWERS):
    with store_in(folder) as store:
        fill(store, answers, GOLD)
        store.finish(2)
    return store


def test_file_is_in_canonical_order_whatever_the_order_of_events(tmp_path):
    reference = finished(tmp_path / "a").path.read_bytes()
    records = [json.loads(line) for line in reference.splitlines()]
    assert [(each["question"], each["sample"]) for each in records] == [
        (question, number) for question in QUESTIONS for number in range(2)
    ]
    assert list(records[0]) == [
        "question", "sample", "seed", "text", "tokens", "finish_reason", "score", "extracted", "reason",
    ]  # fmt: skip
    assert (records[2]["extracted"], records[2]["score"], records[2]["reason"]) == (
        None,
        0.0,
        "no_answer",
    )
    for attempt in range(5):
        rng, folder = random.Random(attempt), tmp_path / f"shuffled{attempt}"
        keys = [(question, number) for question in QUESTIONS for number in range(2)]
        rng.shuffle(keys)
        waiting = []
        store = store_in(folder)
        for question, number in keys:
            store.add(sample(store, question, number, ANSWERS[question][number], tokens=5 + number))
            waiting.append(Key(question, number))
            if rng.random() < 0.5:
                judge_all(store, waiting)
            if rng.random() < 0.3:
                store.close()
                store = store_in(folder)  # another launch
        judge_all(store, [Key(each.question, each.sample) for each in store.unjudged(2)])
        store.finish(2)
        assert store.path.read_bytes() == reference
        assert not store.journal_path.exists()


def judge_all(store, waiting):
    while waiting:
        key = waiting.pop()
        answer = ANSWERS[key.question][key.sample]
        reason = "no_answer" if answer is None else "correct" if answer == "1" else "wrong"
        store.judge(key, float(reason == "correct"), answer, reason)


def test_a_sample_is_on_disk_when_add_returns(tmp_path):
    store = store_in(tmp_path)
    store.add(sample(store, "a", 1, "1"))
    assert json.loads(store.journal_path.read_text())["text"] == r"so \boxed{1}"
    again = store_in(tmp_path)
    assert again.missing(2) == [Key("b", 0), Key("b", 1), Key("a", 0), Key("c", 0), Key("c", 1)]
    assert again.unjudged(2) == [sample(store, "a", 1, "1")]
    assert again.complete_count == 0 and not again.complete(1)
    store.judge(Key("a", 1), 1.0, "1", "correct")
    assert store_in(tmp_path).unjudged(2) == [] and store_in(tmp_path).complete_count == 1


def test_a_sample_that_comes_twice_is_kept_once(tmp_path):
    with store_in(tmp_path) as store:
        store.add(sample(store, "a", 0, "1"))
        store.add(sample(store, "a", 0, "2"))
        store.judge(Key("a", 0), 1.0, "1", "correct")
        store.judge(Key("a", 0), 0.0, "2", "wrong")
    assert len(store.journal_path.read_text().splitlines()) == 2
    assert store_in(tmp_path)._verdicts[Key("a", 0)]["score"] == 1.0


@pytest.mark.parametrize("kept", range(1, 160, 7))
def test_a_line_cut_short_loses_nothing_else(tmp_path, kept):
    with store_in(tmp_path) as store:
        fill(store, {"b": ["1", "2"], "a": [None]}, GOLD)
    whole = store.journal_path.read_bytes()
    cut = len(whole) - kept
    store.journal_path.write_bytes(whole[:cut])
    complete = whole[:cut].count(b"\n")
    again = store_in(tmp_path)
    torn = not whole[:cut].endswith(b"\n")
    assert (again.cut_short is not None) == torn
    assert store.journal_path.read_bytes() == whole[:cut], "reading changes nothing"
    assert again.complete_count == complete // 2
    fill(again, {key: value for key, value in ANSWERS.items()}, GOLD)
    again.close()
    assert again.journal_path.read_bytes().startswith(b"".join(whole.splitlines(keepends=True)[:complete]))
    with store_in(tmp_path) as last:
        assert last.cut_short is None
        last.finish(2)
    assert last.path.read_bytes() == finished(tmp_path / "reference").path.read_bytes()


def test_more_samples_go_on_from_a_finished_file(tmp_path):
    before = finished(tmp_path).path.read_bytes().splitlines()
    more = {question: [*answers, "3"] for question, answers in ANSWERS.items()}
    with store_in(tmp_path) as store:
        assert store.complete(2) and store.missing(3) == [Key(each, 2) for each in QUESTIONS]
        fill(store, more, GOLD)
        store.finish(3)
    after = store.path.read_bytes().splitlines()
    assert [line for line in after if json.loads(line)["sample"] < 2] == before
    assert [json.loads(line)["extracted"] for line in after if json.loads(line)["sample"] == 2] == ["3"] * 3


def test_a_launch_killed_between_the_new_file_and_the_end_of_the_journal(tmp_path):
    with store_in(tmp_path) as store:
        fill(store, ANSWERS, GOLD)
    journal = store.journal_path.read_bytes()
    store.finish(2)
    store.journal_path.write_bytes(journal)
    reference = store.path.read_bytes()
    again = store_in(tmp_path)
    assert again.complete_count == 6
    again.finish(2)
    assert again.path.read_bytes() == reference and not again.journal_path.exists()


def test_text_of_any_kind_survives(tmp_path):
    text = "a\nb\u2028c\0 \ud800 \U0001f600 \\boxed{1}\r"
    with store_in(tmp_path) as store:
        store.add(Sample("a", 0, sample_seed(0, "tiny", "a", 0), text, 3, "length"))
    assert [each.text for each in store_in(tmp_path).unjudged(1)] == [text]


def test_judged_gives_the_first_samples(tmp_path):
    finished(tmp_path)
    judged = store_in(tmp_path).judged(1)
    assert list(judged) == list(QUESTIONS)
    assert [(each.score, each.tokens, each.extracted) for each in judged["b"]] == [(1.0, 5, "1")]


def damage(line: str):
    return lambda path: path.write_text(path.read_text() + line + "\n")


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (damage("{nonsense}"), "is no JSON"),
        (damage('{"question": "z", "sample": 0, "text": ""}'), "which is not in tiny"),
        (damage('{"question": "a", "sample": -1, "text": ""}'), "which is not in tiny"),
        (damage('{"question": "a", "sample": 1, "score": 1.0}'), "verdict on a sample that is missing"),
        (damage('{"question": "a", "sample": 1, "seed": 7, "text": ""}'), "made with seed 7"),
        (damage("[1, 2]"), "has no question and sample"),
    ],
)  # fmt: skip
def test_a_damaged_journal_is_refused_and_left_alone(tmp_path, change, message):
    with store_in(tmp_path) as store:
        fill(store, {"b": ["1"]}, GOLD)
    change(store.journal_path)
    before = store.journal_path.read_bytes()
    with pytest.raises(StoreError, match=message):
        store_in(tmp_path)
    assert store.journal_path.read_bytes() == before


def test_a_damaged_finished_file_is_refused(tmp_path):
    path = finished(tmp_path).path
    whole = path.read_bytes()
    for damaged in (whole[:-20], whole + whole.splitlines(keepends=True)[0]):
        path.write_bytes(damaged)
        with pytest.raises(StoreError, match="Nothing was changed"):
            store_in(tmp_path)
    path.write_bytes(whole)
    with pytest.raises(StoreError, match="another run"):
        store_in(tmp_path, seed=1)


def test_seeds_differ_in_every_part():
    seeds = {
        sample_seed(run, name, question, number)
        for run in (0, 1) for name in ("a", "b") for question in ("0", "1", "0/0") for number in range(50)
    }  # fmt: skip
    assert len(seeds) == 2 * 2 * 3 * 50
    assert all(0 <= seed < 2**53 for seed in seeds)
    assert sample_seed(0, "aime24", "aime24/0", 0) == 2756104517388656, "a change loses every folder"


def test_file_names():
    assert file_stem("builtin/level_1") == "builtin_level_1"
    assert file_stem("../../etc.partial") == "______etc_partial"
