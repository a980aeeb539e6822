"""The signature of a webhook message: base64 of HMAC-SHA256 over its bytes, as they came.

https://developers.exlibrisgroup.com/alma/integrations/webhooks/anatomy/
"""

from __future__ import annotations

import base64
import hashlib
import hmac
from collections.abc import Sequence

from almajob.text.redaction import Secret


def sign(secret: Secret, body: bytes) -> str:
    """Return the signature of a message, as the header X-Exl-Signature has it."""
    key = secret.reveal().encode("utf-8", "surrogatepass")
    return base64.b64encode(hmac.new(key, body, hashlib.sha256).digest()).decode()


def is_signed(body: bytes, signature: str, secrets: Sequence[Secret]) -> bool:
    """Whether a message is signed with one of the secrets; it takes as long for any signature."""
    given = signature.strip().encode("utf-8", "replace")
    found = [hmac.compare_digest(sign(secret, body).encode(), given) for secret in secrets]
    return any(found)
