"""Cannot be imported, on purpose."""

raise ImportError("libfriction is not installed")
