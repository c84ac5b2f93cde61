"""One module a kind of source, found by the kind's name in the language's `[[sources]]`."""
