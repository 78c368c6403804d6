"""What you may ask: a thin FastAPI layer over the ports of the other rooms."""
