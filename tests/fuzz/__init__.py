"""Coverage-guided fuzzing: ``python -m tests.fuzz`` (or ``make fuzz``), see `tests.fuzz.__main__`."""
