# Copyright 2026 The HPT authors
# SPDX-License-Identifier: Apache-2.0
"""``python -m hpt.cli`` is the command ``hpt``, also where the package is not installed."""

import sys

from hpt.cli.app import main

if __name__ == "__main__":
    sys.exit(main())
