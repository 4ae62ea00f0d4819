# Copyright 2026 The HPT authors
# SPDX-License-Identifier: Apache-2.0
"""Wrong, missing and otherwise written demonstrations: which questions they are, and what is in them."""

import hashlib
import json
import re
from collections import Counter
from itertools import pairwise

import pyarrow.parquet as pq
import pytest

from hpt.common.errors import ConfigError
from hpt.data.checks import check_files
from hpt.verifier import VerifierPool
from recipe.hpt.reproduction.task import demonstrations as knobs
from recipe.hpt.reproduction.task import questions as task
from recipe.hpt.reproduction.task.demonstrations import (
    KINDS,
    NONE,
    RIGHT,
    RIGHT_AFTER_WRONG,
    STYLES,
    WRONG_STEP,
    Demonstrations,
)
from recipe.hpt.reproduction.task.model import MAX_LENGTH
from tests.unit.reproduction.task.tiny import encode

COUNTS = {level: 60 for level in task.TRAIN_LEVELS}
TODAY = {
    "train": "67e71220d7ee869e7559e4cb9e1d1c79f930c9b70078088135c6325edb27ab71",
    "val": "53f40418679983cecdd121c3d892f67003d486aeac2296401487ca90651eef42",
}
"""SHA-256 of the rows, as JSON, of the task of seed 0 with 120 training questions and 3 held-out ones per level."""


def split(seed=0, counts=COUNTS, **settings):
    return task.make_split("train", counts, seed, demonstrations=Demonstrations(**settings))


def of_kind(rows, *kinds):
    return {row["prompt"][0]["content"] for row in rows if row["extra_info"]["demonstration"] in kinds}


# ---- the defaults ----


@pytest.mark.parametrize("demonstrations", [None, Demonstrations()])
def test_the_defaults_write_the_task_as_it_was(tmp_path, demonstrations):
    paths = task.write_task(tmp_path, 0, train_size=120, val_per_level=3, demonstrations=demonstrations)
    for path in paths:
        rows = json.dumps(pq.read_table(path).to_pylist()).encode()
        assert hashlib.sha256(rows).hexdigest() == TODAY[path.stem]


def test_the_defaults_give_the_same_bytes_as_no_settings(tmp_path):
    before = task.write_task(tmp_path / "a", seed=1, train_size=120, val_per_level=2)
    after = task.write_task(tmp_path / "b", seed=1, train_size=120, val_per_level=2, demonstrations=Demonstrations())
    for one, other in zip(before, after, strict=True):
        assert one.read_bytes() == other.read_bytes()


def test_questions_answers_and_order_stay_whatever_the_settings():
    plain = task.make_split("train", COUNTS, 0)
    rows = split(wrong_step=0.3, right_after_wrong=0.2, coverage=0.5, style="verbose")
    for before, after in zip(plain, rows, strict=True):
        for name in ("prompt", "data_source", "reward_model", "ability"):
            assert before[name] == after[name]


def test_validation_files_do_not_depend_on_the_settings(tmp_path):
    _, before = task.write_task(tmp_path / "a", train_size=12, val_per_level=2)
    wrong = Demonstrations(wrong_step=1, style="notation")
    _, after = task.write_task(tmp_path / "b", train_size=12, val_per_level=2, demonstrations=wrong)
    assert before.read_bytes() == after.read_bytes()


# ---- which questions ----


@pytest.mark.parametrize("coverage", [0, 0.1, 0.25, 0.5, 1])
@pytest.mark.parametrize(
    ("wrong_step", "right_after_wrong"), [(0.3, 0), (0, 0.3), (0.125, 0.4), (0.7, 0.3), (0.5, 0.5)]
)
def test_shares_are_exact_to_rounding_on_every_level(coverage, wrong_step, right_after_wrong):
    settings = Demonstrations(coverage=coverage, wrong_step=wrong_step, right_after_wrong=right_after_wrong)
    for level in (1, 4):
        problems = task.all_problems(level, held_out=False)[:121]
        numbers = Counter(settings.kinds(problems, seed=3).values())
        covered = len(problems) - numbers[NONE]
        assert numbers.total() == 121
        assert abs(covered - coverage * 121) <= 0.5
        assert abs(numbers[WRONG_STEP] - wrong_step * covered) <= 0.5
        assert abs(numbers[RIGHT_AFTER_WRONG] - right_after_wrong * covered) <= 1


@pytest.mark.parametrize(
    ("name", "affected"),
    [("wrong_step", WRONG_STEP), ("right_after_wrong", RIGHT_AFTER_WRONG), ("coverage", RIGHT)],
)
def test_a_larger_share_has_the_questions_of_a_smaller_one(name, affected):
    problems = [problem for level in (1, 4) for problem in task.all_problems(level, held_out=False)[:130]]
    before: set[task.Problem] = set()
    for share in (0, 0.1, 0.3, 0.31, 0.7, 1):
        kinds = Demonstrations(**{name: share}).kinds(problems, seed=0)
        now = {problem for problem, kind in kinds.items() if kind == affected}
        assert before <= now
        before = now
    assert before == set(problems)


