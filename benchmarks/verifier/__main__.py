# Copyright 2026 The HPT authors
# SPDX-License-Identifier: Apache-2.0
r"""How often verifiers are wrong, and how long they take: ours, math-verify, and mathruler where it is installed.

    pip install --no-deps --target runs/mathruler mathruler pylatexenc      # optional
    PYTHONPATH=runs/mathruler python -m benchmarks.verifier
    python -m benchmarks.verifier --kinds                                   # false verdicts of ours by kind
    python -m benchmarks.verifier --speed                                   # the pool against a loop

pairs.jsonl has pairs of a response and a gold answer with the right score, each of a kind: JSON lines with kind,
verifier (math or choice), response, gold, score and, where it is not obvious, why. They are written from mathematics
and stand for kinds of answers in data sets and of faults in public reports.
"""

import importlib.util
import json
import random
import time
from collections import Counter
from collections.abc import Sequence
from concurrent.futures import TimeoutError as TimedOut
from multiprocessing import get_context
from pathlib import Path
from statistics import median
from typing import Any

from pebble import ProcessPool
from tqdm import tqdm

from benchmarks.common import Values, finish, measure, parser, summary
from benchmarks.verifier.graders import GRADERS, math_verify, timed

PAIRS = Path(__file__).with_name("pairs.jsonl")
LIMIT_S = 5.0
MODULES = {"math-verify": "math_verify", "mathruler": "mathruler"}

Pair = dict[str, Any]


def read_pairs(path: Path = PAIRS) -> list[Pair]:
    """The pairs of a file of JSON lines."""
    return [json.loads(line) for line in path.read_text().splitlines()]


Graded = tuple[float, float, bool]
"""Score, seconds, and whether the grader raised."""


def graded(name: str, pairs: Sequence[Pair]) -> list[Graded]:
    """Each pair's verdict, one after the other in a process; a pair that takes too long is refused."""
    found = []
    with ProcessPool(1, context=get_context("spawn")) as pool:
        score, _, raised = pool.schedule(timed, args=(name, r"\boxed{\frac{1}{2}}", "0.5", "math")).result()
        if raised or score != 1.0:  # it cannot be imported, say
            raise SystemExit(f"error: {name} does not work: it did not accept 1/2 for 0.5")
        for pair in tqdm(pairs, name, unit="pair"):
            future = pool.schedule(
                timed, args=(name, pair["response"], str(pair["gold"]), pair["verifier"]), timeout=LIMIT_S
            )
            try:
                found.append(future.result())
            except TimedOut:
                found.append((0.0, LIMIT_S, False))
    return found


def errors(pairs: Sequence[Pair], found: Sequence[Graded]) -> Values:
    """False verdicts and times."""
    wrong = [pair for pair, (score, *_) in zip(pairs, found, strict=True) if score != pair["score"]]
    seconds = [each for _, each, _ in found]
    return {
        "false acceptances": sum(pair["score"] == 0.0 for pair in wrong),
        "false refusals": sum(pair["score"] == 1.0 for pair in wrong),
        "wrong %": 100 * len(wrong) / len(pairs),
        "median ms": 1e3 * median(seconds),
        "mean ms": 1e3 * sum(seconds) / len(seconds),
        "timeouts": sum(each >= LIMIT_S for each in seconds),
        "raised": sum(raised for *_, raised in found),
    }


def by_kind(pairs: Sequence[Pair], found: Sequence[Graded]) -> dict[str, Values]:
    """Pairs and false verdicts of each kind."""
    counts: dict[str, Counter[str]] = {}
    for pair, (score, *_) in zip(pairs, found, strict=True):
        row = counts.setdefault(
            pair["kind"], Counter({"right": 0, "wrong": 0, "false acceptances": 0, "false refusals": 0})
        )
        row["right" if pair["score"] else "wrong"] += 1
        if score != pair["score"]:
            row["false acceptances" if score else "false refusals"] += 1
            print(f"{pair['kind']}: got {score:g} for {pair['response']!r} against {pair['gold']!r}")
    return {kind: dict(row) for kind, row in counts.items()}


def usual_pairs(count: int, seed: int = 0) -> list[tuple[str, str]]:
    """Right and wrong (response, gold answer) pairs in the proportions of MATH: half of them are integers."""
    rng = random.Random(seed)

    def pair() -> tuple[str, str]:
        a, b, c = rng.randint(1, 99), rng.randint(2, 99), rng.randint(2, 9)
        other = a if rng.random() < 0.5 else a + 1
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
                (r"\text{east}" if other == a else "west", r"\text{ east }"),
            )
        )

    return [(rf"The answer is \boxed{{{answer}}}.", gold) for answer, gold in (pair() for _ in range(count))]


def speed(count: int, repeat: int) -> dict[str, list[Values]]:
    """Checks per second of the pool with one and two workers, and of a loop over math-verify in one process."""
    from hpt.verifier import VerifierPool

    pairs = usual_pairs(count)
    math_verify(*pairs[0], "math")  # it builds its grammars

    def loop() -> Values:
        start = time.perf_counter()
        for response, gold in pairs:
            math_verify(response, gold, "math")
        return {"checks per s": count / (time.perf_counter() - start)}

    def pooled(workers: int) -> Values:
        with VerifierPool(workers) as pool:
            pool.start()
            start = time.perf_counter()
            pool.verify_many([(response, gold, "math") for response, gold in pairs])
            return {"checks per s": count / (time.perf_counter() - start)}

    return measure(
        {"loop over math-verify": loop, "pool, 1 worker": lambda: pooled(1), "pool, 2 workers": lambda: pooled(2)},
        repeat,
    )


def main() -> None:
    options = parser(__doc__ or "")
    options.add_argument("--pairs", type=Path, default=PAIRS, help="another file of pairs")
    options.add_argument("--kinds", action="store_true", help="ours only, by kind, with every false verdict")
    options.add_argument("--speed", action="store_true", help="checks per second on answers like those of MATH")
    given = options.parse_args()
    if given.speed:
        results = speed(2000, given.repeat)
        finish("verifier, speed", given.out, summary(results), values=results)
        return
    pairs = read_pairs(given.pairs)
    if given.kinds:
        finish("verifier, by kind", given.out, by_kind(pairs, graded("ours", pairs)))
        return
    mathematical = [pair for pair in pairs if pair["verifier"] == "math"]
    names = [name for name in GRADERS if name == "ours" or importlib.util.find_spec(MODULES[name])]
    rows = {name: errors(mathematical, graded(name, mathematical)) for name in names}
    print(f"{len(mathematical):,} pairs, {sum(pair['score'] == 0.0 for pair in mathematical):,} of them wrong")
    finish("verifier", given.out, rows)


if __name__ == "__main__":
    main()
