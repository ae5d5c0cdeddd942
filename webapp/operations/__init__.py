"""For operators: queues, workers, health, metrics, rq-dashboard."""
