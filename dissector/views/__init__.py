"""Messages and events in, bytes for people and programs out."""
