"""What names and texts may look like (C6, C9)."""

from __future__ import annotations

import unicodedata

MAX_ID = 255
MAX_TEXT = 255

ALLOWED_ID = (
    f"must be 1 to {MAX_ID} code points, in NFC, without control or format characters and without outer white space"
)


def is_id(text: str) -> bool:
    """Whether the text can be a user's, a call's or a device's id (C9)."""
    if not 1 <= len(text) <= MAX_ID or text[0].isspace() or text[-1].isspace():
        return False
    if text.isascii():
        return text.isprintable()
    if any(unicodedata.category(letter) in ("Cc", "Cf", "Cs") for letter in text):
        return False
    return unicodedata.is_normalized("NFC", text)
