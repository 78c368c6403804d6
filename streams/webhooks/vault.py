"""What is secret about subscriptions, from one key of the installation; the log holds nothing that helps without it.

* Signing secrets (Standard Webhooks) are stored nowhere: HMAC-SHA256 of the subscription and the secret's random id.
* Addresses, and the signing secrets that group robots' platforms give, must be known again: they are sealed. Encrypt,
  then MAC: counter mode over HMAC-SHA256 as the pseudorandom function, HMAC-SHA256 over context, nonce and
  ciphertext, each with a key of its own. Sources: RFC 2104; NIST SP 800-38A 6.5; Bellare and Namprempre 2000.

A sealed text is bound to its subscription and field: moved elsewhere it does not open.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import secrets
from collections.abc import Callable

MASTER_KEY_BYTES = 32
SECRET_PREFIX = "whsec_"
_NONCE_BYTES = 16
_TAG_BYTES = 16
_BLOCK_BYTES = 32
_SEAL_VERSION = "s1"
_PURPOSE = b"gridpulse/webhooks/v1/"


class SealBrokenError(Exception):
    """A sealed text does not open: it is not this installation's key, or it was changed or moved."""


class Vault:
    """Seals and derives with the installation's key. Never printed by ``repr``."""

    def __init__(self, master_key: bytes, random_bytes: Callable[[int], bytes] = secrets.token_bytes) -> None:
        if len(master_key) != MASTER_KEY_BYTES:
            raise ValueError(f"the key of subscriptions has {MASTER_KEY_BYTES} bytes, not {len(master_key)}")
        self._derive_key = _mac(master_key, _PURPOSE + b"derive")
        self._seal_key = _mac(master_key, _PURPOSE + b"seal")
        self._tag_key = _mac(master_key, _PURPOSE + b"tag")
        self._random_bytes = random_bytes

    def __repr__(self) -> str:
        return "Vault(…)"

    def signing_key(self, subscription: str, secret_id: str) -> bytes:
        """The 32 bytes that sign deliveries."""
        return _mac(self._derive_key, _joined(subscription, secret_id))

    def signing_secret(self, subscription: str, secret_id: str) -> str:
        """The same as a subscriber gets it: ``whsec_`` and base64."""
        return SECRET_PREFIX + base64.b64encode(self.signing_key(subscription, secret_id)).decode()

    def seal(self, text: str, subscription: str, field: str) -> str:
        """``text`` as it may stand in the log, for this field of this subscription."""
        nonce = self._random_bytes(_NONCE_BYTES)
        hidden = self._crypt(text.encode(), nonce)
        return ".".join(
            (_SEAL_VERSION, _encoded(nonce), _encoded(hidden + self._tag(nonce, hidden, subscription, field)))
        )

    def open(self, sealed: str, subscription: str, field: str) -> str:
        """What was sealed. :raises SealBrokenError: it does not open."""
        try:
            version, nonce_text, rest_text = sealed.split(".")
            nonce, rest = _decoded(nonce_text), _decoded(rest_text)
        except ValueError:
            raise SealBrokenError("not a sealed text") from None
        hidden, tag = rest[:-_TAG_BYTES], rest[-_TAG_BYTES:]
        if version != _SEAL_VERSION or not hmac.compare_digest(tag, self._tag(nonce, hidden, subscription, field)):
            raise SealBrokenError(f"{field} of {subscription} was not sealed with this installation's key")
        return self._crypt(hidden, nonce).decode()

    def _crypt(self, text: bytes, nonce: bytes) -> bytes:
        blocks = range(-(-len(text) // _BLOCK_BYTES))
        stream = b"".join(_mac(self._seal_key, nonce + number.to_bytes(8, "big")) for number in blocks)
        return bytes(letter ^ mask for letter, mask in zip(text, stream, strict=False))

    def _tag(self, nonce: bytes, hidden: bytes, subscription: str, field: str) -> bytes:
        return _mac(self._tag_key, _joined(subscription, field) + b"\0" + nonce + hidden)[:_TAG_BYTES]


def _mac(key: bytes, message: bytes) -> bytes:
    return hmac.new(key, message, hashlib.sha256).digest()


def _joined(*names: str) -> bytes:
    """Names told apart: none of them holds a zero byte."""
    return b"\0".join(name.encode() for name in names)


def _encoded(content: bytes) -> str:
    return base64.urlsafe_b64encode(content).decode().rstrip("=")


def _decoded(text: str) -> bytes:
    """:raises ValueError: not what :func:`_encoded` writes, to the last bit."""
    content = base64.b64decode(text + "=" * (-len(text) % 4), altchars=b"-_", validate=True)
    if _encoded(content) != text:
        raise ValueError("written in another way")
    return content
