"""What we notice: pure, deterministic operators over columnar batches in log order; no I/O, no clock."""
