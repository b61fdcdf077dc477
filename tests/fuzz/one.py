"""One target under atheris: ``python -m tests.fuzz.one TARGET [libFuzzer's flags and folders]``."""

import gc
import sys
import tempfile
from random import Random

import atheris


def main() -> None:
    """Run until libFuzzer's flags say that it is enough; exits by itself."""
    program, name, *flags = sys.argv
    with atheris.instrument_imports(include=["dissector"]):  # whatever else is imported stays as it is
        from . import target as targets  # noqa: PLC0415

        target = targets.load(name)
    with tempfile.NamedTemporaryFile("w", suffix=".dict") as dictionary, targets.lowered(target.limits):
        for word in target.words:
            dictionary.write('"' + "".join(f"\\x{octet:02x}" for octet in word) + '"\n')
        dictionary.flush()
        fixed = [f"-max_len={target.max_len}", "-timeout=25", "-rss_limit_mb=2048", "-print_final_stats=1"]
        if target.words:
            fixed.append(f"-dict={dictionary.name}")
        mutators = {}
        if target.mutate is not None:
            mutate = target.mutate

            def custom(data: bytes, max_size: int, seed: int) -> bytes:
                return mutate(data, max_size, Random(seed), atheris.Mutate)[:max_size]

            mutators["custom_mutator"] = custom
        atheris.Setup([program, *fixed, *flags], target.run, **mutators)
        gc.collect()
        gc.freeze()  # what is there now stays
        atheris.Fuzz()


if __name__ == "__main__":
    main()
