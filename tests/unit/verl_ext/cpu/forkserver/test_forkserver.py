# Copyright 2026 The HPT authors
# SPDX-License-Identifier: Apache-2.0
"""The launcher behaves like the interpreter that it stands in for."""

import os
import signal
import socket
import subprocess
import sys
import textwrap
import time
from pathlib import Path

import pytest

from hpt.verl_ext.cpu.forkserver import serving
from tests.helpers.processes import ROOT

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(sys.platform != "linux", reason="passes descriptors by /proc and waits by pidfd"),
]
PRELOADED = "fractions"  # a module that neither an interpreter nor this package imports by itself


@pytest.fixture(scope="module")
def launcher():
    with serving([], [PRELOADED]) as server:
        yield server.launcher


def run(launcher, *arguments, **options):
    return subprocess.run([launcher, *arguments], capture_output=True, text=True, timeout=60, **options)


def test_runs_code_a_module_and_a_script_with_their_arguments(launcher, tmp_path):
    show = "import sys; print(__name__, sys.argv[1:])"
    (tmp_path / "script.py").write_text(f"import beside; {show}")
    (tmp_path / "beside.py").write_text("")
    environment = {**os.environ, "PYTHONPATH": str(tmp_path)}
    for arguments in (["-u", "-c", show], [str(tmp_path / "script.py")]):
        result = run(launcher, *arguments, "a", "b c")
        assert (result.stdout, result.returncode) == ("__main__ ['a', 'b c']\n", 0), result.stderr
    result = run(launcher, "-X", "dev", "-m", "calendar", "2024", "2", env=environment)
    assert "February 2024" in result.stdout


def test_children_share_the_imports_and_nothing_else(launcher):
    code = f"import sys; print('{PRELOADED}' in sys.modules, hasattr(sys, 'mark')); sys.mark = 1"
    for _ in range(2):
        assert run(launcher, "-c", code).stdout == "True False\n"


def test_a_child_has_its_callers_folder_environment_and_descriptors(launcher, tmp_path):
    reader, writer = os.pipe()
    code = f"""
        import os, sys
        os.write({writer}, sys.stdin.read().upper().encode())
        print(os.getcwd(), os.environ["MARK"], "HOME" in os.environ)
    """
    result = run(
        launcher,
        "-c",
        textwrap.dedent(code),
        cwd=tmp_path,
        env={"MARK": "here"},
        input="text",
        pass_fds=[writer],
    )
    os.close(writer)
    assert result.stdout == f"{tmp_path} here False\n", result.stderr
    assert os.read(reader, 100) == b"TEXT"
    assert os.read(reader, 100) == b""  # nobody holds the other end any more
    os.close(reader)


def test_a_child_finds_modules_in_its_own_folder_and_its_own_python_path(launcher, tmp_path):
    for name in ("here", "there"):
        (tmp_path / name).mkdir()
        (tmp_path / name / f"{name}.py").write_text("print(__name__)\nif __name__ == '__main__': import there")
    environment = {**os.environ, "PYTHONPATH": str(tmp_path / "there")}
    result = run(launcher, "-m", "here", cwd=tmp_path / "here", env=environment)
    assert result.stdout == "__main__\nthere\n", result.stderr


def test_a_childs_own_server_has_the_imports_too(launcher):
    code = f"""
        import subprocess
        from hpt.verl_ext.cpu.forkserver import serving
        with serving([], []) as server:
            code = "import sys; print('{PRELOADED}' in sys.modules)"
            print(subprocess.run([server.launcher, "-c", code], capture_output=True, text=True).stdout, end="")
    """
    result = run(launcher, "-c", textwrap.dedent(code))
    assert result.stdout == "True\n", result.stderr


@pytest.mark.parametrize("server_ignores", [False, True])
@pytest.mark.parametrize("caller_ignores", [False, True])
def test_a_child_ignores_ctrl_c_where_its_caller_does(server_ignores, caller_ignores):
    before = signal.signal(signal.SIGINT, signal.SIG_IGN if server_ignores else signal.default_int_handler)
    try:
        with serving([], []) as server:
            signal.signal(signal.SIGINT, signal.SIG_IGN if caller_ignores else signal.default_int_handler)
            code = "import signal; print(signal.getsignal(signal.SIGINT) == signal.SIG_IGN)"
            assert run(server.launcher, "-c", code).stdout == f"{caller_ignores}\n"
    finally:
        signal.signal(signal.SIGINT, before)


