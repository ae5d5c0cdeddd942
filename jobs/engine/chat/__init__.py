"""Chat: conversations, questions, and answers that are written while they are read."""
