"""The composition root: settings, adapters, processes and the command line."""
