"""Code that only one or two kinds use, one package for each subject."""
