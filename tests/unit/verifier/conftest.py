# Copyright 2026 The HPT authors
# SPDX-License-Identifier: Apache-2.0
"""Makes a module of the helpers importable in the verifier's worker processes, which do not know the package tests."""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[2] / "helpers"))
