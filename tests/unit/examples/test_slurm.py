# Copyright 2026 The HPT authors
# SPDX-License-Identifier: Apache-2.0
"""The job scripts when something ends or gets a signal; Ray and the training are stand-ins here."""

import os
import signal

import pytest

from tests.helpers.slurm import Slurm

pytestmark = pytest.mark.slow

# A stand-in for the interpreter that knows the commands of Ray and of hpt.verl_ext.ray_cluster only.
PYTHON = """#!/usr/bin/env bash
words="$*"
case "$words" in
    "-m hpt.verl_ext.ray_cluster place"*) echo 10.0.0.1 4001 4002; exit "${PLACE_STATUS:-0}" ;;
    "-m hpt.verl_ext.ray_cluster wait"*)
        echo "$*" >>"$STAND_IN/waits"
        nodes=(${words##*--nodes})
        touch "$STAND_IN/ray_up"
        while (($(wc -l <"$STAND_IN/ray_up") < ${#nodes[@]})); do sleep 0.1; done
        exit "${WAIT_STATUS:-0}"
        ;;
    "-m ray.scripts.scripts start"*)
        echo "$*" >>"$STAND_IN/ray_starts"
        echo "${RAY_AUTH_MODE-} ${RAY_AUTH_TOKEN-} ${RAY_ADDRESS-none}" >>"$STAND_IN/ray_environment"
        folder="${words#*--temp-dir=}"
        folder="${folder%% *}"
        mkdir -p "$folder/session_latest/logs"
        echo "raylet's own" >"$folder/session_latest/logs/raylet.err"
        tries="$(grep -c -- "--node-name=node2" "$STAND_IN/ray_starts")"
        if [[ "$*" == *--node-name=node2* ]] && ((tries <= ${FAILED_STARTS:-0})); then exit 5; fi
        node="${words#*--node-name=}"
        echo "${node%% *} $$" >>"$STAND_IN/ray_up"
        echo "Ray says this"
        exec sleep 300
        ;;
    *) exit 99 ;;
esac
"""
TRAINING = """
echo "$RAY_ADDRESS $NODES $GPUS_PER_NODE $*" >"$STAND_IN/training"
"""
WAITS_FOR_TERM = """
trap 'echo TERM >"$STAND_IN/signals"; exit 130' TERM
while true; do sleep 0.1; done
"""


@pytest.fixture
def slurm(tmp_path):
    here = Slurm(tmp_path)
    here.executable("python", PYTHON)
    here.script("run_one.sh", TRAINING)
    here.script("run_long.sh", TRAINING + WAITS_FOR_TERM)
    yield here
    here.close()


def submit(slurm: Slurm, *words: str, file: str = "several_nodes.sbatch", **environment: str):
    settings = {
        "nodes": "node1,node2",
        "PYTHON": str(slurm.folder / "python"),
        "STOP_SECONDS": "5",
        "RAY_ADDRESS": "of-the-shell:1",
    }
    return slurm.sbatch(file, *words, **{**settings, **environment})


def training_runs(slurm: Slurm) -> bool:
    return bool(slurm.records("training"))


@pytest.mark.parametrize("file", ["one_node.sbatch", "several_nodes.sbatch"])
def test_an_unknown_script_is_refused_before_anything_starts(slurm, file):
    for word in ("run_two.sh", "run_two", "../run_one.sh", "slurm", ""):
        job = submit(slurm, word, file=file)
        assert job.wait(20) == 2
        assert job.log == (
            f"error: got '{word}', which is no training script in {slurm.root}/examples; available:\n"
            "  run_long.sh\n  run_one.sh\n"
        )
    job = submit(slurm, file=file)
    assert job.wait(20) == 2
    assert "error: got no script; expected the name of one in examples/" in job.log
    assert slurm.records("steps") == []


