"""The web side of Legwork: speaks HTTP, never does the work.

`webapp.app` makes the application. It is not imported here, so that the command `python -m webapp` starts quickly.
"""
