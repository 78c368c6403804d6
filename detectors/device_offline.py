"""Device offline 设备离线: silence longer than the device's own learned interval.

Learned, per device, on log time (``recorded_time``): the 0.9 quantile of the gaps between its periodic messages
(heartbeat, measured; ``river.stats.Quantile``, the P2 algorithm of Jain & Chlamtac, CACM 1985) and the longest gap
of late. Any message of a device (also presence, SOS, a camera's finding) is a sign of life; irregular ones do not
shape the interval. A device is learned after 10 messages over at least 60 s; before that it is never flagged.

Silent: no sign of life for ``max(3.2 x interval, 2 x longest recent gap, 15 s) + 2 s``: three messages missed in a
row, more for a device that loses some. Then the gateway is given a moment (a tenth of that, 2 to 60 s) before it is
said: when at least 3 of its devices, and 60% of those that should have been heard, are overdue together, ONE
detection ``gateway_silent`` (or ``site_silent``, when two or more gateways of a site go together) stands for all;
the devices' statuses still change. Devices with longer intervals join it later, without an alert of their own.
"""
