"""The event types, one module per family (one family is one topic)."""