def test_threads_and_random_numbers_are_the_childs_own(interpreter):
    code = (
        "import sys; assert {'numpy', 'torch'} <= set(sys.modules)\n"
        "import numpy, torch; print(torch.get_num_threads(), numpy.random.rand())"
    )
    environment = {**os.environ, "OMP_NUM_THREADS": "3"}
    answers = [run(interpreter, "-c", code, env=environment).stdout for _ in range(2)]
    assert all(answer.startswith("3 0.") for answer in answers)
    assert answers[0] != answers[1]


@pytest.fixture
def modules_beside(monkeypatch):
    """Let a server find the modules in this folder; `tests` may also be the name of an installed package."""
    monkeypatch.setenv("PYTHONPATH", str(Path(__file__).parent), prepend=os.pathsep)


def test_rays_random_ids_differ_between_children(modules_beside):
    """Ray's store would take objects of two workers with one id for the same object."""
    code = "import ray; print(ray.ObjectID.from_random().hex(), ray.ActorClassID.from_random().hex())"
    with serving([], ["remote_class"]) as server:
        answers = [run(server.launcher, "-c", code).stdout.split() for _ in range(2)]
    assert [len(answer) for answer in answers] == [2, 2]
    assert not set(answers[0]) & set(answers[1])


def test_a_child_is_alone_in_its_process_group(launcher):
    code = "import os; print(os.getpgrp() == os.getpid())"
    assert run(launcher, "-c", code).stdout == "True\n"


@pytest.mark.parametrize("status", [0, 3])
def test_the_exit_status_is_the_childs(launcher, status):
    assert run(launcher, "-c", f"raise SystemExit({status})").returncode == status


def test_a_child_ends_as_an_interpreter_does(launcher):
    code = """
        import atexit, sys, threading, time
        def late():
            time.sleep(0.3)
            print("thread")
        atexit.register(lambda: print("exit handler", end=""))
        threading.Thread(target=late).start()
        sys.exit({status})
    """
    for status, expected in (("-1", 255), ("True", 1), ("None", 0)):
        result = run(launcher, "-c", textwrap.dedent(code.format(status=status)))
        assert (result.stdout, result.returncode) == ("thread\nexit handler", expected)
    result = run(launcher, "-c", textwrap.dedent(code.format(status="'a message'")))
    assert (result.stdout, result.stderr) == ("thread\nexit handler", "a message\n")
    assert result.returncode == 1


def test_an_exception_is_printed_and_fails(launcher):
    result = run(launcher, "-c", "1 / 0")
    assert result.returncode == 1
    assert "ZeroDivisionError" in result.stderr


def test_no_command_is_refused(launcher):
    result = run(launcher, "-u")
    assert result.returncode == 1
    assert "expected -c, -m or a script" in result.stderr


SLEEPER = "import os, time; print(os.getpid(), flush=True); time.sleep(60)"


def is_alive(pid: int) -> bool:
    try:
        with open(f"/proc/{pid}/stat") as file:
            return file.read().rpartition(")")[2].split()[0] != "Z"
    except FileNotFoundError:
        return False


def ends(pid: int) -> bool:
    """Whether the process ends within 20 s."""
    deadline = time.monotonic() + 20
    while is_alive(pid) and time.monotonic() < deadline:
        time.sleep(0.02)
    return not is_alive(pid)


def start_sleeper(launcher):
    process = subprocess.Popen([launcher, "-c", SLEEPER], stdout=subprocess.PIPE, text=True)
    return process, int(process.stdout.readline())


def test_a_signal_to_the_launcher_ends_the_child_and_shows_in_the_status(launcher):
    process, child = start_sleeper(launcher)
    process.terminate()
    assert process.wait(20) == -signal.SIGTERM
    assert ends(child)


def test_the_child_ends_with_a_killed_launcher(launcher):
    process, child = start_sleeper(launcher)
    process.kill()
    process.wait(20)
    assert ends(child)


def test_a_client_that_goes_away_early_is_no_harm(launcher):
    address = os.path.join(os.path.dirname(launcher), "socket")
    for request in (b"", b"\0\0", b"\0\0\0\x09{"):
        with socket.socket(socket.AF_UNIX) as client:
            client.connect(address)
            client.sendall(request)
    assert run(launcher, "-c", "print(1)").stdout == "1\n"


def test_a_killed_child_ends_the_launcher_alike(launcher):
    process, child = start_sleeper(launcher)
    os.kill(child, signal.SIGKILL)
    assert process.wait(20) == -signal.SIGKILL


