# Copyright 2026 The HPT authors
# SPDX-License-Identifier: Apache-2.0
"""The worker pool: time limits, dead workers, order, threads, and no process left behind."""

import asyncio
import gc
import os
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest

import hpt.verifier
from hpt.verifier import Verdict, VerifierPool

pytestmark = pytest.mark.slow

psutil = pytest.importorskip("psutil", reason="psutil comes with the CPU stack")

TIMEOUT_S = 1.5
HALF = (r"\boxed{\frac{1}{2}}", "0.5", "math")
ENDLESS = ("so 3", "3", "test_endless")
ENDLESS_IN_C = ("so 3", "3", "test_endless_in_c")


def workers_of(pid):
    """The worker processes of all pools of process ``pid``. They are its grandchildren, through the fork server."""
    return [w for child in psutil.Process(pid).children() for w in child.children()]


@pytest.fixture(scope="module")
def foreign():
    """Workers of the shared pools that tests of other files use; these pools live as long as this process."""
    return set(workers_of(os.getpid()))


@pytest.fixture
def workers(pool, foreign):
    """The worker processes of the module's pool, now."""
    return lambda: [w for w in workers_of(os.getpid()) if w not in foreign]


def status_of(process):
    try:
        return process.status()
    except psutil.NoSuchProcess:
        return None


def wait_until(condition, seconds=5.0):
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "the condition did not come true in time"
        time.sleep(0.02)


@pytest.fixture(scope="module")
def pool(foreign):
    with VerifierPool(workers=1, timeout_s=TIMEOUT_S) as started:
        started.start()
        yield started


@pytest.mark.parametrize("endless", [ENDLESS, ENDLESS_IN_C])
def test_an_endless_comparison_ends_and_the_pool_goes_on(pool, endless):
    begin = time.monotonic()
    verdict = pool.verify(*endless)
    assert TIMEOUT_S <= time.monotonic() - begin < TIMEOUT_S + 1
    assert (verdict.reason, verdict.score) == ("timeout", 0.0)
    begin = time.monotonic()
    assert pool.verify(*HALF).reason == "correct"
    assert time.monotonic() - begin < 1


def test_verdicts_come_in_the_order_of_the_input(pool):
    items = [(rf"\boxed{{\frac{{{i}}}{{2}}}}", str(i % 5 / 2), "math") for i in range(40)]
    items[7] = ("no box", "1", "math")
    items[20] = ENDLESS
    items[30] = (r"\boxed{???}", "1", "math")
    expected = ["correct" if i < 5 else "wrong" for i in range(40)]
    expected[7], expected[20], expected[30] = "no_answer", "timeout", "unparsable"
    assert [verdict.reason for verdict in pool.verify_many(items)] == expected


def test_one_slow_comparison_does_not_use_up_the_time_of_those_behind_it(pool):
    verdicts = pool.verify_many([ENDLESS, ENDLESS, HALF])
    assert [verdict.reason for verdict in verdicts] == ["timeout", "timeout", "correct"]


