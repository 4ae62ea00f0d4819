# Copyright 2026 The HPT authors
# SPDX-License-Identifier: Apache-2.0
r"""Answers that would stop, fill, crash or fool a verifier: each ends in time, scores 0 and leaves the pool usable."""

import sys
import time

import pytest

from hpt.verifier import VerifierPool
from hpt.verifier.judge import MAX_ANSWER_CHARACTERS, MAX_NESTING
from hpt.verifier.pool import MIN_MEMORY_MB

psutil = pytest.importorskip("psutil", reason="psutil comes with the CPU stack")

TIMEOUT_S = 0.6
# A busy machine may delay one attempt; a verifier that hangs does so each time.
ATTEMPTS = 3
MEMORY_MB = 256


def tower(height: int) -> str:
    return "2^{" * height + "2" + "}" * height


def boxed(text: str) -> str:
    return r"\boxed{" + text + "}"


# name -> response; the gold answer is 7 for all of them.
HOSTILE = {
    "empty": "",
    "white space": " \n\t\r ",
    "googolplex": boxed("10^{10^{10}}"),
    "googolplexplex": boxed("10^{10^{10^{10}}}"),
    "factorial": boxed("(10^9)!"),
    "factorial of a factorial": boxed("(99!)!"),
    "tower of 9": boxed(tower(9)),
    "tower of 50": boxed(tower(50)),
    "tower of 5000": boxed(tower(5000)),
    "tower without braces": boxed("9^9^9^9^9^9"),
    "binomial": boxed(r"\binom{10^8}{5\cdot 10^7}"),
    "harmonic sum": boxed(r"\sum_{n=1}^{10^9} \frac{1}{n^3}"),
    "product": boxed(r"\prod_{n=1}^{10^8} (n+x)"),
    "integral": boxed(r"\int_0^1 \sin(\tan(e^{x^x}))\,dx"),
    "expansion": boxed("(a+b+c+d+e+f)^{400} - 1"),
    "a million braces": boxed("{" * 1_000_000 + "}" * 1_000_000),
    "a million open braces": r"\boxed{" + "{" * 1_000_000,
    "braces as deep as is looked at": boxed("{" * (MAX_NESTING - 1) + "1" + "}" * (MAX_NESTING - 1)),
    "nested fractions": boxed(r"\frac{1}{" * 90 + "2" + "}" * 90),
    "nested roots": boxed(r"\sqrt{" * 90 + "2" + "}" * 90),
    "a megabyte of digits": boxed("7" * 1_000_000),
    "as many digits as are looked at": boxed("7" * (MAX_ANSWER_CHARACTERS - 1)),
    "minus signs": boxed("-" * 9_000 + "7"),
    "100,000 boxes": boxed("8") * 100_000,
    "100,000 nested boxes": r"\boxed{" * 100_000 + "8" + "}" * 100_000,
    "100,000 boxes that stay open": r"\boxed{" * 100_000,
    "lone surrogate": boxed("\ud800"),
    "lone surrogates around": "\udcff" + boxed("8\udfff") + "\ud800",
    "NUL": boxed("8\x00"),
    "NUL before the answer": "\x00" * 1000 + boxed("8"),
    "right-to-left marks": boxed("\u202e8\u202c\u200f"),
    "zero-width spaces": boxed("\u200b8\u200b"),
    "other digits": boxed("\u0667\u0667"),
    "wide matrix": boxed(r"\begin{pmatrix}" + "&".join("1" * 500) + r"\end{pmatrix}"),
    "decimal exponent": boxed("1e999999999"),
    "decimal exponent in LaTeX": boxed(r"1.5 \times 10^{999999999}"),
    "divided by zero": boxed(r"\frac{7}{0}"),
    "zero to the zero": boxed("0^0"),
    "many variables": boxed("+".join(f"x_{{{i}}}" for i in range(400))),
    "wide list": boxed(",".join(str(i) for i in range(1500))),
    "percent signs": boxed("%" * 500),
    "backslashes": boxed("\\" * 2_001),
    "commands": boxed(r"\left(" * 90),
    "unknown commands": boxed(r"\input{/etc/passwd}"),
}


@pytest.fixture(scope="module")
def pool():
    with VerifierPool(workers=2, timeout_s=TIMEOUT_S, memory_mb=MEMORY_MB) as started:
        started.start()
        yield started


def timed(pool, response):
    begin = time.monotonic()
    verdict = pool.verify(response, "7")
    return verdict, time.monotonic() - begin


@pytest.mark.parametrize("name", HOSTILE)
def test_a_hostile_answer_ends_in_time_and_scores_nothing(pool, name):
    for _ in range(ATTEMPTS):
        verdict, seconds = timed(pool, HOSTILE[name])
        assert verdict.score == 0.0, verdict.reason
        if seconds < TIMEOUT_S + 1:
            break
    else:
        pytest.fail(f"took {seconds:.1f} s")


def test_the_pool_works_after_all_of_them(pool):
    benign = [(boxed(rf"\frac{{{i}}}{{2}}"), str(i / 2), "math") for i in range(20)]
    items = [(response, "7", "math") for response in HOSTILE.values()]
    assert {verdict.score for verdict in pool.verify_many(items)} == {0.0}
    for _ in range(ATTEMPTS):  # an overloaded machine may starve a worker for its whole time limit
        reasons = {verdict.reason for verdict in pool.verify_many(benign)}
        if reasons == {"correct"}:
            break
    assert reasons == {"correct"}


@pytest.mark.parametrize(
    ("name", "reason"),
    [
        ("empty", "no_answer"),
        ("100,000 boxes that stay open", "no_answer"),
        ("100,000 boxes", "wrong"),
        ("a megabyte of digits", "unparsable"),
        ("a million braces", "unparsable"),
        ("binomial", "wrong"),
        ("harmonic sum", "wrong"),
        ("googolplex", "wrong"),
    ],
)
def test_the_reason_says_what_happened(pool, name, reason):
    assert pool.verify(HOSTILE[name], "7").reason == reason


@pytest.mark.skipif(sys.platform != "linux", reason="the kernel limits a worker's memory on Linux only")
def test_a_comparison_that_wants_too_much_memory_ends_its_worker():
    with VerifierPool(workers=1, timeout_s=60, memory_mb=MIN_MEMORY_MB) as small:
        verdict = small.verify("so 7", "7", "test_memory")
        assert (verdict.reason, verdict.score) == ("memory", 0.0)
        assert small.verify(boxed(r"\frac{1}{2}"), "0.5").reason == "correct"


def test_a_hostile_answer_that_is_right_is_right(pool):
    for text in ("10^{10^{10}}", tower(50), "(10^9)!"):
        assert pool.verify(boxed(text), f"${text}$").reason == "correct"


@pytest.mark.parametrize(
    "text",
    [
        r"__import__('os').system('touch CANARY')",
        r"\text{__import__('os').system('touch CANARY')}",
        r"exec(\"open('CANARY', 'w')\")",
        r"().__class__.__base__.__subclasses__()",
        r"lambda: open('CANARY','w')",
    ],
)
def test_an_answer_does_not_reach_python(pool, tmp_path, text):
    canary = tmp_path / "canary"
    verdict = pool.verify(boxed(text.replace("CANARY", str(canary))), "7")
    assert verdict.score == 0.0
    assert not canary.exists()
