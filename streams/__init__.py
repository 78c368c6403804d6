"""How it moves: the event log (Kafka, SQLite), ingest, the Bytewax dataflows and process supervision."""
