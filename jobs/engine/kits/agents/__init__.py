"""An agent: a model that uses tools step by step, kept in Postgres after each step."""
