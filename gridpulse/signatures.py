"""Whether a webhook comes from who shares the secret, by Standard Webhooks 1.0: for GridPulse's own receivers.

Written as any subscriber would write it (see ``docs/webhooks.md``), and not with the code that signs.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
from collections.abc import Mapping
from typing import Final

_SECRET_PREFIX: Final = "whsec_"
_TOLERANCE_S: Final = 300.0


def is_signed(secret: str, headers: Mapping[str, str], body: bytes, now_s: float) -> bool:
    """Whether one of the signatures is right, and it is not an old message again.

    ``secret``: as the API showed it, ``whsec_…``; while it is empty nothing is right. ``headers``: names in lower case.
    """
    webhook_id, sent = headers.get("webhook-id", ""), headers.get("webhook-timestamp", "")
    key = base64.b64decode(secret.removeprefix(_SECRET_PREFIX))
    if not (key and webhook_id and sent.isdecimal()) or abs(now_s - int(sent)) > _TOLERANCE_S:
        return False
    digest = hmac.new(key, f"{webhook_id}.{sent}.".encode() + body, hashlib.sha256).digest()
    right = "v1," + base64.b64encode(digest).decode()
    given = headers.get("webhook-signature", "").split(" ")
    return any(hmac.compare_digest(right.encode(), each.encode()) for each in given)
