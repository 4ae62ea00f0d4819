# Copyright 2026 The HPT authors
# SPDX-License-Identifier: Apache-2.0
"""The diagnosis of a tiny random Qwen2, whose expected reward can be enumerated."""

import itertools

import pytest
import torch
from transformers import Qwen2Config, Qwen2ForCausalLM

from hpt.upge import ALGORITHMS, Algorithm, parts
from recipe.hpt.reproduction.diagnose import (
    CONTRASTS,
    Question,
    Rollouts,
    Variant,
    diagnose,
    reference_gradient,
)
from recipe.hpt.reproduction.diagnose.gradients import layout_of, response_log_probs, trainable
from recipe.hpt.reproduction.diagnose.variants import PI_THETA

pytestmark = pytest.mark.slow

F64 = torch.float64
VOCABULARY, L_MAX, N = 4, 2, 4
PROMPTS = ([1, 2], [3, 0, 2])
DEMONSTRATION = [2, 1]
ON_ROLLOUTS = ["reinforce", "grpo", "dr_grpo", "cispo", "gspo"]


@pytest.fixture(scope="module")
def model():
    torch.manual_seed(0)
    config = Qwen2Config(
        vocab_size=VOCABULARY, hidden_size=8, intermediate_size=8, num_hidden_layers=1,
        num_attention_heads=2, num_key_value_heads=1, tie_word_embeddings=True,
    )  # fmt: skip
    tiny = Qwen2ForCausalLM(config).to(F64)
    for each in tiny.parameters():
        torch.nn.init.normal_(each, std=0.4)
    return tiny.eval()


def every_response() -> list[list[int]]:
    """All responses there are: two tokens, or the end token 0 alone."""
    return [[0], *(list(row) for row in itertools.product(range(1, VOCABULARY), range(VOCABULARY)))]


def reward(response) -> float:
    return float(sum(response) % 3 == 2)


def exact_gradient(model) -> torch.Tensor:
    """The gradient of mean_q sum_tau pi(tau) R(tau) by enumeration, (P,)."""
    total = 0.0
    for prompt in PROMPTS:
        log_prob, mask = response_log_probs(model, prompt, every_response())
        probability = (log_prob * mask).sum(-1).exp()
        torch.testing.assert_close(probability.sum(), torch.ones((), dtype=F64))
        total += (probability * torch.tensor([reward(x) for x in every_response()])).sum()
    found = torch.autograd.grad(total / len(PROMPTS), trainable(model))
    return torch.cat([each.flatten() for each in found])


def sampled(model, count: int, seed: int, **fields) -> list[Question]:
    """Questions with ``count`` rollouts of the model each."""
    random = torch.Generator().manual_seed(seed)
    questions = []
    for prompt in PROMPTS:
        with torch.no_grad():
            log_prob, mask = response_log_probs(model, prompt, every_response())
        probability = (log_prob * mask).sum(-1).exp()
        drawn = torch.multinomial(probability, count, replacement=True, generator=random)
        rows = [every_response()[i] for i in drawn.tolist()]
        made = {name: make(prompt, rows) for name, make in fields.items()}
        pool = Rollouts(rows, [reward(row) for row in rows], **made)
        questions.append(Question(prompt, pool, DEMONSTRATION))
    return questions


def measure(model, questions, **options):
    return diagnose(model, questions, **({"group_size": N, "max_response_length": L_MAX} | options))


@pytest.mark.parametrize("groups", [25, 150])
def test_the_reference_tends_to_the_exact_gradient_as_groups_grow(model, groups):
    """Its squared error is what its own variance predicts: W / (Q K), which falls with K."""
    reference = reference_gradient(model, sampled(model, groups * N, seed=1), N)
    exact = exact_gradient(model)
    error = (reference.direction - exact).square().sum().item()
    predicted = reference.moments.rollout_variance.sum().item() / groups
    assert predicted / 5 < error < 5 * predicted
    if groups == 150:
        assert error < 0.05 * exact.square().sum().item()
        assert reference.squared_norm == pytest.approx(exact.square().sum().item(), rel=0.25)