def test_a_smaller_share_of_wrong_ones_is_nested_at_any_coverage_and_with_the_same_mistakes():
    few, more = (split(coverage=0.5, wrong_step=share, right_after_wrong=share) for share in (0.1, 0.3))
    for kind in (WRONG_STEP, RIGHT_AFTER_WRONG):
        assert of_kind(few, kind) < of_kind(more, kind)
    assert of_kind(few, NONE) == of_kind(more, NONE)
    for one, other in zip(few, more, strict=True):
        if one["extra_info"]["demonstration"] == other["extra_info"]["demonstration"]:
            assert one["target"] == other["target"]


def test_a_question_that_the_file_repeats_has_one_demonstration():
    rows = split(counts={1: 1500}, wrong_step=0.4, right_after_wrong=0.2, coverage=0.6)
    targets: dict[str, set] = {}
    for row in rows:
        targets.setdefault(row["prompt"][0]["content"], set()).add(row["target"])
    assert len(targets) < len(rows) and all(len(each) == 1 for each in targets.values())


def test_in_a_file_with_every_question_the_size_changes_nothing():
    assert of_kind(split(counts={2: 900}, wrong_step=0.3), WRONG_STEP) == of_kind(
        split(counts={2: 1700}, wrong_step=0.3), WRONG_STEP
    )


def test_the_seed_decides_the_questions_and_the_mistakes():
    settings = {"wrong_step": 0.3, "right_after_wrong": 0.3, "coverage": 0.5}
    assert split(seed=5, **settings) == split(seed=5, **settings)
    problems = task.all_problems(3, held_out=False)
    one, other = (Demonstrations(**settings).kinds(problems, seed) for seed in (5, 6))
    assert one != other
    assert knobs.with_slip(problems[0], 5, False) == knobs.with_slip(problems[0], 5, False)
    assert any(knobs.with_slip(each, 5, False) != knobs.with_slip(each, 6, False) for each in problems)


# ---- what is in them ----


@pytest.fixture(scope="module")
def pool():
    with VerifierPool(workers=1) as started:
        yield started


@pytest.mark.parametrize("style", STYLES)
@pytest.mark.parametrize("kind", [RIGHT, WRONG_STEP, RIGHT_AFTER_WRONG])
def test_the_verifier_judges_answers_as_the_row_says(pool, style, kind):
    share = {"wrong_step": kind == WRONG_STEP, "right_after_wrong": kind == RIGHT_AFTER_WRONG}
    settings = Demonstrations(style=style, **{name: float(value) for name, value in share.items()})
    rows = task.make_split("train", dict.fromkeys(range(1, 10), 60), 2, demonstrations=settings)
    if kind != RIGHT or style != "model":
        assert {row["extra_info"]["demonstration"] for row in rows} == {kind}
        assert {row["extra_info"]["style"] for row in rows} == {style}
    verdicts = pool.verify_many((row["target"], row["reward_model"]["ground_truth"], "math") for row in rows)
    assert {verdict.score for verdict in verdicts} == {0.0 if kind == WRONG_STEP else 1.0}


@pytest.mark.parametrize("level", range(1, 10))
def test_a_mistake_is_one_wrong_addition_that_is_carried_on(level):
    for problem in task.all_problems(level, held_out=False)[::40]:
        right, wrong = task.running_sums(problem), knobs.with_slip(problem, 0, recovers=False)
        steps = [(after - before) % 100 for before, after in pairwise(wrong)]
        assert wrong[0] == right[0] and wrong[-1] != right[-1]
        assert len([step for step in steps if step != problem.addend]) == 1


@pytest.mark.parametrize("level", range(2, 10))
def test_a_mistake_that_recovers_is_in_between(level):
    for problem in task.all_problems(level, held_out=False)[::40]:
        right, wrong = task.running_sums(problem), knobs.with_slip(problem, 0, recovers=True)
        assert (wrong[0], wrong[-1]) == (right[0], right[-1]) and wrong != right


@pytest.mark.parametrize("style", STYLES)
def test_level_one_shows_a_wrong_sum_before_the_right_answer(style):
    (row,) = split(counts={1: 1}, style=style, right_after_wrong=1)
    answer = row["reward_model"]["ground_truth"]
    assert task.boxed_answer(row["target"]) == answer
    assert answer not in row["target"].partition(r" \boxed")[0]


