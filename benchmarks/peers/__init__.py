"""The same job in other stream processors, side by side with ours: ``make bench-peers``. See ``README.md`` here."""