def test_works_from_other_threads(pool):
    verdicts = []
    threads = [threading.Thread(target=lambda: verdicts.append(pool.verify(*HALF))) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert verdicts == [Verdict("correct", r"\frac{1}{2}")] * 4


def test_async_leaves_the_event_loop_free(pool):
    complaints = []

    async def scenario():
        loop = asyncio.get_running_loop()
        loop.set_exception_handler(lambda _, problem: complaints.append(problem))
        endless = asyncio.create_task(pool.verify_async(*ENDLESS))
        ticks = 0
        while not endless.done():
            await asyncio.sleep(0.05)
            ticks += 1
        verdicts = await endless, await pool.verify_async(*HALF)
        gc.collect()  # an exception that was never retrieved is reported when its future is collected
        return ticks, *verdicts

    ticks, endless, half = asyncio.run(scenario())
    assert ticks > TIMEOUT_S / 0.05 / 3
    assert (endless.reason, half.reason) == ("timeout", "correct")
    assert complaints == []


def test_a_worker_that_dies_at_work_is_a_crash_and_is_replaced(pool, workers):
    pool.verify(*HALF)
    (worker,) = workers()
    verdicts = []
    thread = threading.Thread(target=lambda: verdicts.append(pool.verify(*ENDLESS)))
    thread.start()
    idle = worker.cpu_times().user
    wait_until(lambda: worker.cpu_times().user > idle + 0.1)
    worker.kill()
    thread.join()
    assert verdicts[0].reason == "crashed"
    assert pool.verify(*HALF).reason == "correct"


def test_an_idle_worker_that_dies_costs_nothing(pool, workers):
    pool.verify(*HALF)
    for worker in workers():
        worker.kill()
    time.sleep(0.3)  # long enough for the pool to notice, which breaks it as a whole
    assert pool.verify(*HALF).reason == "correct"
    for worker in workers():
        worker.kill()
    assert pool.verify(*HALF).reason == "correct"  # also before the pool can notice
    wait_until(lambda: len(workers()) == 1)


def test_a_pool_that_does_not_answer_is_replaced(pool, workers, monkeypatch):
    pool.verify(*HALF)
    monkeypatch.setattr("hpt.verifier.pool.STARTUP_TIMEOUT_S", 0.5)
    monkeypatch.setattr("hpt.verifier.pool.REPLACEMENT_ALLOWANCE_S", 0.0)
    (worker,) = workers()
    worker.suspend()  # it takes up no task, so that no task's clock starts
    assert pool.verify(*HALF).reason == "correct"
    wait_until(lambda: not worker.is_running())


def test_an_exact_match_needs_no_worker():
    with VerifierPool(workers=1) as idle:
        verdicts = idle.verify_many([(r"\boxed{4}", "4", "math"), (r"\boxed{x}", "$x$", "math")])
        assert [verdict.score for verdict in verdicts] == [1.0, 1.0]
        assert idle._pool is None


def test_closing_ends_every_process():
    before = set(psutil.Process().children(recursive=True))
    with VerifierPool(workers=2) as two:
        assert two.verify(*HALF).score == 1.0
        started = set(psutil.Process().children(recursive=True)) - before
        assert len(started) >= 3  # the fork server and two workers
    left = {p for p in started if p.is_running() and "resource_tracker" not in " ".join(p.cmdline())}
    assert left == set()
    with pytest.raises(RuntimeError, match="closed"):
        two.verify(*HALF)


def test_closing_wakes_those_who_wait():
    doomed = VerifierPool(workers=1, timeout_s=60)
    doomed.start()
    errors = []

    def wait_for_verdict():
        try:
            doomed.verify(*ENDLESS_IN_C)
        except RuntimeError as error:
            errors.append(str(error))

    thread = threading.Thread(target=wait_for_verdict)
    thread.start()
    time.sleep(0.3)
    begin = time.monotonic()
    doomed.close()
    thread.join(timeout=2)
    assert errors and "closed" in errors[0]
    assert time.monotonic() - begin < 2


@pytest.mark.skipif(sys.platform != "linux", reason="the kernel's parent-death signal is Linux's")
def test_killing_the_parent_leaves_no_orphan():
    # The script comes from standard input, because workers must not need the parent's main module. A thread that ends
    # starts them, because their life must depend on the process, not on that thread.
    script = f"""
import threading, time
import sys; sys.path.insert(0, "tests/helpers"); import verifier_kinds
from hpt.verifier import register_kind; register_kind("test_endless_in_c")(verifier_kinds.endless_in_c)
from hpt.verifier import VerifierPool
pool = VerifierPool(workers=2, timeout_s=600)
starter = threading.Thread(target=pool.start)
starter.start(); starter.join(); time.sleep(0.2)
threading.Thread(target=pool.verify, args={ENDLESS_IN_C!r}, daemon=True).start()
time.sleep(0.7)
print("ready", flush=True)
time.sleep(600)
"""
    root = Path(hpt.verifier.__file__).parents[2]
    parent = subprocess.Popen([sys.executable, "-"], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, cwd=root)
    parent.stdin.write(script)
    parent.stdin.close()
    assert parent.stdout.readline() == "ready\n"
    family = psutil.Process(parent.pid).children(recursive=True)
    assert len(workers_of(parent.pid)) == 2
    parent.send_signal(signal.SIGKILL)
    parent.wait()
    # The process that adopts them may collect them late; a zombie does not run any more.
    wait_until(lambda: all(status_of(process) in (psutil.STATUS_ZOMBIE, None) for process in family))


def test_an_unguarded_script_exits_by_itself():
    script = (
        "from hpt.verifier import verify\n"
        r"print(verify(r'\boxed{\frac12}', '0.5').score, flush=True)"
    )
    root = Path(hpt.verifier.__file__).parents[2]
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, timeout=30, cwd=root)
    assert (done.returncode, done.stdout, done.stderr) == (0, "1.0\n", "")


@pytest.mark.parametrize("settings", [{"workers": 0}, {"timeout_s": 0}, {"timeout_s": float("inf")}, {"memory_mb": 1}])
def test_settings_out_of_range(settings):
    with pytest.raises(ValueError, match=next(iter(settings))):
        VerifierPool(**settings)


def test_an_unknown_kind_is_the_callers_mistake(pool):
    with pytest.raises(ValueError, match="Available: math, choice"):
        pool.verify("x", "y", "poetry")
