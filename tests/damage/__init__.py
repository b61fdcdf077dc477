"""Damaged captures together with the list of what is intact in them.

`talk.read` takes an undamaged capture; every packet then knows which bytes of which stream it carries. Each kind of
damage (`kinds.KINDS`) makes other packets of them, which know it too: so the messages of which every byte is still
there follow from the packets, and from no decoder. `check.judge` compares them with what osloshark gives.
"""
