"""The Python interface: what ``import dissector`` gives, each part imported when it is first used."""
