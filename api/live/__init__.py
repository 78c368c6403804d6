"""The live stream: alert steps as they are appended to the log, and chosen metrics, as Server-Sent Events."""
