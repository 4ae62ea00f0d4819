# Copyright 2026 The HPT authors
# SPDX-License-Identifier: Apache-2.0
"""The end of a process."""

import atexit
import os
import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from multiprocessing import util
from typing import Any, NoReturn


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
