"""The command line."""

import os


def main() -> None:
    """Run the command line and exit."""
    # numpy's threads for matrices, which there are none of, would keep the capabilities that are to be given up.
    os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
    try:
        from dissector.cli.main import main as run  # noqa: PLC0415 - an interrupt while this takes its time ends quietly
    except KeyboardInterrupt:
        raise SystemExit(130) from None
    run()
