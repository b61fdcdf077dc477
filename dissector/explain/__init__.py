"""Byte ranges of one chosen message, by construct; beside the flow, never on the stream."""
