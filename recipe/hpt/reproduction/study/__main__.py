# Copyright 2026 The HPT authors
# SPDX-License-Identifier: Apache-2.0
"""Run the study; see :mod:`recipe.hpt.reproduction.study.command`."""

import sys

from recipe.hpt.reproduction.study.command import main

if __name__ == "__main__":
    sys.exit(main())
