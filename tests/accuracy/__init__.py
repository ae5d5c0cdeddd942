"""How good the kinds are beside the best tools for one job each: `make accuracy`.

The measures are in files named measure_*.py, so that `make test` leaves them out. Ours runs in this process; the peers run in an
environment of their own, which has tests/accuracy/requirements.txt. The data comes out of packages, downloaded at run time.
"""
