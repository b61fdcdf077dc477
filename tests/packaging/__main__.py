"""``make smoke``: the wheel in clean environments that pip makes, with the core alone and with each extra."""

import sys
import tempfile
import time
from pathlib import Path

from .environments import EXTRAS, Environment, build
from .smoke import doctored, miss, use, use_extra


def main() -> int:
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        elsewhere = folder / "elsewhere"
        elsewhere.mkdir()
        wheel = build("wheel", folder / "dist")
        for extra in [None, *EXTRAS]:
            begin = time.monotonic()
            environment = Environment(folder / (extra or "core"))
            environment.install(str(wheel) if extra is None else f"{wheel}[{extra}]")
            took = time.monotonic() - begin
            size = sum(path.stat().st_size for path in environment.packages.rglob("*") if path.is_file()) >> 20
            use(environment, elsewhere)
            states = doctored(environment, elsewhere)
            assert {state for (group, _), state in states.items() if group == "core"} == {"ok"}, states
            if extra is None:
                for missing in EXTRAS:
                    miss(environment, elsewhere, missing)
            else:
                assert states["extras", extra] == "ok", states
                done = use_extra(environment, elsewhere, extra)
                assert done.returncode == 0, done.stderr
            print(f"{extra or 'core':<8} ok, installed in {took:.1f} s, {size} MB", flush=True)
    return 0


if __name__ == "__main__":
    sys.exit(main())
