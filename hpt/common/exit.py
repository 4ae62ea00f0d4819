# Copyright 2026 The HPT authors
# SPDX-License-Identifier: Apache-2.0
"""The end of a process."""

import atexit
import ctypes
import os
import signal
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from multiprocessing import util
from typing import Any, NoReturn

PR_SET_PDEATHSIG = 1  # <linux/prctl.h>
# Looked up here, as a process that has just been forked off one with threads must not wait for a lock.
_prctl = ctypes.CDLL(None).prctl if sys.platform == "linux" else None


def signalled_at_parents_end(number: int) -> None:
    """Have the kernel send this process a signal when the thread that started it ends. Without effect but on Linux."""
    if _prctl is not None:
        _prctl(PR_SET_PDEATHSIG, number, 0, 0, 0)


@contextmanager
def interrupted_by_term() -> Iterator[None]:
    """Treat a TERM signal, which schedulers send, as Ctrl-C while the block runs."""

    def interrupt(signum: int, frame: Any) -> None:
        raise KeyboardInterrupt(f"signal {signum}")

    before = signal.signal(signal.SIGTERM, interrupt)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)


def leave(status: int) -> NoReturn:
    """End this process without freeing its memory object by object, which takes seconds after large imports.

    Threads, exit handlers and the standard streams end as in any interpreter. Other open files are not flushed.
    """
    threading._shutdown()  # type: ignore[attr-defined]
    atexit._run_exitfuncs()
    with suppress(OSError):  # nobody reads any more
        util._flush_std_streams()  # type: ignore[attr-defined]
    os._exit(status)
