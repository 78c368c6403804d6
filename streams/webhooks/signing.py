"""Standard Webhooks 1.0: the headers that say who sends and that nothing was changed. Pure.

Source: https://github.com/standard-webhooks/standard-webhooks/blob/main/spec/standard-webhooks.md (symmetric, ``v1``).
"""

from __future__ import annotations

import base64
import hashlib
import hmac
from collections.abc import Sequence


def signed_headers(webhook_id: str, now_ms: int, body: bytes, keys: Sequence[bytes]) -> dict[str, str]:
    """``webhook-id``, ``-timestamp`` and ``-signature``, a signature by every key: two while a secret rotates."""
    timestamp = str(now_ms // 1000)
    content = f"{webhook_id}.{timestamp}.".encode() + body
    signatures = (base64.b64encode(hmac.new(key, content, hashlib.sha256).digest()).decode() for key in keys)
    return {
        "webhook-id": webhook_id,
        "webhook-timestamp": timestamp,
        "webhook-signature": " ".join(f"v1,{signature}" for signature in signatures),
    }
