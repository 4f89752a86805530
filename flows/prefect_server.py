"""Prefect's server for this machine and its own pages alone: ``python -m flows.prefect_server --port N``.

It is what ``prefect server start`` serves, with its background services, behind a guard against web pages from
elsewhere: a browser lets every page that the user visits send requests to this machine.
"""

import argparse
from http import HTTPStatus

from starlette.types import ASGIApp, Receive, Scope, Send

HOST = "127.0.0.1"
NAMES = (HOST, "localhost")  # by which a browser on this machine reaches it
FROM_HERE = (b"same-origin", b"none")  # Sec-Fetch-Site of a request of an own page, or of an address that was typed


class OwnPagesOnly:
    """An ASGI application that refuses requests of pages that another server delivered.

    - 400 for a ``Host`` that is not this server's: a foreign name that was made to lead here (DNS rebinding).
    - 403 for a foreign ``Origin``, which browsers send with every request that changes something, with those whose
      answer a script reads, and with the handshake of a websocket.
    - 403 for a request without ``Origin`` that a browser marks as caused by another site (``Sec-Fetch-Site``), such
      as a picture, a script or a frame. A link that leads here is followed.

    Programs send neither ``Origin`` nor ``Sec-Fetch-Site``, and are served.

    Args:
        app: application behind the guard.
        port: on which it is served.
    """

    def __init__(self, app: ASGIApp, port: int) -> None:
        self._app = app
        self._hosts = {host.encode() for host in own_hosts(port)}
        self._origins = {origin.encode() for origin in own_origins(port)}
        self._expected = " or ".join(own_hosts(port))

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve a request, or refuse it in a line."""
        refused = None if scope["type"] == "lifespan" else self._refusal(scope)
        if refused is None:
            await self._app(scope, receive, send)
        elif scope["type"] == "websocket":
            await send({"type": "websocket.close", "code": 1008})  # before it is accepted: the server answers 403
        else:
            status, reason = refused
            headers = [(b"content-type", b"text/plain; charset=utf-8"), (b"x-content-type-options", b"nosniff")]
            await send({"type": "http.response.start", "status": status, "headers": headers})
            await send({"type": "http.response.body", "body": f"{reason}\n".encode()})

    def _refusal(self, scope: Scope) -> tuple[HTTPStatus, str] | None:
        """Status and reason with which a request is refused; None for one that is served."""
        hosts, origins, sites, modes, targets = (
            [value.lower() for name, value in scope["headers"] if name.lower() == wanted]
            for wanted in (b"host", b"origin", b"sec-fetch-site", b"sec-fetch-mode", b"sec-fetch-dest"))
        if len(hosts) != 1 or hosts[0] not in self._hosts:
            return HTTPStatus.BAD_REQUEST, f"expected a request for {self._expected}, got another Host"
        if origins:
            foreign = any(origin not in self._origins for origin in origins)
        else:
            link = modes == [b"navigate"] and targets == [b"document"] and scope.get("method") == "GET"
            foreign = not link and any(site not in FROM_HERE for site in sites)
        if foreign:
            return HTTPStatus.FORBIDDEN, f"expected a request of a page of {self._expected}, got one of another page"
        return None


def own_hosts(port: int) -> list[str]:
    """What ``Host`` says in requests for a server of this machine."""
    return [f"{name}:{port}" for name in NAMES] + (list(NAMES) if port == 80 else [])


def own_origins(port: int) -> list[str]:
    """What ``Origin`` says in requests of the pages that a server of this machine delivered."""
    return [f"http://{host}" for host in own_hosts(port)]


def main() -> None:
    """Serve until a signal ends it."""
    parser = argparse.ArgumentParser(prog="python -m flows.prefect_server", description=__doc__)
    parser.add_argument("--port", type=int, required=True, help=f"Port on {HOST}")
    serve(parser.parse_args().port)


def serve(port: int) -> None:
    """Serve Prefect's API, pages and background services on ``port`` of this machine, as Prefect's own command does."""
    import uvicorn
    from prefect.server.api.server import create_app
    from prefect.settings import PREFECT_SERVER_CORS_ALLOWED_ORIGINS, get_current_settings, temporary_settings

    with temporary_settings({PREFECT_SERVER_CORS_ALLOWED_ORIGINS: ",".join(own_origins(port))}):
        server = get_current_settings().server
        uvicorn.run(OwnPagesOnly(create_app(final=True), port), host=HOST, port=port,
                    timeout_keep_alive=server.api.keepalive_timeout,
                    ws_ping_interval=server.api.websocket_ping_interval,
                    ws_ping_timeout=server.api.websocket_ping_timeout, log_level=server.logging_level.lower())


if __name__ == "__main__":
    main()
