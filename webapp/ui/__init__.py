"""What all pages share: theme, words, safe texts, Markdown."""
