# Copyright 2026 The HPT authors
# SPDX-License-Identifier: Apache-2.0
"""The study's data: disjoint sets, and stages that read on."""

import shutil

import pyarrow.parquet as pq
import pytest
from torch.utils.data import SequentialSampler
from torchdata.stateful_dataloader import StatefulDataLoader

from recipe.hpt.reproduction.study import data
from recipe.hpt.reproduction.task.questions import HALVES, VAL_LEVELS, all_problems, half_of


@pytest.fixture(scope="module")
def folders(tmp_path_factory):
    root = tmp_path_factory.mktemp("study")
    made = [root / f"task-seed{seed}" for seed in (0, 1, 100)]
    for folder, seed in zip(made, (0, 1, 100), strict=True):
        data.write_splits(folder, seed)
    return made


def test_no_test_question_is_in_any_seeds_training_or_development_set(folders):
    data.check_disjoint(folders)
    test = set.union(*(data.questions_of(folder / data.TEST) for folder in folders))
    other = [data.questions_of(folder / name) for folder in folders for name in (data.TRAIN, data.DEV)]
    assert not test & set.union(*other)
    assert data.questions_of(folders[0] / data.TEST) != data.questions_of(folders[1] / data.TEST)


def test_every_level_has_its_questions_once(folders):
    for name in (data.DEV, data.TEST):
        rows = pq.read_table(folders[0] / name).to_pylist()
        assert len(data.questions_of(folders[0] / name)) == len(rows) == 64 * 7
        assert [row["extra_info"]["level"] for row in rows] == sorted([*range(1, 8)] * 64)


def test_both_halves_have_enough_questions():
    for level in VAL_LEVELS:
        halves = [half_of(problem) for problem in all_problems(level, held_out=True)]
        assert min(halves.count(half) for half in HALVES) >= data.HELD_OUT_PER_LEVEL


@pytest.mark.parametrize(("one", "other"), [(data.TRAIN, data.TEST), (data.DEV, data.TEST), (data.TRAIN, data.DEV)])
def test_a_shared_question_is_found_even_across_seeds(folders, tmp_path, one, other):
    copies = [shutil.copytree(folder, tmp_path / folder.name) for folder in folders]
    shutil.copy(copies[0] / other, copies[2] / one)
    with pytest.raises(ValueError, match=f"questions both in .*seed100/{one} and in .*/{other}"):
        data.check_disjoint(copies)


def test_a_second_stage_reads_on_and_then_from_the_start(folders):
    folder = folders[0]
    data.write_part(folder / data.TRAIN, 1280)
    rows = pq.read_table(folder / data.TRAIN).to_pylist()
    moved = pq.read_table(data.part_file(folder / data.TRAIN, 1280)).to_pylist()
    assert moved == rows[1280:] + rows[:1280]
    assert data.part_file(folder / data.TRAIN, 0) == folder / data.TRAIN


def test_reading_in_order_resumes_where_it_stopped():
    """verl's loader without shuffling, as the study uses it."""

    def loader():
        numbers = list(range(40))
        return StatefulDataLoader(numbers, batch_size=4, num_workers=0, sampler=SequentialSampler(numbers))

    first, batches = loader(), []
    for number, batch in enumerate(first):
        batches.append(batch.tolist())
        if number == 2:
            state = first.state_dict()
    resumed = loader()
    resumed.load_state_dict(state)
    assert [batch.tolist() for batch in resumed] == batches[3:]


def test_other_demonstrations_change_the_training_file_and_nothing_else(folders, tmp_path):
    cell = "wrong_step=0.3,coverage=0.25"
    data.write_splits(tmp_path, 0, cells=["", cell], extra_sets=True)
    train = data.train_file(tmp_path, cell)
    assert (tmp_path / data.TRAIN).read_bytes() == (folders[0] / data.TRAIN).read_bytes()
    for name in (data.DEV, data.TEST):
        assert (tmp_path / name).read_bytes() == (folders[0] / name).read_bytes()
    assert data.questions_of(train) == data.questions_of(folders[0] / data.TRAIN)
    covered = pq.read_table(data.covered_file(tmp_path, cell)).to_pylist()
    assert 0.23 < len(covered) / data.TRAIN_SIZE < 0.27
    assert data.covered_file(tmp_path, "wrong_step=0.3") is None
    assert {path.stem for path in tmp_path.glob("ood_*")} == set(data.EXTRA)
    assert sorted(path.name for path in folders[0].iterdir() if path.suffix == ".json") == []


def test_a_few_covered_questions_are_repeated_until_they_fill_the_batches(folders):
    file = folders[0] / data.DEV
    rows = pq.read_table(file).to_pylist()
    data.write_part(file, 3, len(rows) + 5)
    assert pq.read_table(data.part_file(file, 3, len(rows) + 5)).to_pylist() == (rows * 2)[3 : len(rows) + 8]
