"""Measurements of the whole and its parts; imported by nobody but the command line."""
