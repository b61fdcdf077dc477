"""The package as a user gets it: built, installed where nothing else is, and used."""
