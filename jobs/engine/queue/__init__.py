"""Jobs: asking for them, their rows, their messages, and everything that reads or changes them."""
