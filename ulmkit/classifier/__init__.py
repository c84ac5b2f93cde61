"""Labelled texts to a classifier, with what it is worth said honestly."""
