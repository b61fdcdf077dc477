"""The wire that the tests of this folder share."""

from collections.abc import Iterator

import pytest

from .wire import Wire


@pytest.fixture(scope="module")
def wire() -> Iterator[Wire]:
    running = Wire()
    try:
        yield running
    finally:
        running.close()
