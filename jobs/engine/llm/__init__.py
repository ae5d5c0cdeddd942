"""Language models: chat, streams, structured answers, embeddings."""
