# Copyright 2026 The HPT authors
# SPDX-License-Identifier: Apache-2.0
"""The command: files, the page, refusals, and the same bytes each time."""

import os
import re
import shutil
import subprocess
import sys
from html.parser import HTMLParser
from pathlib import Path
from urllib.parse import unquote
from xml.etree.ElementTree import canonicalize

import pytest

from recipe.hpt.reproduction.report.__main__ import main
from recipe.hpt.reproduction.report.series import run_of
from tests.unit.reproduction.report.folders import evaluation, metrics, questions, runs_file

pytestmark = pytest.mark.slow

ROOT = Path(__file__).parents[4]


def make_study(folder):
    """A small study of two methods and two seeds, with a gate, and one of the paper's models."""
    runs = []
    for number, (method, seed) in enumerate((m, s) for m in ("hpt", "grpo", "hpt_gamma_1_4") for s in (0, 1)):
        name = f"{method}-{seed}"
        rows = {
            step: {
                "hpt/demonstration_share_rows": 0.5 / (step + number),
                "hpt/entropy_rollout": 0.1 * step,
                "hpt/response_length_rollout": 20.0 + step,
                "hpt/rollout_accuracy": 0.2 * step,
                "val-core/builtin/level_1/acc/mean@1": 0.1 * step,
                "val-core/builtin/level_7/acc/mean@1": 0.05 * step,
            }
            for step in (1, 2, 3)
        }
        metrics(folder / "runs" / name, rows)
        questions(
            folder / "runs" / name,
            {(step, 0): {f"q{step}{i}": (i + number) % 5 for i in range(4)} for step in (1, 2, 3)},
        )
        counts = {f"builtin/level_{level}": [(i + number) % 5 for i in range(4)] for level in (1, 7)}
        evaluation(folder / "eval" / name, counts)
        runs.append(
            {
                "model": "builtin",
                "method": method,
                "seed": seed,
                "training": f"runs/{name}",
                "evaluation": f"eval/{name}",
            }
        )
    return runs_file(folder, *runs, {"model": "qwen2.5_math_7b", "method": "<b>&own"})


@pytest.fixture(scope="module")
def study(tmp_path_factory):
    return make_study(tmp_path_factory.mktemp("study"))


@pytest.fixture(scope="module")
def made(study, tmp_path_factory):
    """Everything the command makes."""
    out = tmp_path_factory.mktemp("made")
    assert main(["tables", str(study), "--out", str(out / "tables")]) == 0
    assert main(["figures", str(study), "--out", str(out / "figures")]) == 0
    assert main(["page", str(study), "--out", str(out / "page.html")]) == 0
    return out


def contents(folder):
    return {str(path.relative_to(folder)): path.read_bytes() for path in sorted(folder.rglob("*")) if path.is_file()}


def test_files(made):
    names = {path.name for path in (made / "tables").iterdir()}
    stems = (
        "table2", "table3_llama3_1_8b", "table3_qwen2_5_math_1_5b", "table4", "table5", "table6",
        "table2_builtin", "table4_builtin", "table5_builtin", "table6_builtin",
    )  # fmt: skip
    assert names == {f"{stem}.{ending}" for stem in stems for ending in ("md", "csv", "tex")}
    names = {path.name for path in (made / "figures").iterdir()}
    assert names == {f"figure{number}_builtin.{ending}" for number in range(2, 9) for ending in ("svg", "csv")}


class Page(HTMLParser):
    """What a browser would fetch or follow, and the text."""

    def __init__(self):
        super().__init__()
        self.sources, self.tags, self.text = [], [], ""

    def handle_starttag(self, tag, attrs):
        self.tags.append(tag)
        self.sources += [value for name, value in attrs if name in ("src", "href", "srcset", "data")]

    def handle_data(self, data):
        self.text += data


def test_the_page_is_self_contained(made, study):
    text = (made / "page.html").read_text()
    page = Page()
    page.feed(text)
    pictures = [unquote(source.removeprefix("data:image/svg+xml;charset=utf-8,")) for source in page.sources]
    figures = [path.read_text() for path in sorted((made / "figures").glob("*.svg"))]
    assert list(map(canonicalize, pictures)) == [canonicalize(text.replace("\n", " ")) for text in figures]
    assert not {"a", "script", "link", "iframe"} & {*page.tags}
    around = re.sub(r'src="[^"]*"', "", text)
    assert "url(" not in around and "@import" not in around
    fetched = [re.findall(r"""url\((?!#)|href=["'](?!#|data:)""", picture) for picture in pictures]
    assert not any(fetched)
    assert str(study.parent) not in text and not re.search(r"20\d\d-\d\d-\d\d", text)
    assert page.text.count("Missing.") == 7  # the paper's model has no inputs
    assert "Table 6: the gate, Qwen2.5-Math-1.5B" in page.text
    assert "<b>&own" in page.text and "b" not in page.tags  # text, not markup


