# Copyright 2026 The HPT authors
# SPDX-License-Identifier: Apache-2.0
"""The released code's arithmetic, from a batch's scores to each optimizer step's gradient, by its formulas in loops.

The witness has no line of ours: it knows scores, lengths and token probabilities, and which rows share a micro-batch.
"""

import math
import random
from collections import defaultdict
from statistics import fmean
from types import SimpleNamespace

import pytest
import torch

from hpt.common.errors import ConfigError
from hpt.method.config import HPTConfig
from hpt.method.estimator.composite import composite_of, terms_of
from hpt.method.estimator.loss import hybrid_loss
from hpt.method.estimator.rows import Rows
from hpt.method.routing import Question, Row, RowKind, route
from hpt.verl_ext import rows as row_io
from hpt.verl_ext.layout import lay_out_by_rows

ROLLOUT, DEMONSTRATION = RowKind.ROLLOUT, RowKind.DEMONSTRATION
L_MAX, ENTROPY_COEFF, EOS = 12, 0.001, 0


def placed_row(kind: RowKind, number: int, tokens: int) -> row_io.PlacedRow:
    key = f"1-{number}_0_0" if kind == ROLLOUT else f"1-{number}-demonstration_0_0"
    row = Row(kind, f"1-{number}", key, step=0, advantage=0.0, rl_weight=1.0)
    return row_io.PlacedRow(row, key, {"seq_len": tokens, row_io.KIND_TAG: int(kind)})


# ---- optimizer steps ----


