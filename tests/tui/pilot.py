"""Runs the application without a terminal."""

import asyncio
import functools
from contextlib import asynccontextmanager

from textual import _wait

from dissector.reading import Reading
from dissector.tui.app import OslosharkApp
from dissector.tui.session import Session

# After each key textual's pilot waits twice until this process has slept for most of so long: 20 ms, where it is not
# told otherwise. What becomes of a key is waited for by `settled`.
_wait.SLEEP_GRANULARITY = 0.004
_wait.SLEEP_IDLE = 0.0005


def driven(test):
    """Let a coroutine be a test."""

    @functools.wraps(test)
    def run(*arguments, **named):
        asyncio.run(test(*arguments, **named))

    # pytest looks at the signature, which is that of the coroutine.
    return run


@asynccontextmanager
async def running(*paths, size=(100, 30), expression=None, show_secrets=False):
    """Start the application on captures; give its pilot once all is read."""
    files = [str(path) for path in paths]
    session = Session(Reading(files), files, show_secrets=show_secrets)
    app = OslosharkApp(session, expression=expression)
    async with app.run_test(size=size) as pilot:
        while not session.is_done:
            await pilot.pause(0.02)
        await settled(pilot)
        yield pilot


async def settled(pilot):
    """Wait until searches and the screen have caught up."""
    app = pilot.app
    app._tick()
    await app.workers.wait_for_complete()
    while not all(pane.search is None or pane.search.is_current for pane in app._panes):
        await pilot.pause(0.01)
    app._tick()
    for _ in range(3):  # what is drawn may scroll, and what scrolls be drawn
        await pilot.pause()
        await app.animator.wait_until_complete()


async def press(pilot, *keys):
    """Press keys, one after the other, and wait for what they do."""
    for key in keys:
        await pilot.press(key)
        for _ in range(2):  # the key may move the focus, to which the next one goes
            await pilot.pause()
    await settled(pilot)


def screen(pilot):
    """The lines on screen."""
    return ["".join(segment.text for segment in line).rstrip() for line in pilot.app.screen._compositor.render_strips()]


def text(pilot):
    """All of the screen."""
    return "\n".join(screen(pilot))
