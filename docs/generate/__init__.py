"""Makes what is generated under ``docs/`` and in the README.

``python -m docs.generate`` writes it, ``--check`` only compares (`dissector.drift`).

The command line's reference and its man pages come from the command line itself, the page of limits from
``dissector/limits.py``, and what commands print in the pages is printed by these commands.
"""
