"""Noise over limit 噪声超限: GB 3096-2008 limits on energy averages, night bursts, and louder than usual here.

Readings ``laeq`` (and ``lamax``) are summed by energy into event-time windows of 5 min (aligned to the hour), closed
60 s of log time after their end; a window needs 40% of its time covered. Later readings are counted, not used.

``over_limit``: LAeq over the last 20 min (same day/night period, at least half covered) at least 1 dB above the limit
of the meter's ``noise_zone`` at two window closes in a row; over when below limit - 1 dB at three closes in a row.
``night_burst``: 22:00-06:00, one ``lamax`` reading more than 15 dB above the night limit (``laeq`` where the meter
sends no lamax). Without a zone neither of the two can be said.
``louder_than_usual``: learned per meter and hour of day, weekdays and weekends apart, from at least 2 days of that
hour; 3 windows in a row at least 6 dB (and 3.5 sigma, sigma at least 1.5 dB) above it.
"""
