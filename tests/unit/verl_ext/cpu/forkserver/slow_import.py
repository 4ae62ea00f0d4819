# Copyright 2026 The HPT authors
# SPDX-License-Identifier: Apache-2.0
"""A module that takes a minute to import."""

import time

time.sleep(60)