def test_on_policy_estimators_are_unbiased_up_to_their_scale(model):
    """R - mean gives (n - 1) / (n L_max) of the objective's gradient, and +-1 gives twice its 1 / L_max."""
    questions = sampled(model, 80 * N, seed=2)
    reference = reference_gradient(model, sampled(model, 80 * N, seed=3), N)
    variants = ["dr_grpo", "reinforce", PI_THETA]
    entries = measure(model, questions, algorithms=variants, reference=reference).entries
    relative = (N - 1) / (N * L_MAX)
    for label, scale in (
        ("dr_grpo", relative),
        (PI_THETA.label, relative),
        ("reinforce", 2 / L_MAX),
    ):
        found = entries[label]
        assert 0 < found.slope_error < 0.3 * scale
        assert abs(found.slope - scale) < 3 * found.slope_error
        assert found.cosine == pytest.approx(1, abs=0.05)
        assert 0 < found.cosine_error < 0.1


def test_standard_errors_cover_the_scatter_over_repetitions(model):
    """The pools are so small that the reference's noise counts as well. A cosine's error is conservative."""
    found = [
        measure(
            model,
            sampled(model, 20 * N, seed=100 + i),
            algorithms=["reinforce"],
            reference=reference_gradient(model, sampled(model, 20 * N, seed=200 + i), N),
        ).entries["reinforce"]
        for i in range(6)
    ]
    slopes, cosines = (torch.tensor([getattr(x, name) for x in found]) for name in ("slope", "cosine"))
    slope_error, cosine_error = (
        torch.tensor([getattr(x, name) for x in found]).median() for name in ("slope_error", "cosine_error")
    )
    assert 0.4 < slopes.std() / slope_error < 1.6
    assert 0.15 < cosines.std() / cosine_error < 1.6


def test_the_cosine_of_a_step_counts_its_noise(model):
    reference = reference_gradient(model, sampled(model, 20 * N, seed=20), N)
    questions = sampled(model, 20 * N, seed=21)
    entries = measure(model, questions, reference=reference).entries
    for each in entries.values():
        expected = each.cosine / (1 + each.relative_rollouts) ** 0.5
        assert each.step_cosine == pytest.approx(expected)
    assert entries["sft"].step_cosine == pytest.approx(entries["sft"].cosine)
    assert entries["dr_grpo"].step_cosine < 0.9 * entries["dr_grpo"].cosine


def test_a_biased_estimator_is_seen(model):
    """With inverted rewards, the variance is the same and the direction is opposite."""
    questions = sampled(model, 40 * N, seed=4)
    turned = [Question(q.prompt, Rollouts(q.pool.responses, [1 - x for x in q.pool.scores])) for q in questions]
    reference = reference_gradient(model, sampled(model, 40 * N, seed=5), N)
    right, wrong = (
        measure(model, each, algorithms=["dr_grpo"], reference=reference).entries["dr_grpo"]
        for each in (questions, turned)
    )
    assert right.cosine > 0.9
    assert wrong.cosine == pytest.approx(-right.cosine)
    assert wrong.relative_rollouts == pytest.approx(right.relative_rollouts)


def test_every_entry_is_reported_or_listed_as_not_applicable(model):
    diagnosis = measure(model, sampled(model, 5 * N + 1, seed=6), contrasts=CONTRASTS)
    assert set(diagnosis.entries) == (set(ALGORITHMS) - set(diagnosis.not_applicable)) | {c.label for c in CONTRASTS}
    assert diagnosis.not_applicable["ppo"] == "its advantage is GAE, and no critic's values are given"
    assert diagnosis.not_applicable["iw_sft"] == "it reads initial_log_prob, which is not given"
    assert not {"sft", "luffy_offline", "grpo", "dft", "topr"} & set(diagnosis.not_applicable)
    assert (diagnosis.questions, diagnosis.groups, diagnosis.gap) == (2, 5, None)
    for entry in diagnosis.entries.values():
        assert set(entry.blocks) == set(layout_of(model).names)
        total = sum(block["variance_rollouts"] for block in entry.blocks.values())
        assert total == pytest.approx(entry.variance_rollouts)
        assert entry.variance_rollouts == pytest.approx(sum(entry.variance_per_question) / 4)
        assert entry.cosine is None and entry.folds is None  # there is no reference


