"""What an agent, or a person by a list of calls, may use. `registry` has them all."""
