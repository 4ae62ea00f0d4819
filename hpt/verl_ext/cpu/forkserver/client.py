# Copyright 2026 The HPT authors
# SPDX-License-Identifier: Apache-2.0
"""Stand in for the interpreter: ask the fork server for a process and live as long as that does.

It is run as ``python -I -S client.py SOCKET [interpreter's arguments]``. It imports the standard library only, because
every worker's start waits for it. See :mod:`hpt.verl_ext.cpu.forkserver`.
"""

import json
import os
import signal
import socket
import struct
import sys

FORWARDED = (signal.SIGTERM, signal.SIGINT, signal.SIGHUP, signal.SIGUSR1, signal.SIGUSR2)
# A request is its length in bytes, then JSON. The answers are the child's pid, then its wait status.
LENGTH = struct.Struct("!I")
ANSWER = struct.Struct("!q")


def open_descriptors(but: int) -> list[int]:
    """List this process's open file descriptors, except one."""
    found = []
    for name in os.listdir("/proc/self/fd"):
        descriptor = int(name)
        try:
            os.fstat(descriptor)
        except OSError:
            continue  # it belonged to the listing itself
        if descriptor != but:
            found.append(descriptor)
    return found


def receive_number(connection: socket.socket) -> int | None:
    """Receive the next number of the server's answer; None if the server is gone."""
    answer = connection.recv(ANSWER.size, socket.MSG_WAITALL)
    return ANSWER.unpack(answer)[0] if len(answer) == ANSWER.size else None


def main() -> int:
    connection = socket.socket(socket.AF_UNIX)
    connection.connect(sys.argv[1])
    descriptors = open_descriptors(connection.fileno())
    request = json.dumps(
        {
            "arguments": sys.argv[2:],
            "environment": dict(os.environ),
            "folder": os.getcwd(),
            "descriptors": descriptors,
            "is_interruptible": signal.getsignal(signal.SIGINT) != signal.SIG_IGN,
        }
    ).encode()
    socket.send_fds(connection, [LENGTH.pack(len(request))], descriptors)
    connection.sendall(request)
    pid = receive_number(connection)
    if pid is None:
        print("the fork server ended before it made this process", file=sys.stderr)
        return 1
    for number in FORWARDED:
        signal.signal(number, lambda received, _frame: os.kill(pid, received))
    # The child has them. A pipe's reader must see the end of file when the child ends, not when this process does.
    for descriptor in descriptors:
        if descriptor > 2:
            os.close(descriptor)
    status = receive_number(connection)
    if status is None:
        return 1
    if os.WIFSIGNALED(status):  # end in the same way, so that whoever waits sees the same status
        if os.WTERMSIG(status) in FORWARDED:
            signal.signal(os.WTERMSIG(status), signal.SIG_DFL)
        os.kill(os.getpid(), os.WTERMSIG(status))
    return os.waitstatus_to_exitcode(status)


if __name__ == "__main__":
    sys.exit(main())
