"""The routes, thin: parameters in, one question to a port, an answer out."""
