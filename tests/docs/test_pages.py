"""Pages of the documentation: links lead somewhere, lines are short, every page is in the site."""

import re
from pathlib import Path

import pytest
import yaml

ROOT = Path(__file__).parents[2]
PAGES = [*ROOT.glob("*.md"), *sorted((ROOT / "docs").glob("*.md"))]
MADE = ("reference/",)  # by scripts/make_reference.py


def prose_of(page: Path) -> str:
    """The text outside of code blocks."""
    return re.sub(r"(?ms)^\s*```.*?^\s*```\s*$", "", page.read_text())


def anchors_of(page: Path) -> set[str]:
    """What links to headings of a page end with."""
    headings = re.findall(r"(?m)^#+ (.+)$", prose_of(page))
    return {re.sub(r"[^\w\- ]", "", heading.lower()).strip().replace(" ", "-") for heading in headings}


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.stem)
def test_links_lead_somewhere(page):
    broken = []
    for target in re.findall(r"\]\(([^)\s]+)\)", prose_of(page)):
        if re.match(r"\w+:", target):
            continue
        file, _, anchor = target.partition("#")
        place = (page.parent / file) if file else page
        if file.startswith(MADE):
            continue
        if not place.exists() or (anchor and anchor not in anchors_of(place)):
            broken.append(target)
    assert broken == []


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.stem)
def test_lines_are_short(page):
    long = [f"{page.name}:{n}" for n, line in enumerate(page.read_text().splitlines(), 1) if len(line) > 120]
    assert long == []


def test_every_page_is_in_the_site():
    def files(nav):
        for entry in nav if isinstance(nav, list) else nav.values() if isinstance(nav, dict) else [nav]:
            yield from [entry] if isinstance(entry, str) else files(entry)

    named = set(files(yaml.safe_load((ROOT / "mkdocs.yml").read_text())["nav"]))
    assert {page.name for page in (ROOT / "docs").glob("*.md")} <= named
    assert {name for name in named if not name.startswith(MADE) and not (ROOT / "docs" / name).exists()} == set()


def test_the_readme_is_short_and_llms_txt_leads_somewhere():
    assert len((ROOT / "README.md").read_text().split()) <= 700
    assert all((ROOT / path).is_file() for path in re.findall(r"\]\((docs/[^)]+)\)", (ROOT / "llms.txt").read_text()))
