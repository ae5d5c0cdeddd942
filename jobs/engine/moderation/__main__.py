"""`python -m jobs.engine.moderation` makes the weights of the classifier anew, and says how good they are."""

from __future__ import annotations

import json

from jobs.engine.moderation import training

if __name__ == "__main__":
    print(json.dumps(training.write()["measured"]))
