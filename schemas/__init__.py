"""What may be said: the CloudEvents envelope, the event types, their codec, and the catalogue all else derives from."""
