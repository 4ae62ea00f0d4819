# Copyright 2026 The HPT authors
# SPDX-License-Identifier: Apache-2.0
"""Measure how fast the pool verifies, against a plain loop over math-verify in one process.

    hpt verify bench

Pairs of answers like those of MATH are made from a seed. The plain loop parses and compares each pair, as a program
without a pool would. Rounds alternate between loop and pool, and figures are medians over rounds. The exact screen
decides some of the pairs without algebra; the ratio over the other pairs alone is given as well.

If math-verify does not end on a share h of the answers, no pool of w workers can do more checks per second than
w / (mean benign seconds + h * timeout). The bench says which part of this bound is reached.
"""

import logging
import random
import statistics
import time
from collections.abc import Sequence
from dataclasses import dataclass

from tqdm import tqdm

from hpt.verifier.judge import screen
from hpt.verifier.pool import VerifierPool

Pair = tuple[str, str]
# math-verify computes these without end.
ENDLESS = (r"\sum_{n=1}^{10^{9}} \frac{1}{n^3}", r"100000000!", r"\binom{10^8}{5 \cdot 10^7}", r"(10^9)!")


@dataclass(frozen=True)
class Figures:
    """Medians over rounds.

    Attributes:
        workers, pairs: the size of the measurement.
        screened_share: share of the pairs that need no algebra.
        loop_per_s, pool_per_s: checks per second over all pairs.
        ratio, ratio_algebra: the pool's speed over the loop's, over all pairs and over those that need algebra.
        hostile_share, timeout_s: share of endless answers in the hostile part, and its time limit in seconds.
        hostile_per_s, bound_per_s: checks per second in the hostile part, and the bound.
    """

    workers: int
    pairs: int
    screened_share: float
    loop_per_s: float
    pool_per_s: float
    ratio: float
    ratio_algebra: float
    hostile_share: float
    timeout_s: float
    hostile_per_s: float
    bound_per_s: float

    @property
    def of_bound(self) -> float:
        """The part of the bound that is reached."""
        return self.hostile_per_s / self.bound_per_s


def benign_pairs(count: int, seed: int) -> list[Pair]:
    """Right and wrong (answer, gold answer) pairs in the proportions of MATH: half of them are integers."""
    rng = random.Random(seed)
    return [_pair(rng) for _ in range(count)]


def _pair(rng: random.Random) -> Pair:
    a, b, c = rng.randint(1, 99), rng.randint(2, 99), rng.randint(2, 9)
    right = rng.random() < 0.5
    other = a if right else a + 1
    if rng.random() < 0.5:
        return str(other), str(a)
    return rng.choice(
        (
            (rf"\dfrac{{{other * c}}}{{{b * c}}}", rf"\frac{{{a}}}{{{b}}}"),
            (rf"{other}.5", rf"\frac{{{2 * a + 1}}}{{2}}"),
            (rf"{other}\sqrt{{{c * c * b}}}", rf"{a * c}\sqrt{{{b}}}"),
            (rf"{b}+x^2+{other}x", rf"x^2+{a}x+{b}"),
            (rf"({other}, {b})", rf"\left({a},{b}\right)"),
            (rf"[{other},\infty)", rf"\left[{a}, \infty\right)"),
            (rf"\frac{{{other}\pi}}{{{b}}}", rf"{a}\pi/{b}"),
            (rf"{other}^\circ", rf"{a} \text{{ degrees}}"),
            (r"\text{east}" if right else "west", r"\text{ east }"),
        )
    )


def measure(workers: int, pairs: int, hostile: float, timeout_s: float, seed: int, rounds: int) -> Figures:
    """Run the benchmark, with a progress bar over the rounds.

    Raises:
        ValueError: a number out of range.
    """
    if pairs < 1 or rounds < 1:
        raise ValueError(f"got {pairs} pairs and {rounds} rounds; expected at least 1 of each")
    if not 0.0 <= hostile < 1.0:
        raise ValueError(f"got a hostile share of {hostile}; expected a number in [0, 1)")
    logging.getLogger("math_verify").setLevel(logging.ERROR)
    made = benign_pairs(pairs, seed)
    algebra = [pair for pair in made if screen(*pair) is None]
    screened = [pair for pair in made if screen(*pair) is not None]
    mixed = with_endless(algebra or made, hostile, seed)
    times = []
    with VerifierPool(workers, timeout_s) as pool:
        pool.start()
        _loop(algebra[:1] or made[:1])  # math-verify builds its grammars at the first call
        for _ in tqdm(range(rounds), "rounds"):
            slow, pooled_slow, fast = _loop(algebra), _pooled(pool, algebra), _loop(screened)
            times.append((slow, pooled_slow, slow + fast, _pooled(pool, made), _pooled(pool, mixed)))
    loop_algebra, _, loop, pooled, pooled_mixed = (statistics.median(column) for column in zip(*times, strict=True))
    return Figures(
        workers=workers,
        pairs=pairs,
        screened_share=len(screened) / pairs,
        loop_per_s=pairs / loop,
        pool_per_s=pairs / pooled,
        # Ratios are taken within a round, which other work on the machine disturbs least.
        ratio=statistics.median(each[2] / each[3] for each in times),
        ratio_algebra=statistics.median(each[0] / each[1] for each in times),
        hostile_share=hostile,
        timeout_s=timeout_s,
        hostile_per_s=len(mixed) / pooled_mixed,
        bound_per_s=workers / (loop_algebra / max(1, len(algebra)) + hostile * timeout_s),
    )


def with_endless(pairs: Sequence[Pair], share: float, seed: int) -> list[Pair]:
    """The pairs, a ``share`` of them replaced by endless answers at places drawn at random."""
    rng = random.Random(seed)
    places = set(rng.sample(range(len(pairs)), round(share * len(pairs))))
    return [(rng.choice(ENDLESS), "7") if place in places else pair for place, pair in enumerate(pairs)]


def _loop(pairs: Sequence[Pair]) -> float:
    """Seconds that the plain loop takes."""
    from math_verify import parse, verify

    begin = time.perf_counter()
    for answer, gold in pairs:
        sides = [parse(rf"\boxed{{{text}}}", parsing_timeout=None) for text in (gold, answer)]
        verify(*sides, timeout_seconds=None)
    return time.perf_counter() - begin


def _pooled(pool: VerifierPool, pairs: Sequence[Pair]) -> float:
    """Seconds that the pool takes, including the extraction from a response."""
    items = [(rf"The answer is \boxed{{{answer}}}.", gold, "math") for answer, gold in pairs]
    begin = time.perf_counter()
    pool.verify_many(items)
    return time.perf_counter() - begin


def described(figures: Figures) -> str:
    """The figures in lines for a terminal."""
    f = figures
    return f"""\
plain loop   {f.loop_per_s:8.0f} checks/s in one process
pool         {f.pool_per_s:8.0f} checks/s on {f.workers} workers, {f.pool_per_s / f.workers:.0f} per worker
ratio        {f.ratio:8.2f}   over all {f.pairs} pairs; the screen alone decides {f.screened_share:.0%} of them
ratio        {f.ratio_algebra:8.2f}   over the pairs that need algebra
hostile      {f.hostile_per_s:8.0f} checks/s with {f.hostile_share:.1%} endless answers among the latter, timeout \
{f.timeout_s:g} s; {f.of_bound:.0%} of the bound of {f.bound_per_s:.0f}"""
