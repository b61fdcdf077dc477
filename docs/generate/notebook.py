"""``docs/notebook.ipynb`` with what its cells print: run by Jupyter's own kernel, without the times and versions.

``python -m docs.generate.notebook`` runs it and writes it anew, ``--check`` only compares (`dissector.drift`).
"""

import os
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

import nbformat
from nbclient import NotebookClient
from traitlets.config import Config

from dissector import drift

ROOT = Path(__file__).resolve().parents[2]
PAGE = ROOT / "docs" / "notebook.ipynb"

_TIMEOUT_S = 120


def render() -> str:
    """Run the notebook and give it as it is stored. Raises `nbclient.exceptions.CellExecutionError` where it fails."""
    notebook = nbformat.read(PAGE, as_version=4)
    kept = dict(notebook.metadata)
    with tempfile.TemporaryDirectory() as folder:
        client = NotebookClient(
            notebook,
            timeout=_TIMEOUT_S,
            record_timing=False,
            resources={"metadata": {"path": str(PAGE.parent)}},
            # Its sockets are files that belong to us, and nothing of it goes to somebody's home.
            config=Config(KernelManager={"transport": "ipc", "ip": str(Path(folder) / "kernel")}),
        )
        client.execute(env={**os.environ, "IPYTHONDIR": folder})
    notebook.metadata = nbformat.from_dict(kept)
    text: str = nbformat.writes(notebook)
    return text + "\n"


def main(arguments: Sequence[str]) -> int:
    """Write the notebook, or with ``--check`` compare it; give the exit status (`dissector.drift.main`)."""
    return drift.main(PAGE, "what its cells print", render, arguments)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
