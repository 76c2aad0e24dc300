"""What a newcomer reads when the server has started: what to type next, ready to paste."""

from __future__ import annotations

from ringline_server.config import Settings

_CALL = (
    '{"type":"default","id":"test-outgoing-call","ring":true,'
    '"data":{"members":[{"user_id":"myself"},{"user_id":"my friend"}]}}'
)
_SERVICE = "ringline.v1.CallService"


def serving_line(settings: Settings, port: int) -> str:
    """Return the one line of stdout."""
    return f"ringline-server: serving on {settings.listen._replace(port=port)} (database {settings.database})"


def welcome(settings: Settings, port: int) -> str:
    """Return the lines for stderr."""
    where = f"{_reachable(settings.listen.host)}:{port}"
    grpcurl, buf, scheme = "-plaintext", " --http2-prior-knowledge", "http"
    if settings.tls_certificate is not None:
        # Whoever tries a certificate of their own on a laptop has it signed by nobody.
        grpcurl, buf, scheme = "-insecure", " --insecure", "https"
    believed = "anybody who can reach this address" if not settings.listen.is_loopback else "clients on this machine"
    return f"""\
  database  {settings.database.resolve()}
  identity  development: {believed} may say who they are (x-user-id); nothing is proven

Ring somebody. In one terminal, the phone of "my friend":

  grpcurl {grpcurl} -H 'x-user-id: my friend' {where} {_SERVICE}/WatchCalls
  buf curl --protocol grpc{buf} -H 'x-user-id: my friend' {scheme}://{where}/{_SERVICE}/WatchCalls

and in another one, "myself" who calls:

  grpcurl {grpcurl} -H 'x-user-id: myself' -d '{_CALL}' {where} {_SERVICE}/GetOrCreateCall
  buf curl --protocol grpc{buf} -H 'x-user-id: myself' -d '{_CALL}' {scheme}://{where}/{_SERVICE}/GetOrCreateCall

Ctrl-C stops the server.
"""


def _reachable(host: str) -> str:
    """Return where this machine itself finds the server."""
    if host in ("0.0.0.0", "::"):  # noqa: S104 -- compared, not listened on
        return "localhost"
    return f"[{host}]" if ":" in host else host