def test_the_same_input_gives_the_same_bytes(made, study, tmp_path):
    """In another process with other hashes, from another place, with a matplotlibrc of the reader's."""
    moved = tmp_path / "moved"
    shutil.copytree(study.parent, moved)
    (tmp_path / "matplotlibrc").write_text("font.size: 20\nlines.linewidth: 9\naxes.grid: True\n")
    environment = {
        **os.environ,
        "PYTHONHASHSEED": "7",
        "PYTHONPATH": str(ROOT),
        "MATPLOTLIBRC": str(tmp_path / "matplotlibrc"),
        "TZ": "Asia/Tokyo",
    }
    code = (
        "import sys; from recipe.hpt.reproduction.report.__main__ import main\n"
        "for what, out in (('tables', 'tables'), ('figures', 'figures'), ('page', 'page.html')):\n"
        "    assert main([what, 'moved/runs.yaml', '--out', 'again/' + out]) == 0"
    )
    subprocess.run([sys.executable, "-c", code], cwd=tmp_path, env=environment, check=True, capture_output=True)
    first, second = contents(made), contents(tmp_path / "again")
    assert first.keys() == second.keys()
    assert [name for name in first if first[name] != second[name]] == []


def test_a_page_may_be_made_again_but_nothing_else_is_overwritten(study, tmp_path, capsys):
    out = tmp_path / "page.html"
    out.write_text("<html>mine</html>")
    assert main(["page", str(study), "--out", str(out)]) == 2
    assert out.read_text() == "<html>mine</html>"
    assert "was not written by this command" in capsys.readouterr().err
    before = study.read_bytes()
    assert main(["page", str(study), "--out", str(study)]) == 2
    assert study.read_bytes() == before and "ends in .html" in capsys.readouterr().err
    assert main(["tables", str(study), "--out", str(out)]) == 2
    assert "a file; expected a folder" in capsys.readouterr().err


def test_an_old_picture_does_not_stand_in_for_a_missing_one(tmp_path, capsys):
    file = runs_file(tmp_path, {"model": "m", "method": "hpt"})
    out = tmp_path / "figures"
    out.mkdir()
    (out / "figure6_m.svg").write_text("of another run")
    (out / "mine.svg").write_text("not ours")
    assert main(["figures", str(file), "--out", str(out)]) == 0
    assert [path.name for path in out.iterdir()] == ["mine.svg"]
    assert "missing  Figure 6: share of demonstrations, m: It needs trainings" in capsys.readouterr().out


@pytest.mark.parametrize("command", ["tables", "figures", "page"])
def test_bad_input_is_one_message_and_status_2(tmp_path, capsys, command):
    file = tmp_path / "runs.yaml"
    file.write_text("runs: [{model: m, method: hpt, training: gone}]")
    out = tmp_path / ("out.html" if command == "page" else "out")
    assert main([command, str(file), "--out", str(out)]) == 2
    captured = capsys.readouterr()
    assert captured.err.startswith(f"error: got {file} with problems") and captured.out == ""
    assert "gone is not a folder" in captured.err and not out.exists()


def test_a_damaged_run_is_one_message_and_status_2(tmp_path, capsys):
    folder = metrics(tmp_path / "run", {1: {"hpt/demonstration_share_rows": 0.5}})
    (folder / "metrics.jsonl").write_text("[1]\n")
    run_of.cache_clear()
    file = runs_file(tmp_path, {"model": "m", "method": "hpt", "training": "run"})
    assert main(["figures", str(file), "--out", str(tmp_path / "out")]) == 2
    assert capsys.readouterr().err.count("error:") == 1


def test_options():
    for arguments in ([], ["tables"], ["tables", "x.yaml"], ["other", "x.yaml", "--out", "y"]):
        with pytest.raises(SystemExit) as end:
            main(arguments)
        assert end.value.code == 2
