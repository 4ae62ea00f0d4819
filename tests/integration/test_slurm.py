# Copyright 2026 The HPT authors
# SPDX-License-Identifier: Apache-2.0
"""A Slurm job on two nodes with real Ray. The nodes are raylets of this machine, and Slurm is a stand-in."""

import os

import psutil
import pytest

from hpt.common.training_log import read_run
from tests.helpers.slurm import ROOT, Slurm

pytestmark = [pytest.mark.ray, pytest.mark.timeout(2400)]

PATIENCE = 900  # seconds; it takes a minute or two on idle cores
# The nodes are two addresses of one machine; slots take the place of cores and GPUs.
TWO_NODES = {
    "nodes": "node1,node2",
    "HEAD_IP": "127.0.0.2",
    "RAY_START_OPTIONS": "--num-gpus=1 --num-cpus=8 --object-store-memory=200000000",
    "RAY_START_OPTIONS_node2": "--node-ip-address=127.0.0.3",
    "RAY_READY_SECONDS": "300",
    "RAY_prestart_worker_first_driver": "0",
    "OMP_NUM_THREADS": "1",
    "STOP_SECONDS": "60",
}
TRAINING = """
exec "$PYTHON" -m recipe.hpt.main_hpt --config-name quickstart \\
    trainer.nnodes="$NODES" trainer.n_gpus_per_node="$GPUS_PER_NODE" hpt.fork_workers=false "$@"
"""
# This training asks for more than the cluster has and is refused; the script goes on.
TOO_LARGE = """
status=0
"$PYTHON" -m recipe.hpt.main_hpt --config-name quickstart trainer.nnodes="$NODES" trainer.n_gpus_per_node=2 \\
    hpt.fork_workers=false "$@" || status=$?
echo "$status" >"$STAND_IN/training"
sleep 600
"""
# Imported in the process of each rank, it writes down which rank is on which node.
WHERE = """
import os, pathlib, ray
if ray.is_initialized() and "RANK" in os.environ:
    file = pathlib.Path(os.environ["STAND_IN"]) / "ranks"
    with open(file, "a") as out:
        out.write(f"{os.environ['RANK']} {ray.util.get_node_ip_address()}\\n")
"""


@pytest.fixture
def slurm(tmp_path):
    here = Slurm(tmp_path)
    yield here
    here.close()


@pytest.fixture
def overrides(slurm, on_task) -> list[str]:
    """Overrides that train on the tiny task in the test's folder."""
    return [*on_task, f"trainer.default_local_dir={slurm.folder / 'run'}", f"hydra.run.dir={slurm.folder / 'hydra'}"]


def test_a_training_on_two_nodes_is_preempted_requeued_and_goes_on(slurm, overrides):
    slurm.script("run_tiny.sh", TRAINING)
    (slurm.folder / "modules").mkdir()
    (slurm.folder / "modules" / "where_ranks_are.py").write_text(WHERE)
    run = slurm.folder / "run"
    words = (
        "run_tiny.sh",
        *overrides,
        "trainer.save_freq=1",
        "trainer.test_freq=-1",
        "trainer.val_before_train=false",
        "hpt.plugins=[where_ranks_are]",
    )
    path = os.pathsep.join([str(slurm.folder / "modules"), str(ROOT)])
    environment = {**TWO_NODES, "PYTHONPATH": path}
    tracker = run / "latest_checkpointed_iteration.txt"

    # More steps than it will get to.
    job = slurm.sbatch("several_nodes.sbatch", *words, "trainer.total_training_steps=99", **environment)
    job.wait_until(tracker.exists, PATIENCE)
    job.send("USR1")
    assert job.wait(PATIENCE) == 128 + 10, job.log[-6000:]
    assert slurm.records("requeued") == ["4711"]
    assert slurm.leftovers() == []
    assert "interrupted; the last complete checkpoint is kept" in job.log
    ranks = dict(line.split() for line in slurm.records("ranks"))
    assert sorted(ranks.values()) == ["127.0.0.2", "127.0.0.3"]
    saved = int(tracker.read_text())
    assert set(range(1, saved)) <= set(read_run(run).steps)  # the last may have been cut short

    # What Slurm does with a requeued job; the last step is known now.
    job = slurm.sbatch(
        "several_nodes.sbatch",
        *words,
        f"trainer.total_training_steps={saved + 1}",
        SLURM_RESTART_COUNT="1",
        **environment,
    )
    assert job.wait(PATIENCE) == 0, job.log[-6000:]
    assert f"global_step_{saved}" in job.log
    assert int(tracker.read_text()) == saved + 1
    assert saved + 1 in read_run(run).steps
    assert slurm.records("requeued") == ["4711"]
    assert slurm.leftovers() == []


def test_a_node_that_dies_is_named_and_ends_the_job(slurm, overrides):
    slurm.script("run_long.sh", TOO_LARGE)
    job = slurm.sbatch("several_nodes.sbatch", "run_long.sh", *overrides, **TWO_NODES)
    job.wait_until(lambda: slurm.records("training"), PATIENCE)
    assert slurm.records("training") == ["2"], job.log[-6000:]
    assert "whose nodes have [1, 1] GPUs; expected 2 x 2: change trainer.nnodes" in job.log
    assert "Traceback" not in job.log
    (step,) = [line.split()[1] for line in slurm.records("steps") if line.startswith("node2 ")]
    (raylet,) = [
        process for process in psutil.Process(int(step)).children(recursive=True) if process.name() == "raylet"
    ]
    raylet.kill()
    assert job.wait(PATIENCE) == 1, job.log[-6000:]
    assert "error: Ray on node node2 ended with status 1 before the job did" in job.log
    log = slurm.root / "runs" / "slurm" / "4711" / "ray-node2.log"
    assert str(log) in job.log and "Remaining processes will be killed" in job.log
    assert list(log.with_suffix("").glob("raylet*"))
    assert slurm.records("requeued") == []
    assert slurm.leftovers() == []
