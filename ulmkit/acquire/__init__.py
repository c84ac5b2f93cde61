"""Addresses → files on disk: the only room that opens a connection."""
