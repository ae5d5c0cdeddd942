"""How good the kinds are beside the best tools for one job each: `make accuracy`."""
