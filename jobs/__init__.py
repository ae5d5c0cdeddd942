"""The kinds of job, one file each, and the engine they stand on.

To add a kind, put one file here: a docstring, TITLE, GROUP, QUEUE, Params, EXAMPLE and run(). docs/add-a-kind.md shows one
from start to end; nothing else needs to be touched.
"""

__version__ = "0.1.0"
