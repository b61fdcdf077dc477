"""The site builds without a warning, has every page, and asks nothing of anybody else."""

import re
import subprocess
import sys
from html.parser import HTMLParser
from pathlib import Path

import pytest
import yaml

from docs.generate.site import BROUGHT

ROOT = Path(__file__).resolve().parents[2]


pytestmark = pytest.mark.xdist_group("site")
"""One worker builds it, once."""
FETCHING = {"script": "src", "img": "src", "link": "href", "iframe": "src", "source": "src", "object": "data"}
"""Elements for which a browser fetches something, and the attribute that says what."""
BY_ITSELF = {"stylesheet", "preload", "prefetch", "preconnect", "dns-prefetch", "icon", "modulepreload"}
"""Links that it follows unasked."""


class Loaded(HTMLParser):
    """What a browser fetches for a page by itself, and where links lead."""

    def __init__(self):
        super().__init__()
        self.fetched, self.links = [], []

    def handle_starttag(self, tag, attrs):
        given = dict(attrs)
        if tag == "a" and "href" in given:
            self.links.append(given["href"])
        is_fetched = tag != "link" or BY_ITSELF & set((given.get("rel") or "").split())
        if is_fetched and (what := given.get(FETCHING.get(tag, ""))):
            self.fetched.append(what)


@pytest.fixture(scope="module")
def site(tmp_path_factory):
    folder = tmp_path_factory.mktemp("site")
    done = subprocess.run(
        [sys.executable, "-m", "mkdocs", "build", "--quiet", "--strict", "--site-dir", str(folder)],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
        env={"PATH": "/usr/bin:/bin", "NO_MKDOCS_2_WARNING": "1", "LC_ALL": "C.UTF-8"},
    )
    assert (done.returncode, done.stdout + done.stderr) == (0, "")
    pages = {}
    for path in folder.rglob("*.html"):
        pages[path.relative_to(folder)] = loaded = Loaded()
        loaded.feed(path.read_text(encoding="utf-8"))
    return folder, pages


def test_every_page_of_the_docs_is_in_it(site):
    _, pages = site
    sources = {path.stem for path in (ROOT / "docs").glob("*.md")} | {Path(name).stem for name in BROUGHT.values()}
    assert {str(path.parent) for path in pages if path.name == "index.html"} == {*sources - {"index"}, "."}


def test_a_browser_fetches_nothing_from_elsewhere(site):
    folder, pages = site
    fetched = [(str(page), what) for page, loaded in pages.items() for what in loaded.fetched]
    assert len(fetched) > len(pages)
    assert [one for one in fetched if re.match(r"(?:[a-z]+:)?//", one[1])] == []
    for sheet in folder.rglob("*.css"):
        assert not re.search(r"(?:url\(|@import\s)[\"']?(?:https?:)?//", sheet.read_text(encoding="utf-8")), sheet


def test_links_of_the_readme_lead_into_the_site_and_to_files(site):
    _, pages = site
    text = (ROOT / "README.md").read_text(encoding="utf-8")
    targets = [target.partition("#")[0] for target in re.findall(r"\]\(([^()\s]+)\)", text) if ":" not in target]
    assert [target for target in targets if target and not (ROOT / target).exists()] == []
    home = pages[Path("index.html")]
    for leads_to in ("questions/", "fields/", "filters/", "contributing/", "security/", "captures/"):
        assert leads_to in home.links


def test_the_navigation_has_every_page():
    config = yaml.safe_load((ROOT / "mkdocs.yml").read_text(encoding="utf-8"))
    listed = set(re.findall(r"[\w-]+\.md", str(config["nav"])))
    assert listed == {path.name for path in (ROOT / "docs").glob("*.md")} | set(BROUGHT.values())
