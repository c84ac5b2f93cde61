"""The command line: a thin skin over the library. The only place that prints."""
