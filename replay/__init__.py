"""What if: the simulated district with its truth, and bounded replays of the log."""