@pytest.mark.parametrize(
    ("sft_questions", "expected"),
    [
        (32, [(512, 0), (256, 32)]),  # 100 rows per rank: 64, then 36
        (102, [(208, 102)]),  # 39 per rank: a single step
        (0, [(512, 0), (512, 0)]),
        (128, [(0, 128)]),
    ],
)
def test_a_batch_of_128_questions_is_cut_as_by_the_released_code(queue, sft_questions, expected):
    """8 ranks of 64 rows; rollouts come first. The counts of rollouts and demonstrations follow from that alone."""
    lengths = random.Random(1)
    rows = [
        placed_row(ROLLOUT, 8 * question + number, lengths.randint(200, 2000))
        for question in range(128 - sft_questions)
        for number in range(8)
    ]
    rows += [placed_row(DEMONSTRATION, number, lengths.randint(2000, 5000)) for number in range(sft_questions)]
    recut, layout = lay_out_by_rows(rows, ranks=8, step_size=64, partition_id="train", eos_token_id=EOS)
    counts: dict[int, list[int]] = defaultdict(lambda: [0, 0])
    for row in recut:
        counts[row.row.step][row.row.kind == DEMONSTRATION] += 1
    got = [tuple(counts[step]) for step in sorted(counts)]
    assert [sum(step) for step in got] == [sum(step) for step in expected]
    if sft_questions in (0, 102, 128):
        assert got == expected
    else:  # how many demonstrations a rank has depends on its lengths
        assert abs(got[0][1] - expected[0][1]) <= 8
    assert layout.step_rows == [min(64, len(rows) // 8 + (len(rows) % 8 > 0) - 64 * step) for step in range(len(got))]
    assert len(layout.keys) == 8 * sum(layout.step_rows)


@pytest.mark.parametrize("ranks", [1, 2, 3])
def test_each_rank_has_its_rows_in_the_batchs_order_and_as_many_as_the_others(queue, ranks):
    lengths = random.Random(2)
    rows = [placed_row(ROLLOUT, number, lengths.randint(1, 100)) for number in range(10)]
    rows += [placed_row(DEMONSTRATION, number, lengths.randint(1, 100)) for number in range(4)]
    recut, layout = lay_out_by_rows(rows, ranks=ranks, step_size=3, partition_id="train", eos_token_id=EOS)
    order = {row.key: place for place, row in enumerate(rows)}
    steps = {row.key: row.row.step for row in recut}
    per_rank = len(layout.keys) // ranks
    for rank in range(ranks):
        keys = [key for key in layout.keys[rank * per_rank : (rank + 1) * per_rank] if key in order]
        places = [order[key] for key in keys]
        assert places == sorted(places)
        assert [steps[key] for key in keys] == [place // 3 for place in range(len(keys))]
    tokens = [
        sum(tag["seq_len"] for tag in layout.tags[rank * per_rank : (rank + 1) * per_rank]) for rank in range(ranks)
    ]
    assert max(tokens) - min(tokens) <= 100  # balanced by tokens


# ---- gradients ----


def batch_of(strategy: str, seed: int) -> list[SimpleNamespace]:
    """Questions with scores and token log-probabilities; unsolved, mixed and solved, demonstrations right and wrong."""
    draw = random.Random(seed)
    rollouts = 3 if strategy in ("luffy", "srft") else 4
    questions = []
    for number, (solved, gold) in enumerate([(0, 1.0), (rollouts, 1.0), (1, 0.0), (2, 1.0), (0, 0.0)]):
        scores = [1.0] * solved + [0.0] * (rollouts - solved)
        draw.shuffle(scores)
        questions.append(
            SimpleNamespace(
                uid=f"1-{number}", scores=scores, gold=gold,
                lengths=[draw.randint(1, L_MAX) for _ in scores], solution=draw.randint(1, L_MAX),
            )
        )  # fmt: skip
    return questions


def random_tokens(seed: int, rows: int) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    generator = torch.Generator().manual_seed(seed)
    log_prob = -3 * torch.rand(rows, L_MAX, generator=generator, dtype=torch.float64)
    old = log_prob + 0.3 * torch.randn(rows, L_MAX, generator=generator, dtype=torch.float64)
    entropy = 2 * torch.rand(rows, L_MAX, generator=generator, dtype=torch.float64)
    return log_prob, old, entropy


def released_loss(strategy, rows, log_prob, old, entropy, sft_coef) -> torch.Tensor:
    """Loss of one micro-batch on one rank.

    Args:
        rows: (is a demonstration, its advantage, whether it counts as correct, its tokens), one per row.
    """
    total, sft_tokens, entropies = log_prob.new_zeros(()), [], []
    for row, (is_demonstration, advantage, correct, length) in enumerate(rows):
        h = fmean(entropy[row, :length].tolist())
        for token in range(length):
            p, entropies = log_prob[row, token].exp(), [*entropies, entropy[row, token]]
            if is_demonstration and strategy != "switch":
                total = total - advantage * p / (p + 0.1) / L_MAX
            if is_demonstration and strategy == "switch":
                sft_tokens.append(-log_prob[row, token])
            if is_demonstration and strategy == "srft":
                sft_tokens.append(-log_prob[row, token] * 0.5 * math.exp(-h))
            if not is_demonstration and strategy == "srft":
                weight = 0.1 * math.exp(h) if correct else -1.0
                total = total - weight * log_prob[row, token] / L_MAX
            elif not is_demonstration:
                ratio = (log_prob[row, token] - old[row, token]).exp()
                total = total - advantage * ratio / L_MAX
    if sft_tokens:
        total = total + sft_coef * sum(sft_tokens) / len(sft_tokens)
    return total - ENTROPY_COEFF * sum(entropies) / len(entropies)


def witness_rows(strategy: str, questions) -> dict[str, tuple]:
    """The rows that train, by name, in the released code's order."""
    first, last = {}, {}
    for question in questions:
        group = list(question.scores)
        if strategy in ("luffy", "srft"):
            group.append(question.gold)
            advantages = [score - fmean(group) for score in group]
            first[f"{question.uid} demonstration"] = (True, advantages[-1], question.gold > 0, question.solution)
        elif sum(question.scores) == 0:
            last[f"{question.uid} demonstration"] = (True, None, None, question.solution)
            continue
        else:
            advantages = [score - fmean(group) for score in group]
        for number, score in enumerate(question.scores):
            row = (False, advantages[number], score > 0, question.lengths[number])
            first[f"{question.uid} {number}"] = row
    return {**first, **last}


@pytest.mark.parametrize("sft_coef", [1.0, 0.3])
@pytest.mark.parametrize("ranks", [1, 2])
@pytest.mark.parametrize("strategy", ["switch", "luffy", "srft"])
def test_gradients_are_those_of_the_released_formulas(queue, strategy, ranks, sft_coef):
    if strategy != "switch":
        sft_coef = 1.0 if strategy == "srft" else sft_coef
    questions = batch_of(strategy, seed=ranks)
    known = witness_rows(strategy, questions)
    settings = HPTConfig(strategy=strategy, normalization="released", sft_coef=sft_coef)
    rollouts, demonstrations = terms_of(settings)
    plan = route(
        [
            Question(
                question.uid, [f"{question.uid} {number}" for number in range(len(question.scores))], question.scores,
                [1] * question.solution, question.lengths, demonstration_score=question.gold,
            )
            for question in questions
        ],
        settings.feedback,
        rollouts=rollouts, demonstrations=demonstrations,
        normalization=settings.normalization_with(len(questions), L_MAX, ranks),
        sft_coef=sft_coef, keep_idle=True,
    )  # fmt: skip
    named = {row.key or f"{row.uid} demonstration": row for row in plan.rows}
    assert set(named) == set(known)

    # Any micro-batches will do: here they are of up to three rows, dealt out in turn.
    names = list(known)
    log_prob, old, entropy = random_tokens(7, len(names))
    where = {name: place for place, name in enumerate(names)}
    ours, theirs = (log_prob.clone().requires_grad_() for _ in range(2))
    got, expected = torch.zeros((), dtype=torch.float64), torch.zeros((), dtype=torch.float64)
    composite = composite_of(settings)
    for rank in range(ranks):
        mine = names[rank::ranks]
        for start in range(0, len(mine), 3):
            group = mine[start : start + 3]
            index = [where[name] for name in group]
            rows = [named[name] for name in group]
            lengths = torch.tensor([known[name][3] for name in group])
            mask = torch.arange(L_MAX) < lengths.unsqueeze(1)
            micro_batch = Rows(
                ours[index], old[index],
                torch.tensor([row.advantage for row in rows], dtype=torch.float64).unsqueeze(1).expand(-1, L_MAX),
                mask,
                torch.tensor([int(row.kind) for row in rows]),
                torch.tensor([row.rl_weight for row in rows], dtype=torch.float64),
                torch.tensor([row.sft_weight for row in rows], dtype=torch.float64),
            )  # fmt: skip
            loss = hybrid_loss(micro_batch, composite, entropy=entropy[index], entropy_coeff=ENTROPY_COEFF / ranks)
            got = got + loss.total
            mean = released_loss(
                strategy, [known[name] for name in group], theirs[index], old[index], entropy[index], sft_coef
            )
            expected = expected + mean / ranks
    assert float(got) == pytest.approx(float(expected), rel=1e-12)
    (gradient,), (wanted,) = torch.autograd.grad(got, ours), torch.autograd.grad(expected, theirs)
    assert torch.allclose(gradient, wanted, rtol=1e-12, atol=1e-14)
    assert float(wanted.abs().max()) > 1e-3


def test_a_solved_question_keeps_its_demonstration_for_the_mean_of_the_entropy():
    settings = HPTConfig(strategy="luffy", normalization="released")
    rollouts, demonstrations = terms_of(settings)

    def kinds(normalization, keep_idle):
        plan = route(
            [Question("a", ["a_0", "a_1"], [1.0, 1.0], [5, 6], [2, 2])], settings.feedback, rollouts=rollouts,
            demonstrations=demonstrations, normalization=normalization, keep_idle=keep_idle,
        )  # fmt: skip
        return [row.kind for row in plan.rows]

    released = settings.normalization_with(1, L_MAX, 1)
    prompt = HPTConfig().normalization_with(1, L_MAX, 1)
    assert kinds(released, keep_idle=True) == [ROLLOUT, ROLLOUT, DEMONSTRATION]
    assert kinds(released, keep_idle=False) == []
    assert kinds(prompt, keep_idle=True) == [ROLLOUT, ROLLOUT]  # its entropy term acts on rollouts


# ---- settings that contradict it ----


@pytest.mark.parametrize("name", ["grpo", "gspo", "cispo"])
def test_an_entry_with_another_advantage_or_length_is_refused(name):
    with pytest.raises(ConfigError) as error:
        composite_of(HPTConfig(normalization="released", rollout_algorithm=name))
    assert f"got hpt.rollout_algorithm={name} and hpt.normalization=released" in str(error.value)
    composite_of(HPTConfig(normalization="released", rollout_algorithm="dr_grpo"))


def test_a_length_of_ones_own_is_refused():
    with pytest.raises(ConfigError, match=r"got hpt\.length=step and hpt\.normalization=released"):
        HPTConfig(normalization="released", length="step")
