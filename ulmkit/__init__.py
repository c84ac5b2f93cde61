"""Web text to corpus, tokenizer and language model, for one language after another."""

__version__ = "0.1.0"
