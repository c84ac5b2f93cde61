"""Tools for who adds a language: a new folder, its checks, its limits, what each operation is worth."""