def test_a_job_submitted_with_an_environment_of_its_own_hands_it_on(slurm):
    """sbatch --export=NONE leaves this variable, by which srun starts steps without the job's variables."""
    job = submit(slurm, "run_one.sh", SLURM_EXPORT_ENV="NONE")
    assert job.wait(60) == 0, job.log
    assert training_runs(slurm)


def test_outside_a_checkout_the_job_says_where_to_submit(slurm):
    job = submit(slurm, "run_one.sh", SLURM_SUBMIT_DIR="/nowhere")
    assert job.wait(20) == 2
    assert "expected to be submitted from the checkout, or HPT_ROOT to name it" in job.log
    job = submit(slurm, "run_two.sh", SLURM_SUBMIT_DIR="/nowhere", HPT_ROOT=str(slurm.root))
    assert job.wait(20) == 2 and "run_one.sh" in job.log


def test_a_job_without_gpus_or_without_slurm_is_refused(slurm):
    job = submit(slurm, "run_one.sh", SLURM_GPUS_ON_NODE="")
    assert job.wait(20) == 2
    assert "got GPUS_PER_NODE=''; expected a number: ask Slurm for GPUs" in job.log
    job = submit(slurm, "run_one.sh", SLURM_JOB_ID="")
    assert job.wait(20) == 2 and "expected to be run by sbatch" in job.log
    job = submit(slurm, "run_one.sh", PLACE_STATUS="1")
    assert job.wait(20) == 1 and "cannot use ray and hpt" in job.log
    assert slurm.records("steps") == []


def test_head_first_then_the_others_then_the_script(slurm):
    job = submit(
        slurm, "run_one", "a=b c", "x='[1,2]'", SLURM_GPUS_ON_NODE="8", RAY_START_OPTIONS="--num-cpus=9 --x"
    )  # fmt: skip
    assert job.wait(30) == 0, job.log
    assert slurm.records("training") == ["10.0.0.1:4001 2 8 a=b c x='[1,2]'"]
    head, worker = slurm.records("ray_starts")
    assert "--node-name=node1 " in head and " --head " in head and " --port=4001 " in head
    assert " --ray-client-server-port=4002 " in head and " --node-ip-address=10.0.0.1 " in head
    assert "--node-name=node2 " in worker and " --address=10.0.0.1:4001 " in worker
    assert head.endswith("--num-cpus=9 --x") and worker.endswith("--num-cpus=9 --x")
    alone, both = slurm.records("waits")
    assert alone.endswith("--gpus-per-node 8 --nodes node1")
    assert both.endswith("--gpus-per-node 8 --nodes node1 node2")
    # One secret for all nodes of the job, and no address of the submitting shell.
    modes, tokens, addresses = zip(*(line.split() for line in slurm.records("ray_environment")), strict=True)
    assert modes == ("token", "token") and addresses == ("none", "none")
    assert len(set(tokens)) == 1 and len(tokens[0]) == 48
    assert tokens[0] not in job.log
    assert slurm.leftovers() == [] and slurm.records("requeued") == []


def test_one_node_has_a_head_only(slurm):
    job = submit(slurm, "run_one.sh", file="one_node.sbatch", nodes="node1")
    assert job.wait(30) == 0, job.log
    assert [" --head " in line for line in slurm.records("ray_starts")] == [True]
    assert slurm.records("training") == ["10.0.0.1:4001 1 1 "]


def test_the_scripts_status_is_the_jobs(slurm):
    slurm.script("run_fails.sh", "exit 7\n")
    job = submit(slurm, "run_fails.sh")
    assert job.wait(30) == 7, job.log
    assert "Ray on node" not in job.log
    assert slurm.leftovers() == []


def test_a_cluster_that_does_not_come_up_ends_the_job(slurm):
    job = submit(slurm, "run_one.sh", WAIT_STATUS="1")
    assert job.wait(30) == 1, job.log
    assert f"error: Ray did not come up; logs: {slurm.root}/runs/slurm/4711/ray-NODE.log" in job.log
    assert not training_runs(slurm)
    assert slurm.leftovers() == []


