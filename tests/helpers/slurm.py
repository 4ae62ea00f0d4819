# Copyright 2026 The HPT authors
# SPDX-License-Identifier: Apache-2.0
"""Jobs without Slurm: stand-ins for srun, scontrol and sbatch, and a checkout with a test's own scripts."""

import contextlib
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import psutil

from tests.helpers.processes import ROOT, with_variable

MARK = "HPT_TEST_JOB"

# It behaves as the real srun (22.05) does: the task has a session of its own and returns its status. USR1 goes to all
# of its processes, and TERM kills them.
SRUN = """#!/usr/bin/env bash
for word; do
    case "$word" in
        --nodelist=*) node="${word#*=}" ;;
        --export=*) SLURM_EXPORT_ENV="${word#*=}" ;;
        --*) ;;
        *) break ;;
    esac
    shift
done
if [[ "${SLURM_EXPORT_ENV:-ALL}" == NONE ]]; then unset LOG_DIR PYTHON RAY_AUTH_TOKEN; fi
variable="RAY_START_OPTIONS_$node"
export RAY_START_OPTIONS="${RAY_START_OPTIONS:-} ${!variable:-}"
setsid "$@" &
task=$!
echo "$node $task" >>"$STAND_IN/steps"
trap 'kill -USR1 -- "-$task"' USR1
trap 'kill -KILL -- "-$task"' TERM
while kill -0 "$task" 2>/dev/null; do
    status=0
    wait "$task" || status=$?
done
exit "$status"
"""

SCONTROL = """#!/usr/bin/env bash
case "$1 $2" in
    "show hostnames") tr , '\\n' <<<"$3" ;;
    "requeue "*)
        echo "$2" >>"$STAND_IN/requeued"
        exit "${REQUEUE_STATUS:-0}"
        ;;
    *) exit 1 ;;
esac
"""


class Slurm:
    """A folder with a checkout, the stand-ins, and the jobs that a test started.

    Attributes:
        root: the checkout: the real examples/slurm beside training scripts of the test.
        ray_folder: where nodes have their temporary folders, with a path as short as Ray's sockets ask for.
    """

    def __init__(self, folder: Path):
        self.folder = folder
        self.root = folder / "checkout"
        (self.root / "examples").mkdir(parents=True)
        (self.root / "examples" / "slurm").symlink_to(ROOT / "examples" / "slurm")
        for name, text in (("srun", SRUN), ("scontrol", SCONTROL)):
            self.executable(f"bin/{name}", text)
        self.ray_folder = Path(tempfile.mkdtemp(prefix="slurm-", dir="/tmp"))
        self.jobs: list[Job] = []

    def executable(self, name: str, text: str) -> Path:
        path = self.folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
        path.chmod(0o755)
        return path

    def script(self, name: str, text: str) -> None:
        """Add a training script to the checkout's examples/."""
        (self.root / "examples" / name).write_text("#!/usr/bin/env bash\nset -euo pipefail\n" + text)

    def records(self, name: str) -> list[str]:
        """The lines that the stand-ins wrote to a file."""
        path = self.folder / name
        return path.read_text().splitlines() if path.exists() else []

    def sbatch(self, file: str, *words: str, nodes: str = "node1", **environment: str) -> "Job":
        """Run an sbatch file's copy, as Slurm does, on ``nodes`` (names separated by commas)."""
        spool = self.folder / "spool"
        spool.write_text((ROOT / "examples" / "slurm" / file).read_text())
        self.jobs.append(
            Job(
                self,
                ["bash", str(spool), *words],
                {
                    # make sets HPT_ROOT to the checkout; here jobs are submitted from elsewhere.
                    **{key: value for key, value in os.environ.items() if key != "HPT_ROOT"},
                    "PATH": f"{self.folder / 'bin'}:{os.environ['PATH']}",
                    "STAND_IN": str(self.folder),
                    "PYTHON": sys.executable,
                    "PYTHONPATH": os.pathsep.join([str(ROOT), os.environ.get("PYTHONPATH", "")]),
                    "SLURM_JOB_ID": "4711",
                    "SLURM_JOB_NODELIST": nodes,
                    "SLURM_GPUS_ON_NODE": "1",
                    "SLURM_SUBMIT_DIR": str(self.root),
                    "RAY_TMPDIR": str(self.ray_folder),
                    MARK: str(self.folder),
                    **environment,
                },
            )
        )
        return self.jobs[-1]

    def leftovers(self, patience: float = 30) -> list:
        """What jobs that have ended left after ``patience`` seconds: processes and temporary folders.

        A worker of Ray looks for its raylet once in a while, and ends when that is gone. Slurm itself would kill it.
        """
        deadline = time.monotonic() + patience
        while (left := [*self.processes(), *self.ray_folder.iterdir()]) and time.monotonic() < deadline:
            time.sleep(0.2)
        return left

    def processes(self) -> list[psutil.Process]:
        """The processes that jobs of this test started and that still run."""
        return with_variable(MARK, str(self.folder))

    def close(self) -> None:
        """Kill what a failed test left."""
        for process in self.processes():
            with contextlib.suppress(psutil.NoSuchProcess):
                process.kill()
        shutil.rmtree(self.ray_folder, ignore_errors=True)


class Job:
    """A job's batch process."""

    def __init__(self, slurm: Slurm, command: list[str], environment: dict[str, str]):
        self.slurm = slurm
        self.log_file = slurm.folder / f"job-{len(slurm.jobs)}.log"
        with open(self.log_file, "wb") as log:
            self.process = subprocess.Popen(
                command,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                env=environment,
                cwd=slurm.root,
                start_new_session=True,
            )

    @property
    def log(self) -> str:
        return self.log_file.read_text(errors="replace")

    def send(self, name: str) -> None:
        """Send a signal to the batch process alone, as ``--signal=B:...`` does."""
        self.process.send_signal(getattr(signal, f"SIG{name}"))

    def wait(self, timeout: float) -> int:
        try:
            return self.process.wait(timeout)
        except subprocess.TimeoutExpired:
            raise AssertionError(f"no end after {timeout} s:\n{self.log[-6000:]}") from None

    def wait_until(self, happened, timeout: float) -> None:
        deadline = time.monotonic() + timeout
        while not happened():
            assert self.process.poll() is None, f"the job ended early:\n{self.log[-6000:]}"
            assert time.monotonic() < deadline, f"not in {timeout} s:\n{self.log[-6000:]}"
            time.sleep(0.1)
