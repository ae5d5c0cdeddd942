"""`python -m jobs.engine.kits.moderation` trains the classifier again, and prints how good it is."""

from __future__ import annotations

import json

from jobs.engine.kits.moderation import training

if __name__ == "__main__":
    print(json.dumps(training.write()["measured"]))
