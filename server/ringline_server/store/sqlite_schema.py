"""The tables, as numbered migrations, and who may open what.

Two numbers are kept in the file: ``schema`` is the last migration that it went through, ``compatible`` the lowest
schema that a server must know to use it. A server leaves a newer file alone if that is low enough, and refuses
otherwise. The comments within the statements are kept by SQLite: ``.schema`` shows them to an operator.
"""

from __future__ import annotations

import secrets
import sqlite3
from collections.abc import Sequence
from dataclasses import dataclass

from ringline_server.store.port import StoreError, StoreTooNew

APPLICATION_ID = 0x52494E47
"""``RING``: how ``file`` and we recognise a database of ours."""


@dataclass(frozen=True, slots=True)
class Migration:
    """One step of the schema. Its number is its place in the list, from 1."""

    release: str
    """The first release of the server that knows it."""
    compatible: int
    """The lowest schema that a server must know to use a file with this one."""
    statements: tuple[str, ...]


_META = """
CREATE TABLE meta (
    -- One row about the file itself. The first four columns are read by older servers: they may never change.
    one         INTEGER PRIMARY KEY CHECK (one = 1), -- always 1: there is one row
    schema      INTEGER NOT NULL, -- number of the last migration that the file went through
    compatible  INTEGER NOT NULL, -- lowest schema that a server must know to use the file
    needs       TEXT NOT NULL,    -- the first release of the server that knows it
    epoch       TEXT NOT NULL,    -- name of this history of positions, part of every resume token
    head        INTEGER NOT NULL  -- position of the latest event ever written
) STRICT"""

_CALLS = """
CREATE TABLE calls (
    -- Every call as it is now. Times are microseconds since 1970 (UTC), here and in every other table.
    uid         TEXT PRIMARY KEY, -- never used twice, unlike type and id
    type        TEXT NOT NULL,    -- `default`, `audio_room` ...
    id          TEXT NOT NULL,    -- chosen by whoever created it; type:id is its public name
    position    INTEGER NOT NULL, -- of its latest event
    state       TEXT NOT NULL,    -- IDLE, RINGING, ACTIVE or ENDED
    created_at  INTEGER NOT NULL, -- never changes
    updated_at  INTEGER NOT NULL, -- when its latest event happened
    starts_at   INTEGER,          -- when it is planned to start; NULL if it is not
    large       INTEGER NOT NULL, -- 1 if parts of it are in `call_pieces`
    body        TEXT NOT NULL,    -- the call as JSON; `custom` in it is base64 of protobuf
    UNIQUE (type, id)
) STRICT"""

_CALL_PIECES = """
CREATE TABLE call_pieces (
    -- What large calls have many of, so that a change is not written with all that is as it was.
    uid     TEXT NOT NULL,    -- of the call
    part    TEXT NOT NULL,    -- members, participants, gone or targets
    ring    INTEGER NOT NULL, -- number of the ring whose targets they are; 0 for other parts
    number  INTEGER NOT NULL, -- counts the pieces of the part from 0
    body    TEXT NOT NULL,    -- the next few of the part, as they stand in the JSON of a small call
    PRIMARY KEY (uid, part, ring, number)
) STRICT, WITHOUT ROWID"""

_USER_COLUMNS = """
    user_id       TEXT NOT NULL,    -- whose side of the call this is
    uid           TEXT NOT NULL,    -- of the call
    calling_state TEXT NOT NULL,    -- IDLE, RINGING, JOINED or LEFT
    direction     TEXT,             -- INCOMING, OUTGOING, or NULL if no ring of the session is theirs
    last_ring     INTEGER NOT NULL, -- number of their latest ring; 0 if there was none
    missed        INTEGER NOT NULL, -- 1 if they missed that ring
    listed        INTEGER NOT NULL, -- 1 if the call is in their list
    member        INTEGER NOT NULL, -- 1 if they are a member
    created_at    INTEGER NOT NULL, -- when the call was created
    changed_at    INTEGER NOT NULL, -- position at which one of the other columns last changed
    PRIMARY KEY (user_id, created_at, uid)
) STRICT, WITHOUT ROWID"""

_CALL_USERS = f"""
CREATE TABLE call_users (
    -- What a call that has not ended is to each user who has or had to do with it. Few rows, which change often.
{_USER_COLUMNS}"""

_PAST_CALL_USERS = f"""
CREATE TABLE past_call_users (
    -- The same of calls that have ended. Many rows, which hardly ever change.
{_USER_COLUMNS}"""

_EVENTS = """
CREATE TABLE events (
    -- All that happened on calls, in order: one row for the events of each step.
    position  INTEGER PRIMARY KEY, -- of its last event: counts the events of all calls, without a gap
    uid       TEXT NOT NULL,       -- of the call
    seq       INTEGER NOT NULL,    -- of its last event: counts the events of the call
    time      INTEGER NOT NULL,    -- when it happened
    body      TEXT NOT NULL        -- the events as JSON: [[time, cid, uid, session, revision, actor, service],
                                   -- [[seq, type, device, ring, subjects, reason], ...]], ...]
) STRICT"""

