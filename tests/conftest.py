# Copyright 2026 The HPT authors
# SPDX-License-Identifier: Apache-2.0
"""Shared test configuration."""

import os

# One thread per process: the tests start several processes on few cores, and OpenMP's waiting threads
# would take the time of those that work.
os.environ.setdefault("OMP_NUM_THREADS", "1")
