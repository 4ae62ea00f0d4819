# Copyright 2026 The HPT authors
# SPDX-License-Identifier: Apache-2.0
"""What a study refuses."""

from hpt.common.errors import HPTError


class StudyError(HPTError):
    """A mistake of the user; the message says what the study got, what it expected, and what to do."""
