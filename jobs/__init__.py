"""The kinds of job, one file each, and the engine that runs them.

To add a kind, put one file here: a docstring, TITLE, GROUP, QUEUE, Params, EXAMPLE and run(). docs/add-a-kind.md shows one
from start to end; no other file changes.
"""

__version__ = "0.1.0"
