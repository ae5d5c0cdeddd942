"""Workers: taking messages, running kinds, watching over both; and the clock."""
