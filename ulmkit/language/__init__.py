"""What a language is, read from a folder of data."""