def test_ppo_applies_where_values_are_given(model):
    """A = R - 1/2 is half of +-1, so on-policy it has the same gradient at half the scale."""
    questions = sampled(model, 8 * N, seed=7, values=lambda _, rows: [[0.5] * len(r) for r in rows])
    entries = measure(model, questions, algorithms=["ppo", "reinforce"]).entries
    assert entries["ppo"].variance_rollouts == pytest.approx(entries["reinforce"].variance_rollouts / 4)
    assert entries["ppo"].squared_norm == pytest.approx(entries["reinforce"].squared_norm / 4)


def test_what_must_be_equal_on_policy(model):
    questions = sampled(model, 8 * N, seed=8)
    entries = measure(model, questions).entries
    for name in ("cispo", "gspo"):
        assert entries[name].variance_rollouts == pytest.approx(entries["grpo"].variance_rollouts)
    assert entries["sft"].variance_rollouts == 0
    assert entries["luffy_offline"].variance_rollouts > 0
    assert entries["reinforce"].ess_share == pytest.approx(1)
    assert entries["dr_grpo"].ess_share < 0.99
    assert all(each.stabilised == 0 for each in entries.values())


def test_scale_changes_the_variance_but_not_the_relative_one(model):
    questions = sampled(model, 8 * N, seed=9)
    near, far = (
        measure(model, questions, algorithms=["dr_grpo"], max_response_length=length).entries["dr_grpo"]
        for length in (L_MAX, 10 * L_MAX)
    )
    assert far.variance_rollouts == pytest.approx(near.variance_rollouts / 100)
    assert far.relative_rollouts == pytest.approx(near.relative_rollouts)
    assert far.ess_share == pytest.approx(near.ess_share)


def shifted(model, by: float):
    """Log-probabilities under a policy that gives every sampled token e^by times the model's probability."""

    @torch.no_grad()
    def make(prompt, rows):
        log_prob, _ = response_log_probs(model, prompt, rows)
        return [(x[: len(r)] + by).tolist() for x, r in zip(log_prob, rows, strict=True)]

    return make


def test_another_sampling_policy_is_seen_in_gap_clip_and_scale(model):
    questions = sampled(model, 8 * N, seed=10, log_probs=shifted(model, 0.5))
    diagnosis = measure(model, questions, contrasts=CONTRASTS)
    gap = diagnosis.gap
    assert (gap.mean, gap.mean_absolute, gap.largest) == pytest.approx((0.5, 0.5, 0.5))
    assert gap.outside_clip == 1
    lengths = [len(row) for q in questions for row in q.pool.responses]
    assert gap.sequence == pytest.approx(0.5 * sum(lengths) / len(lengths))
    entries = diagnosis.entries
    ratio = torch.tensor(-0.5).exp().item()
    plain, theta = entries["dr_grpo, no clip"], entries["reinforce, A = R - mean"]
    assert plain.variance_rollouts == pytest.approx(theta.variance_rollouts * ratio**2)
    # The ratio 0.61 is below the clip, which stops tokens with a negative advantage.
    assert 0 < entries["dr_grpo"].stabilised < 1
    assert entries["dr_grpo"].ess_share < plain.ess_share


def test_the_model_is_left_as_it_was(model):
    model.train()
    measure(model, sampled(model, 2 * N, seed=11))
    assert model.training and all(each.grad is None for each in model.parameters())
    model.eval()


