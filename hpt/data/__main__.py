# Copyright 2026 The HPT authors
# SPDX-License-Identifier: Apache-2.0
"""``python -m hpt.data`` is ``hpt data`` under its old name."""

import sys

from hpt.cli import main

if __name__ == "__main__":
    sys.exit(main(["data", *sys.argv[1:]]))