_REQUESTS = """
CREATE TABLE requests (
    -- Answers that are kept under a request id, so that a repeated request has one effect.
    service_id   TEXT NOT NULL,    -- acting service; empty if none
    user_id      TEXT NOT NULL,    -- acting user; empty if none
    request_id   TEXT NOT NULL,    -- chosen by the client
    method       TEXT NOT NULL,    -- name of the RPC
    fingerprint  BLOB NOT NULL,    -- hash of the decoded command
    type         TEXT NOT NULL,    -- of the call
    id           TEXT NOT NULL,    -- of the call
    answer       TEXT NOT NULL,    -- the answer's own fields as JSON
    expires_at   INTEGER NOT NULL, -- from when on the request id is free again
    PRIMARY KEY (service_id, user_id, request_id)
) STRICT, WITHOUT ROWID"""

_TIMERS = """
CREATE TABLE timers (
    -- The earliest deadline of each call that has one.
    type  TEXT NOT NULL,    -- of the call
    id    TEXT NOT NULL,    -- of the call
    due   INTEGER NOT NULL, -- when the call has to be looked at
    PRIMARY KEY (type, id)
) STRICT, WITHOUT ROWID"""

NEVER = 2**63 - 1
"""Where calls without a start stand among those that have one."""

MIGRATIONS: tuple[Migration, ...] = (
    Migration(
        release="0.1.0",
        compatible=1,
        statements=(
            _META,
            _CALLS,
            "CREATE INDEX calls_by_state ON calls (state, position)",
            "CREATE INDEX calls_by_created_at ON calls (created_at, uid)",
            "CREATE INDEX calls_by_updated_at ON calls (updated_at, uid)",
            f"CREATE INDEX calls_by_starts_at ON calls (coalesce(starts_at, {NEVER}), uid)",
            _CALL_PIECES,
            _CALL_USERS,
            "CREATE INDEX call_users_by_state ON call_users (user_id, calling_state, changed_at)",
            _PAST_CALL_USERS,
            "CREATE INDEX past_call_users_by_change ON past_call_users (user_id, changed_at)",
            _EVENTS,
            "CREATE UNIQUE INDEX events_by_call ON events (uid, seq)",
            _REQUESTS,
            "CREATE INDEX requests_by_expires_at ON requests (expires_at)",
            _TIMERS,
        ),
    ),
)


def bring_up_to_date(connection: sqlite3.Connection, migrations: Sequence[Migration] = MIGRATIONS) -> str:
    """Make or migrate the tables in one transaction, and return the epoch.

    Raises StoreTooNew if the file needs a newer server, and StoreError if it is not a database of ours.
    """
    connection.execute("BEGIN IMMEDIATE")
    try:
        present = _present_schema(connection, known=len(migrations))
        for number, migration in enumerate(migrations[present:], start=present + 1):
            for statement in migration.statements:
                connection.execute(statement)
            _note(connection, number, migration, migrations)
        (epoch,) = connection.execute("SELECT epoch FROM meta").fetchone()
        connection.execute("COMMIT")
    except BaseException:
        if connection.in_transaction:
            connection.execute("ROLLBACK")
        raise
    return str(epoch)


def _present_schema(connection: sqlite3.Connection, known: int) -> int:
    """Return the schema of the file, 0 if it is new; raise if it is not for us."""
    (application,) = connection.execute("PRAGMA application_id").fetchone()
    (tables,) = connection.execute("SELECT count(*) FROM sqlite_schema").fetchone()
    if application == 0 and tables == 0:
        connection.execute(f"PRAGMA application_id = {APPLICATION_ID}")
        return 0
    if application != APPLICATION_ID:
        raise StoreError("it is a database of another program; give the path of a new file, or of one of Ringline's")
    schema, compatible, needs = connection.execute("SELECT schema, compatible, needs FROM meta").fetchone()
    if compatible > known:
        raise StoreTooNew(
            f"it was written with schema {schema}, which needs ringline-server {needs} or newer (schema {compatible}); "
            f"this one knows schemas up to {known}. Start the newer server again, or restore a backup that was made "
            "before it first ran."
        )
    return int(schema)


def _note(connection: sqlite3.Connection, number: int, migration: Migration, migrations: Sequence[Migration]) -> None:
    """Write down that the file went through a migration; the first one makes the row."""
    connection.execute(
        "INSERT INTO meta (one, schema, compatible, needs, epoch, head) VALUES (1, ?, ?, ?, ?, 0) "
        "ON CONFLICT DO UPDATE SET schema = excluded.schema, compatible = excluded.compatible, needs = excluded.needs",
        (number, migration.compatible, migrations[migration.compatible - 1].release, secrets.token_hex(8)),
    )
