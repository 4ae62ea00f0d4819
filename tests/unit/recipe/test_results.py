# Copyright 2026 The HPT authors
# SPDX-License-Identifier: Apache-2.0
"""The committed studies: their pages are made from their metrics, and what is written about them quotes them."""

import csv
import re
import shutil
from pathlib import Path

import pytest

from recipe.hpt.reproduction.study import packed, pages, state
from recipe.hpt.reproduction.study.command import main
from recipe.hpt.reproduction.study.settings import Settings

pytestmark = pytest.mark.slow

RESULTS = Path(__file__).parents[3] / "recipe" / "hpt" / "results"
COMMITTED, MAP = RESULTS / "study", RESULTS / "map"
MADE = ("report.html", "results.md", "curves.csv", "curves.png")
MOST_BYTES, MOST_FILES = 2_000_000, 50
# Another version of matplotlib draws the same data in other bytes.
DRAWN = re.compile(rb"data:image/svg\+xml;[^\"]*")
ABSOLUTE_PATH = re.compile(rb"[\"' =]/[A-Za-z]")


def files(folder: Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


@pytest.fixture(scope="module")
def committed() -> dict[str, bytes]:
    return files(COMMITTED)


def test_the_results_are_few_and_small():
    sizes = [len(content) for content in files(RESULTS).values()]
    assert len(sizes) <= MOST_FILES and sum(sizes) <= MOST_BYTES


def test_the_pages_are_made_from_the_packed_metrics_byte_for_byte(committed, tmp_path):
    shutil.copytree(COMMITTED, tmp_path / "study")
    for folder in ("tables", "figures"):
        shutil.rmtree(tmp_path / "study" / folder)
    for name in MADE:
        (tmp_path / "study" / name).unlink()
    assert main(["--report", "--out", str(tmp_path / "study")]) == 0
    made = files(tmp_path / "study")
    assert committed.keys() == made.keys()
    assert {"tables/table2_builtin.tex", "figures/figure2_builtin.csv"} <= made.keys()
    differing = [
        name
        for name, content in committed.items()
        if not name.endswith((".svg", ".png")) and DRAWN.sub(b"", content) != DRAWN.sub(b"", made[name])
    ]
    assert differing == []


def test_every_run_of_the_plan_is_there(committed):
    settings = state.settings_for(COMMITTED, {})
    assert settings == Settings()
    with packed.readable(COMMITTED) as study:
        entries = pages.entries(study, settings)
        assert len(entries) == 33 and all("evaluation" in entry for entry in entries)
        unpacked = files(study)
    assert not [
        name
        for name, content in (committed | unpacked).items()
        if name.endswith((".json", ".jsonl", ".csv", ".md")) and ABSOLUTE_PATH.search(content)
    ]


def cells(text: str) -> list[list[str]]:
    """Rows of Markdown tables, without header lines' rules."""
    rows = [line.strip("| ").split("|") for line in text.splitlines() if line.startswith("|")]
    return [[cell.strip() for cell in row] for row in rows if not set("".join(row)) <= set("-: ")]


def written(number: int) -> str:
    return (COMMITTED / "tables" / f"table{number}_builtin.md").read_text()


def test_the_reading_quotes_the_tables():
    reading = (RESULTS / "README.md").read_text()
    for number in (2, 4, 5, 6):
        table = [line for line in written(number).splitlines() if line.startswith("|")]
        assert len(table) > 4 and "\n".join(table) in reading
    for link in re.findall(r"\]\((?!http)([^)#]+)", reading):
        assert (RESULTS / link).exists(), link


def test_the_recipe_page_quotes_the_tables():
    page = (RESULTS.parent / "README.md").read_text()
    section = page[page.index("## Results") : page.index("## Tables and figures")]
    quoted = [tuple(row[1:]) for row in cells(section)[1:]]
    measured = {tuple(row[-2:]) for number in (2, 5, 6) for row in cells(written(number))}
    assert len(quoted) == 11 and set(quoted) <= measured


# ---- the map ----


def test_the_maps_tables_and_data_are_made_from_its_packed_results(tmp_path):
    shutil.copytree(MAP, tmp_path / "map")
    made = {"results.md", "map.csv", "map.svg", "map_lines.csv", "map_lines.svg"}
    for name in made:
        (tmp_path / "map" / name).unlink()
    assert main(["--report", "--out", str(tmp_path / "map")]) == 0
    before, after = files(MAP), files(tmp_path / "map")
    assert before.keys() == after.keys() >= made
    assert [name for name in before if not name.endswith(".svg") and before[name] != after[name]] == []
    assert not [name for name in ("results.md", "map.csv", "study.json") if ABSOLUTE_PATH.search(before[name])]


GATHERED = ("| method | flawless: pass@1", "| estimator", "| method | flawless | 30% wrong | 5% covered |")
"""How those tables of the map's page begin that have columns of several others."""


def page_tables() -> list[list[str]]:
    """The lines of each table of the map's page."""
    page = (RESULTS.parents[2] / "docs" / "results" / "map.md").read_text()
    return [block.splitlines() for block in page.split("\n\n") if block.startswith("|")]


def gathered(begin: str) -> list[list[str]]:
    """The cells of the table that begins so, without its head."""
    (table,) = (lines for lines in page_tables() if lines[0].startswith(begin))
    return cells("\n".join(table))[1:]


def test_the_maps_page_quotes_its_tables():
    tables = (MAP / "results.md").read_text().splitlines()
    quoted = [line for lines in page_tables() if not lines[0].startswith(GATHERED) for line in lines]
    assert len(quoted) >= 10 and set(quoted) <= set(tables)


def test_the_maps_page_has_pass_at_k_of_its_leaderboards():
    results = (MAP / "results.md").read_text()
    expected = []
    for cell in ("flawless", "30% wrong"):
        table = results.split(f"### Every method where demonstrations are {cell}\n\n")[1].split("\n\n")[0]
        head, *rows = cells(table)
        expected.append({row[0]: [row[head.index(f"pass@{k}")] for k in (1, 4, 16)] for row in rows if len(row) > 5})
    rows = gathered(GATHERED[0])
    assert len(rows) == 5
    assert rows == [[name, *expected[0][name], *expected[1][name]] for name, *_ in rows]


def test_the_maps_page_has_the_accuracies_of_its_leaderboards():
    results = (MAP / "results.md").read_text()
    expected = []
    for cell in ("flawless", "30% wrong", "5% covered"):
        table = results.split(f"### Every method where demonstrations are {cell}\n\n")[1].split("\n\n")[0]
        expected.append({row[0]: row[1] for row in cells(table)[1:]})
    rows = gathered(GATHERED[2])
    assert len(rows) == 4 and rows == [[name, *(each[name] for each in expected)] for name, *_ in rows]


def test_the_maps_page_has_the_cosines_of_the_diagnosis():
    files = [MAP / f"diagnosis_{cell}.csv" for cell in ("flawless", "wrong0.3", "wrong0.5")]
    found = [{row["entry"]: row for row in csv.DictReader(file.open()) if row["pool"] == "on-policy"} for file in files]

    def text(row: dict[str, str]) -> str:
        return f"{float(row['cosine']):.2f} +- {float(row['cosine_error']):.2f}".replace("0.", ".")

    rows = gathered(GATHERED[1])
    assert len(rows) == 4
    for name, *quoted in rows:
        assert quoted == [text(each[name.split("`")[1]]) for each in found]
