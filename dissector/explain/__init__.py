"""One chosen message explained: everything in it as a tree, each part with its bytes; beside the flow, never on it."""