def test_the_documented_examples():
    problem = task.Problem(37, 8, 3)
    assert knobs.styled(problem, "model") == task.solution_text(problem)
    assert knobs.styled(problem, "verbose") == (
        "do 37+8x3:\n3:37+8=45.\n2:45+8=53.\n1:53+8=61.\n0:61 \\boxed{61}"
    )  # fmt: skip
    assert knobs.styled(problem, "reversed") == r"0:61,1:53+8,2:45+8,3:37+8 \boxed{61}"
    assert knobs.styled(problem, "notation") == r"37+8x3=45+8x2=53+8x1=61 \boxed{61}"


def test_styles_differ_on_every_level():
    for level in range(1, 10):
        assert len({knobs.styled(task.Problem(37, 8, level), style) for style in STYLES}) == len(STYLES)


@pytest.mark.parametrize("style", STYLES)
def test_texts_are_within_the_vocabulary_and_their_length_is_known(tokenizer, style):
    letters = re.compile("|".join(map(re.escape, sorted(tokenizer.get_vocab(), key=len, reverse=True))))
    for level in range(1, 10):
        for problem in (task.Problem(0, 1, level), task.Problem(99, 9, level), task.Problem(37, 8, level)):
            text = knobs.styled(problem, style)
            ids = encode(tokenizer, text)
            assert tokenizer.decode(ids) == text
            assert tokenizer.pad_token_id not in ids and tokenizer.eos_token_id not in ids
            assert not letters.sub("", text.replace(" ", "").replace("\n", ""))
            assert len(ids) + 1 == knobs.tokens_of(text) == knobs.longest(style, level)
            assert len(encode(tokenizer, task.question_text(problem))) + len(ids) + 1 <= MAX_LENGTH


def test_the_documented_lengths():
    last, hardest = max(task.TRAIN_LEVELS), max(task.VAL_LEVELS)
    assert {style: (knobs.longest(style, last), knobs.longest(style, hardest)) for style in STYLES} == {
        "model": (54, 61), "verbose": (89, 100), "reversed": (54, 61), "notation": (52, 59)
    }  # fmt: skip
    fits = [style for style in STYLES if knobs.longest(style, hardest) <= task.MAX_SOLUTION_TOKENS]
    assert fits == ["model", "reversed", "notation"]


# ---- files, summary, refusals ----


@pytest.mark.parametrize("coverage", [0, 0.25])
def test_rows_without_a_demonstration_are_as_readers_expect(tmp_path, coverage):
    settings = Demonstrations(coverage=coverage)
    train, _ = task.write_task(tmp_path, train_size=240, val_per_level=1, demonstrations=settings)
    table = pq.read_table(train)
    assert str(table.schema.field("target").type) == "string"
    for row in table.to_pylist():
        assert (row["target"] is None) == (row["extra_info"]["demonstration"] == NONE)
    (report,) = check_files([str(train)])
    assert report.with_target == 240 * coverage and not report.problems


def test_the_summary_counts_questions_and_rows(tmp_path):
    settings = Demonstrations(wrong_step=0.25, right_after_wrong=0.5, coverage=0.5, style="reversed")
    rows = split(counts={1: 1500, 3: 40}, wrong_step=0.25, right_after_wrong=0.5, coverage=0.5, style="reversed")
    text = knobs.write_summary(tmp_path, settings, 0, rows)
    found = json.loads((tmp_path / knobs.SUMMARY).read_text())
    assert Demonstrations(**found["settings"]) == settings and found["seed"] == 0
    assert found["levels"]["3"]["questions"] == {RIGHT: 5, WRONG_STEP: 5, RIGHT_AFTER_WRONG: 10, NONE: 20}
    assert sum(found["levels"]["1"]["rows"].values()) == 1500
    assert sum(found["levels"]["1"]["questions"].values()) == len(task.all_problems(1, held_out=False))
    assert all(kind in text for kind in (*KINDS, "reversed"))


def test_labels_name_what_is_not_the_default():
    assert Demonstrations().label == ""
    assert Demonstrations(wrong_step=0.3, coverage=0.25).label == "wrong_step0.3-coverage0.25"
    assert Demonstrations(style="verbose").label == "style_verbose"


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"wrong_step": 1.5}, r"got wrong_step=1\.5; expected a number in \[0, 1\]"),
        ({"right_after_wrong": -0.1}, "got right_after_wrong=-0.1; expected"),
        ({"coverage": "half"}, "got coverage='half'; expected"),
        ({"coverage": float("nan")}, "got coverage=nan; expected"),
        ({"wrong_step": 0.6, "right_after_wrong": 0.5}, "add up to at most 1"),
        ({"style": "loud"}, r"Unknown style 'loud'\. Available: model, notation, reversed, verbose"),
        ({"covrage": 0.5}, "Did you mean coverage"),
    ],
)
def test_bad_settings_are_refused(settings, message):
    with pytest.raises(ConfigError, match=message):
        Demonstrations(**settings)


def test_an_unknown_style_is_refused_by_name():
    with pytest.raises(ConfigError, match="Unknown style 'loud'"):
        knobs.styled(task.Problem(1, 1, 1), "loud")
