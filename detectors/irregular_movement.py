"""Irregular movement of a person under care 轨迹异常, from that person's own learned habits.

Only for persons registered with ``consent``. Inputs: sightings, passages with ``person``, presence (by ``person``, or
by a device registered with one; signal ``power`` is not taken as a person). Home is where presence, a passage ``in``
or a sighting at the home site says so; out is a passage ``out`` or a sighting anywhere else.

Learning takes 7 days and 60 observations of the person; nothing is flagged before. Then:
``unusual_hour``    out at an hour (weekday/weekend, +-2 h) at which this person is practically never out (under 4%).
``absent_too_long`` out longer than 1.5 x the 0.95 quantile of past absences (begun in that quarter of the day, from 5
                    of them on, else of all) + 45 min, at least 3 h.
``no_sign_of_life`` at home without activity longer than 1.3 x the 0.95 quantile of past days' longest gaps (begun in
                    those two hours of the day) + 45 min, at least 2 h; only with 5 signs a day or more.
``unknown_place``   seen (confidence 0.5 or more) at a place not visited while learning, nor on two occasions since.
"""
