# Copyright 2026 The HPT authors
# SPDX-License-Identifier: Apache-2.0
"""One hierarchy for what the user has to change. Every message says what it got, what was expected, what to do."""


class HPTError(ValueError):
    """A mistake in what the user gave; commands print its message alone and exit with status 2."""


class ConfigError(HPTError):
    """A setting the user has to change."""
