"""The terminal UI: what is in a capture, and each message taken apart, on screen.

What is shown is kept as small as can be (`store`, `index`, `session`); these know nothing of textual, which the rest
is made with and which is imported only when it runs.
"""
