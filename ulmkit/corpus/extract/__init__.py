"""A page → its text: HTML, wikitext, Markdown and plain text."""