@pytest.mark.parametrize(("name", "status"), [("TERM", 143), ("KILL", 137)])
def test_a_node_that_ends_is_named_with_status_and_log(slurm, name, status):
    job = submit(slurm, "run_long.sh")
    job.wait_until(lambda: training_runs(slurm), 30)
    ray = dict(line.split() for line in slurm.records("ray_up"))
    os.kill(int(ray["node2"]), getattr(signal, f"SIG{name}"))
    assert job.wait(30) == 1, job.log
    assert f"error: Ray on node node2 ended with status {status} before the job did." in job.log
    assert "    Ray says this\n" in job.log and "node node1" not in job.log
    kept = slurm.root / "runs" / "slurm" / "4711" / "ray-node2" / "raylet.err"
    assert kept.read_text() == "raylet's own\n"
    assert slurm.records("signals") == ["TERM"]  # the training got it, which would have hung
    assert slurm.leftovers() == []


def test_a_node_on_which_ray_does_not_start_is_tried_again(slurm):
    job = submit(slurm, "run_one.sh", FAILED_STARTS="2")
    assert job.wait(30) == 0, job.log
    assert "node2" not in job.log.replace("on node1 node2", "")
    log = (slurm.root / "runs" / "slurm" / "4711" / "ray-node2.log").read_text()
    assert "Ray did not start; trying again (2 of 3)" in log and "(3 of 3)" in log
    assert slurm.leftovers() == []


def test_a_node_on_which_ray_never_starts_ends_the_job(slurm):
    job = submit(slurm, "run_one.sh", FAILED_STARTS="9", RAY_START_TRIES="2")
    assert job.wait(30) == 1, job.log
    assert "error: Ray on node node2 ended with status 5 before the job did." in job.log
    assert len(slurm.records("ray_starts")) == 3
    assert not training_runs(slurm) and slurm.leftovers() == []


def test_the_signal_before_the_limit_ends_and_requeues(slurm):
    job = submit(slurm, "run_long.sh", SLURM_RESTART_COUNT="2")
    job.wait_until(lambda: training_runs(slurm), 30)
    job.send("USR1")
    assert job.wait(30) == 128 + 10, job.log
    assert slurm.records("signals") == ["TERM"]
    assert slurm.records("requeued") == ["4711"]
    assert "job 4711 (restart 2)" in job.log
    assert slurm.leftovers() == []


def test_a_job_that_slurm_does_not_requeue_says_so(slurm):
    job = submit(slurm, "run_long.sh", REQUEUE_STATUS="1")
    job.wait_until(lambda: training_runs(slurm), 30)
    job.send("USR1")
    assert job.wait(30) == 1, job.log
    assert "error: job 4711 was not requeued: submit it again" in job.log


@pytest.mark.parametrize("requeue", [False, True])
def test_term_ends_all_and_requeues_only_if_asked_to(slurm, requeue):
    job = submit(slurm, "run_long.sh", REQUEUE_ON_TERM=str(int(requeue)))
    job.wait_until(lambda: training_runs(slurm), 30)
    job.send("TERM")
    assert job.wait(30) == 128 + 15, job.log
    assert slurm.records("signals") == ["TERM"]
    assert slurm.records("requeued") == (["4711"] if requeue else [])
    assert slurm.leftovers() == []


def test_a_training_that_does_not_end_is_killed(slurm):
    slurm.script("run_deaf.sh", TRAINING + "trap '' TERM\nwhile true; do sleep 0.1; done\n")
    job = submit(slurm, "run_deaf.sh", STOP_SECONDS="1")
    job.wait_until(lambda: training_runs(slurm), 30)
    job.send("USR1")
    assert job.wait(30) == 128 + 10, job.log
    assert "did not end within 1 s: killed" in job.log
    assert slurm.records("requeued") == ["4711"]
    assert slurm.leftovers() == []
