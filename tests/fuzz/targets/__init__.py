"""The targets: each a module with a ``TARGET`` (`tests.fuzz.target`)."""
