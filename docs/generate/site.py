"""A hook of MkDocs: brings the pages above ``docs/`` into the site, and makes the links between them right.

The README and its like are written for who looks at the sources, their links go by the paths there. In the site the
same pages stand beside those of ``docs/``. A link to what is no page of the site, such as a source file, becomes text.
"""

import posixpath
import re
from pathlib import Path

from mkdocs.config.defaults import MkDocsConfig
from mkdocs.structure.files import File, Files
from mkdocs.structure.pages import Page

BROUGHT = {
    "README.md": "index.md",
    "CONTRIBUTING.md": "contributing.md",
    "SECURITY.md": "security.md",
    "CHANGELOG.md": "changelog.md",
    "pcaps/README.md": "captures.md",
}
"""Pages that are elsewhere in the sources: their path there, and in the site."""
_SOURCES = {site: source for source, site in BROUGHT.items()}
_DOCS = "docs/"
_LINK = re.compile(r"(?P<begin>!?\[(?P<text>(?:[^\[\]]|\[[^\[\]]*\])*)\])\((?P<target>[^()\s]+)\)")
_ROOT = Path(__file__).resolve().parents[2]


def on_files(files: Files, config: MkDocsConfig) -> Files:
    """Add the pages."""
    for source, site in BROUGHT.items():
        files.append(File.generated(config, site, content=(_ROOT / source).read_text(encoding="utf-8")))
    return files


def on_page_markdown(markdown: str, page: Page, config: MkDocsConfig, files: Files) -> str:
    """Make a page's links right."""
    source = _SOURCES.get(page.file.src_uri, _DOCS + page.file.src_uri)
    return _LINK.sub(lambda link: _rewritten(link, posixpath.dirname(source), files), markdown)


def _rewritten(link: re.Match[str], folder: str, files: Files) -> str:
    target, mark, anchor = link["target"].partition("#")
    if not target or ":" in target:
        return link[0]
    meant = posixpath.normpath(posixpath.join(folder, target))
    site = BROUGHT.get(meant, meant.removeprefix(_DOCS))
    if (meant in BROUGHT or meant.startswith(_DOCS)) and files.get_file_from_path(site) is not None:
        return f"{link['begin']}({site}{mark}{anchor})"
    # What is neither here nor there stays a link, for MkDocs to complain of.
    return link["text"] if (_ROOT / meant).exists() else link[0]
