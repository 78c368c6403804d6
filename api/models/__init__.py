"""Shapes of the API's answers. Times are RFC 3339 in the zone that was asked for; ``…_ratio`` lies between 0 and 1."""