def test_an_entry_with_an_advantage_of_its_own_is_listed_as_not_applicable(model, monkeypatch):
    strange = Algorithm(
        parts.unstabilised,
        parts.current_policy,
        parts.given_advantage("R^2"),
        parts.log_probability,
    )
    monkeypatch.setitem(ALGORITHMS, "strange", strange)
    questions = sampled(model, 2 * N, seed=12)
    assert "its advantage is 'R^2'" in measure(model, questions).not_applicable["strange"]
    named = [Variant("strange", "strange", "R - mean")]
    assert measure(model, questions, algorithms=named).entries["strange"].norm != 0


def test_groups_of_one_advantage_have_no_gradient_and_no_ratios(model):
    """If all rollouts are wrong, relative advantages are exactly 0, and a division by 0 gives no number."""
    questions = [Question(q.prompt, Rollouts(q.pool.responses, [0.0] * 8)) for q in sampled(model, 8, seed=13)]
    entry = measure(model, questions, algorithms=["grpo"]).entries["grpo"]
    assert (entry.variance_rollouts, entry.effective_sample_size) == (0, 0)
    assert (entry.norm, entry.relative_rollouts, entry.largest_weight) == (None, None, None)


def pool(count: int, **fields) -> Rollouts:
    return Rollouts([[1, 2]] * count, [0.0, 1.0] * (count // 2), **fields)


VALUED = pool(8, values=[[0.0, 0.0]] * 8)


@pytest.mark.parametrize(
    ("questions", "options", "message"),
    [
        ([], {}, "got no questions; expected at least one"),
        ([Question([1], pool(8))], {"group_size": 1}, "got a group size of 1; .* n >= 2"),
        ([Question([1], pool(2))], {}, "got 2 rollouts per question, fewer than a group of 4"),
        ([Question([1], pool(4))], {}, "a variance needs two groups: expected at least 8 rollouts"),
        ([Question([1], pool(8)), Question([1], pool(10))], {}, "got pools of 8 to 10 rollouts"),
        ([Question([], pool(8))], {}, "got a question without prompt tokens"),
        ([Question([1], pool(8))], {"max_response_length": 1}, "got a response of 2 tokens"),
        ([Question([1], pool(8))], {"algorithms": ["grop"]}, "Unknown algorithm 'grop'. Available: chord_phi, .*sft"),
        ([Question([1], pool(8))], {"algorithms": ["sft"]}, "cannot diagnose 'sft': .*demonstrations"),
        ([Question([1], pool(8))], {"algorithms": ["ppo"]}, "cannot diagnose 'ppo': .*GAE, and no critic's values"),
        ([Question([1], pool(8))], {"algorithms": ["sft", "sft"]}, "got two variants labelled 'sft'"),
        ([Question([1], pool(8), [2]), Question([1], pool(8))], {}, "got demonstrations for 1 of 2 questions"),
        ([Question([1], VALUED), Question([1], pool(8))], {}, "got values for 1 of 2 questions"),
    ],
)  # fmt: skip
def test_bad_input_is_one_message(model, questions, options, message):
    with pytest.raises(ValueError, match=message):
        measure(model, questions, **options)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (([[1]], [0.0, 1.0]), "got 1 responses and 2 scores"),
        (([[]], [0.0]), "got a response without tokens"),
        (([[1]], [2.0]), r"got a score of 2.0; expected scores in \[0, 1\]"),
        (([[1]], [float("nan")]), "got a score of nan"),
        (([[1, 2]], [1.0], [[0.0]]), "got log_probs of other lengths than the responses"),
    ],
)
def test_bad_rollouts_are_one_message(arguments, message):
    with pytest.raises(ValueError, match=message):
        Rollouts(*arguments)


def test_a_reference_of_other_questions_or_another_policy_is_refused(model):
    questions = sampled(model, 8, seed=14)
    reference = reference_gradient(model, questions, N)
    with pytest.raises(ValueError, match="a reference gradient for other questions"):
        measure(model, questions[::-1], reference=reference)
    off_policy = sampled(model, 8, seed=14, log_probs=shifted(model, 0.1))
    with pytest.raises(ValueError, match="rollouts with log_probs of another policy"):
        reference_gradient(model, off_policy, N)
