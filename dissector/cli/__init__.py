"""The command line."""


def main() -> None:
    """Run the command line and exit."""
    try:
        from dissector.cli.main import main as run  # noqa: PLC0415 - an interrupt while this takes its time ends quietly
    except KeyboardInterrupt:
        raise SystemExit(130) from None
    run()
