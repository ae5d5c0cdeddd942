"""The peers, each a script that .venv-bench runs; `run.py` starts them and counts what they finished."""
