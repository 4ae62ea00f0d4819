# Copyright 2026 The HPT authors
# SPDX-License-Identifier: Apache-2.0
import pytest

from hpt.method import question_log
from hpt.method.gate import OFF_POLICY, RL, SFT, Coefficients


def write(folder, step, correct=1):
    scores = [[1.0] * correct + [0.0] * (4 - correct), [0.0] * 4]
    question_log.append(folder, step, 0, ["a", "b"], scores, [RL, SFT])


def test_a_line_says_what_was_asked_and_answered(tmp_path):
    question_log.append(
        tmp_path / "run",
        step=5,
        epoch=2,
        ids=["a", "b", "c"],
        scores=[[1.0, 0.0, 0.5], [1.0], [0.0, 0.0]],
        coefficients=[RL, OFF_POLICY, Coefficients(1.0, 0.0, 0.1)],
    )
    assert question_log.read(tmp_path / "run") == {
        5: {
            "step": 5,
            "epoch": 2,
            "id": ["a", "b", "c"],
            "n": [3, 1, 2],
            "correct": [1, 1, 0],
            "mean": [0.5, 1.0, 0.0],
            "route": ["rl", "off", "rl+sft"],
        }
    }
    assert question_log.route_of(Coefficients(0.0, 0.0, 0.0)) == ""


def test_a_repeated_step_takes_the_place_of_its_line_and_of_later_ones(tmp_path):
    for step, correct in ((1, 1), (2, 2), (3, 3)):
        write(tmp_path / "interrupted", step, correct)
    for step, correct in ((2, 4), (3, 1)):
        write(tmp_path / "interrupted", step, correct)
    for step, correct in ((1, 1), (2, 4), (3, 1)):
        write(tmp_path / "uninterrupted", step, correct)
    files = [tmp_path / name / question_log.FILE for name in ("interrupted", "uninterrupted")]
    assert files[0].read_bytes() == files[1].read_bytes()


def test_a_line_longer_than_a_block_is_replaced_whole(tmp_path):
    many = [f"question-{number}" for number in range(20_000)]
    for step in (1, 2, 2):
        question_log.append(tmp_path, step, 0, many, [[1.0]] * len(many), [RL] * len(many))
    lines = (tmp_path / question_log.FILE).read_text().splitlines()
    assert len(lines) == 2 and len(lines[0]) > 1 << 17
    question_log.append(tmp_path, 1, 0, ["a"], [[1.0]], [RL])
    assert len((tmp_path / question_log.FILE).read_text().splitlines()) == 1


def test_half_a_line_that_an_earlier_version_ended_makes_way_when_its_step_is_repeated(tmp_path):
    write(tmp_path, 1)
    file = tmp_path / question_log.FILE
    file.write_bytes(file.read_bytes() + b'{"step": 2, "ep\n')
    write(tmp_path, 3)
    write(tmp_path, 2)
    assert list(question_log.read(tmp_path)) == [1, 2]


def test_half_a_line_costs_no_other(tmp_path):
    write(tmp_path, 1)
    write(tmp_path, 2)
    file = tmp_path / question_log.FILE
    file.write_bytes(file.read_bytes()[:-20])
    assert list(question_log.read(tmp_path)) == [1]
    write(tmp_path, 3)
    assert list(question_log.read(tmp_path)) == [1, 3]


def test_a_strategy_that_samples_nothing_has_no_file(tmp_path):
    with pytest.raises(FileNotFoundError):
        question_log.read(tmp_path)