def test_processes_of_multiprocessing_come_from_the_server(launcher, tmp_path):
    script = tmp_path / "script.py"
    script.write_text(
        textwrap.dedent(
            f"""
            import multiprocessing, sys
            def child(connection):
                connection.send("{PRELOADED}" in sys.modules)
            if __name__ == "__main__":
                context = multiprocessing.get_context("spawn")
                here, there = context.Pipe()
                process = context.Process(target=child, args=(there,))
                process.start()
                print(here.recv())
                process.join()
                print(process.exitcode)
            """
        )
    )
    result = run(launcher, str(script))
    assert result.stdout == "True\n0\n", result.stderr


def test_nothing_outlives_a_killed_owner(tmp_path):
    """A killed owner cannot clean up, so its server notices, ends the children and itself, and removes its folder."""
    code = f"""
        import subprocess, sys, time
        from hpt.verl_ext.cpu.forkserver import serving
        with serving([], []) as server:
            child = subprocess.Popen([server.launcher, "-c", {SLEEPER!r}], stdout=subprocess.PIPE, text=True)
            print(child.stdout.readline().strip(), child.pid, server.launcher, flush=True)
            time.sleep(60)
    """
    with subprocess.Popen([sys.executable, "-c", textwrap.dedent(code)], stdout=subprocess.PIPE, text=True) as owner:
        *pids, launcher = owner.stdout.readline().split()
        child, client = map(int, pids)
        with open(f"/proc/{child}/stat") as file:
            server = int(file.read().rpartition(")")[2].split()[1])
        owner.kill()
    for pid in (child, client, server):
        assert ends(pid)
    assert not os.path.exists(os.path.dirname(launcher))


def test_nothing_outlives_a_killed_server():
    code = f"""
        import subprocess, time
        from hpt.verl_ext.cpu.forkserver import serving
        with serving([], []) as server:
            child = subprocess.Popen([server.launcher, "-c", {SLEEPER!r}], stdout=subprocess.PIPE, text=True)
            print(child.stdout.readline().strip(), flush=True)
            time.sleep(60)
    """
    command = [sys.executable, "-c", textwrap.dedent(code)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True) as owner:
        child = int(owner.stdout.readline())
        with open(f"/proc/{child}/stat") as file:
            os.kill(int(file.read().rpartition(")")[2].split()[1]), signal.SIGKILL)
        assert ends(child)


def test_the_server_has_the_package_of_its_owner(tmp_path):
    """The folder in which the owner runs may hold another checkout."""
    (tmp_path / "hpt").mkdir()
    (tmp_path / "hpt" / "__init__.py").write_text("raise SystemExit('another checkout')")
    script = tmp_path / "elsewhere" / "script.py"
    script.parent.mkdir()
    code = """
        import subprocess
        from hpt.verl_ext.cpu.forkserver import serving
        with serving([], []) as server:
            subprocess.run([server.launcher, "-c", "import hpt; print(hpt.__file__)"], timeout=20)
    """
    script.write_text(textwrap.dedent(code))
    result = run(sys.executable, str(script), cwd=tmp_path, env={**os.environ, "PYTHONPATH": str(ROOT)})
    assert result.stdout == f"{ROOT / 'hpt' / '__init__.py'}\n", result.stderr


def test_a_childs_collector_leaves_the_imports_alone():
    with serving([PRELOADED], []) as server:
        assert int(run(server.launcher, "-c", "import gc; print(gc.get_freeze_count())").stdout) > 1000


def test_leaving_early_does_not_wait_for_the_imports(modules_beside):
    with serving(["slow_import"], []):
        started = time.monotonic()
    assert time.monotonic() - started < 20  # the module sleeps for a minute


@pytest.mark.parametrize("ignores", [False, True], ids=["interactive", "background"])
def test_a_server_that_fails_ends_its_owner(ignores):
    code = f"""
        import signal, time
        if {ignores}:
            signal.signal(signal.SIGINT, signal.SIG_IGN)
        from hpt.verl_ext.cpu.forkserver import serving
        with serving(["no_such_module"], []):
            time.sleep(60)
    """
    result = subprocess.run([sys.executable, "-c", textwrap.dedent(code)], capture_output=True, text=True, timeout=40)
    assert result.returncode != 0
    assert "No module named 'no_such_module'" in result.stderr
    assert "the fork server ended with status 1" in result.stderr
    assert result.returncode == -signal.SIGTERM if ignores else "KeyboardInterrupt" in result.stderr
