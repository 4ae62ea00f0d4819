# Copyright 2026 The HPT authors
# SPDX-License-Identifier: Apache-2.0
"""``python -m hpt.upge`` is ``hpt algorithms`` under its old name."""

import sys

from hpt.cli import main

if __name__ == "__main__":
    sys.exit(main(["algorithms", *sys.argv[1:]]))
