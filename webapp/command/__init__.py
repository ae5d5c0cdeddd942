"""The command `legwork`: starts and looks after an installation, and uses one from outside."""
