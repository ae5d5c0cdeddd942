"""Chat: its page, streams, API, and OpenAI's wire format."""
