"""Reading one call from its rows, for those who write and for those who read."""

from __future__ import annotations

import sqlite3

from ringline_server.store.codec import decode_call
from ringline_server.store.port import Placed

_CALL = "SELECT position, uid, large, body FROM calls WHERE "

CALL_BY_NAME = _CALL + "type = ? AND id = ?"

CALL_BY_ROW = _CALL + "rowid = ?"

_PIECES = "SELECT part, ring, body FROM call_pieces WHERE uid = ? ORDER BY part, ring, number"


def placed(connection: sqlite3.Connection, row: tuple[int, str, int, str]) -> Placed:
    """Return the call of a row that one of these statements has found."""
    position, uid, large, body = row
    pieces = connection.execute(_PIECES, (uid,)).fetchall() if large else ()
    return Placed(position, decode_call(body, pieces))
