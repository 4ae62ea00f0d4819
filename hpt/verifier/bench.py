# Copyright 2026 The HPT authors
# SPDX-License-Identifier: Apache-2.0
"""How fast the pool verifies, against a plain loop over math-verify in one process.

    python -m hpt.verifier bench

Pairs of answers in the manner of MATH are made from a seed. The plain loop parses and compares each pair, as a
program without a pool would. Rounds alternate between loop and pool; figures are medians over rounds. A share of the
pairs is decided by the exact screen, without algebra; the ratio over the other pairs alone is given beside.

With a share h of answers on which math-verify does not end, no pool of w workers can do more checks per second than
w / (mean benign seconds + h * timeout); the bench says what part of this bound is reached.
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
ENDLESS = (
    r"\sum_{n=1}^{10^{9}} \frac{1}{n^3}",
    r"100000000!",
    r"\binom{10^8}{5 \cdot 10^7}",
    r"(10^9)!",
)


@dataclass(frozen=True)
class Figures:
    """Medians over rounds.

    Attributes:
        workers, pairs: what was measured.
        screened_share: share of the pairs that need no algebra.
        loop_per_s, pool_per_s: checks per second over all pairs.
        ratio, ratio_algebra: the pool's speed over the loop's, over all pairs and over those that need algebra.
        hostile_share, timeout_s: of the part with endless answers.
        hostile_per_s, bound_per_s: checks per second there, and the bound.
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
    """(answer, gold answer) pairs, right and wrong ones, in the proportions of MATH: half of them integers."""
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
    times: dict[str, list[float]] = {"algebra": [], "screened": [], "pool": [], "pool algebra": []}
    hostile_times = []
    with VerifierPool(workers, timeout_s) as pool:
        pool.start()
        _loop(algebra[:1] or made[:1])  # grammars are built at the first call
        mixed = with_endless(algebra or made, hostile, seed)
        for _ in tqdm(range(rounds), "rounds"):
            times["algebra"].append(_loop(algebra))
            times["pool algebra"].append(_pooled(pool, algebra))
            times["screened"].append(_loop(screened))
            times["pool"].append(_pooled(pool, made))
            hostile_times.append(_pooled(pool, mixed))
    loops = [sum(both) for both in zip(times["algebra"], times["screened"], strict=True)]
    benign = statistics.median(times["algebra"]) / max(1, len(algebra))
    return Figures(
        workers=workers,
        pairs=pairs,
        screened_share=len(screened) / pairs,
        loop_per_s=pairs / statistics.median(loops),
        pool_per_s=pairs / statistics.median(times["pool"]),
        ratio=_ratio(loops, times["pool"]),
        ratio_algebra=_ratio(times["algebra"], times["pool algebra"]),
        hostile_share=hostile,
        timeout_s=timeout_s,
        hostile_per_s=len(mixed) / statistics.median(hostile_times),
        bound_per_s=workers / (benign + hostile * timeout_s),
    )


def with_endless(pairs: Sequence[Pair], share: float, seed: int) -> list[Pair]:
    """The pairs with an endless answer in every 1/share-th place or so, drawn at random."""
    rng = random.Random(seed)
    places = set(rng.sample(range(len(pairs)), round(share * len(pairs))))
    return [(rng.choice(ENDLESS), "7") if place in places else pair for place, pair in enumerate(pairs)]


def _loop(pairs: Sequence[Pair]) -> float:
    """Seconds of the plain loop."""
    from math_verify import parse, verify

    begin = time.perf_counter()
    for answer, gold in pairs:
        sides = [parse(rf"\boxed{{{text}}}", parsing_timeout=None) for text in (gold, answer)]
        verify(*sides, timeout_seconds=None)
    return time.perf_counter() - begin


def _pooled(pool: VerifierPool, pairs: Sequence[Pair]) -> float:
    """Seconds of the pool, extraction from a response included."""
    items = [(rf"The answer is \boxed{{{answer}}}.", gold, "math") for answer, gold in pairs]
    begin = time.perf_counter()
    pool.verify_many(items)
    return time.perf_counter() - begin


def _ratio(loop: Sequence[float], pool: Sequence[float]) -> float:
    """Median over rounds of the ratio within a round, which other work on the machine disturbs least."""
    return statistics.median(a / b for a, b in zip(loop, pool, strict=True))


def described(figures: Figures) -> str:
    """The figures in lines for a terminal."""
    f = figures
    return "\n".join(
        [
            f"plain loop   {f.loop_per_s:8.0f} checks/s in one process",
            f"pool         {f.pool_per_s:8.0f} checks/s on {f.workers} workers, {f.pool_per_s / f.workers:.0f} per worker",
            f"ratio        {f.ratio:8.2f}   of which the screen decides {f.screened_share:.0%} of {f.pairs} pairs without a worker",
            f"ratio        {f.ratio_algebra:8.2f}   over the pairs that need algebra",
            f"hostile      {f.hostile_per_s:8.0f} checks/s with {f.hostile_share:.1%} endless answers among the latter, timeout "
            f"{f.timeout_s:g} s; {f.of_bound:.0%} of the bound of {f.bound_per_s:.0f}",
        ]
    )
