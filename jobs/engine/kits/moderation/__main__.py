"""`python -m jobs.engine.kits.moderation` makes the weights of the classifier anew, and says how good they are."""

from __future__ import annotations

import json

from jobs.engine.kits.moderation import training

if __name__ == "__main__":
    print(json.dumps(training.write()["measured"]))
