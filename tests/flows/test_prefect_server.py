import asyncio
from typing import Any

import pytest
from starlette.types import Message, Receive, Scope, Send

from flows.prefect_server import OwnPagesOnly, own_origins

PORT = 4200
HOST = "127.0.0.1:4200"
EVIL = "http://evil.example"
FROM_ELSEWHERE = {"Sec-Fetch-Site": "cross-site"}


async def served(scope: Scope, receive: Receive, send: Send) -> None:
    """The application behind the guard."""
    await send({"type": "served", "of": scope["type"]})


def answer(kind: str, headers: list[tuple[str, str]], port: int = PORT, **scope: Any) -> list[Message]:
    """What comes back for a request."""
    sent: list[Message] = []

    async def receive() -> Message:
        return {"type": f"{kind}.connect"}

    async def send(message: Message) -> None:
        sent.append(message)

    raw = [(name.lower().encode(), value.encode()) for name, value in headers]
    asyncio.run(OwnPagesOnly(served, port)({"type": kind, "headers": raw, **scope}, receive, send))
    return sent


def status(headers: dict[str, str], host: str = HOST, method: str = "GET", port: int = PORT) -> int:
    """The status of the answer to a request; 200 where the application gave it."""
    first, *_ = answer("http", [("Host", host), *headers.items()], port, method=method)
    return 200 if first["type"] == "served" else first["status"]


def test_guard_serves_programs_which_send_no_origin() -> None:
    assert status({}) == 200
    assert status({"Content-Type": "application/json"}, method="POST") == 200


@pytest.mark.parametrize("method", ["GET", "POST", "OPTIONS", "DELETE"])
def test_guard_serves_its_own_pages_by_either_name(method: str) -> None:
    for host in (HOST, "localhost:4200", "LocalHost:4200"):
        for origin in ("http://127.0.0.1:4200", "http://localhost:4200"):
            assert status({"Origin": origin, **FROM_ELSEWHERE}, host, method) == 200


@pytest.mark.parametrize("method", ["GET", "POST", "OPTIONS", "DELETE"])
@pytest.mark.parametrize("origin", [EVIL, "null", "", "https://127.0.0.1:4200", "http://127.0.0.1:42000",
                                    "http://127.0.0.1", "http://localhost:3000", "http://127.0.0.1:4200.evil.example"])
def test_guard_refuses_pages_of_another_origin(method: str, origin: str) -> None:
    assert status({"Origin": origin}, method=method) == 403


def test_guard_refuses_a_foreign_origin_beside_its_own() -> None:
    headers = [("Host", HOST), ("Origin", "http://127.0.0.1:4200"), ("Origin", EVIL)]
    assert answer("http", headers, method="GET")[0]["status"] == 403


@pytest.mark.parametrize("host", ["evil.example", "evil.example:4200", "127.0.0.1", "localhost:3000", "10.0.0.5:4200",
                                  "127.0.0.1:4200.evil.example", ""])
def test_guard_refuses_a_name_that_was_made_to_lead_here(host: str) -> None:
    assert status({}, host) == 400
    assert status({"Origin": f"http://{host}", "Sec-Fetch-Site": "same-origin"}, host) == 400


def test_guard_refuses_no_host_and_two_of_them() -> None:
    assert answer("http", [], method="GET")[0]["status"] == 400
    assert answer("http", [("Host", HOST), ("Host", "evil.example")], method="GET")[0]["status"] == 400


def test_guard_knows_that_browsers_leave_out_the_usual_port() -> None:
    assert status({"Origin": "http://localhost"}, "localhost", port=80) == 200
    assert own_origins(4200) == ["http://127.0.0.1:4200", "http://localhost:4200"]


@pytest.mark.parametrize("site", ["cross-site", "same-site"])  # the same site: another port of this machine
def test_guard_refuses_pictures_and_frames_in_pages_from_elsewhere_but_follows_their_links(site: str) -> None:
    def asked(mode: str, target: str, method: str = "GET") -> int:
        return status({"Sec-Fetch-Site": site, "Sec-Fetch-Mode": mode, "Sec-Fetch-Dest": target}, method=method)

    assert asked("no-cors", "image") == 403
    assert asked("no-cors", "script") == 403
    assert asked("navigate", "iframe") == 403
    assert asked("navigate", "document", "POST") == 403
    assert asked("navigate", "document") == 200


@pytest.mark.parametrize("site", ["same-origin", "none"])
def test_guard_serves_pictures_in_its_own_pages_and_addresses_that_are_typed(site: str) -> None:
    assert status({"Sec-Fetch-Site": site, "Sec-Fetch-Mode": "no-cors", "Sec-Fetch-Dest": "image"}) == 200


def test_guard_says_in_a_line_what_it_expects() -> None:
    start, body = answer("http", [("Host", "evil.example")], method="GET")
    assert dict(start["headers"])[b"content-type"] == b"text/plain; charset=utf-8"
    assert body["body"] == b"expected a request for 127.0.0.1:4200 or localhost:4200, got another Host\n"


@pytest.mark.parametrize("headers", [[("Host", HOST), ("Origin", EVIL)], [("Host", "evil.example")]])
def test_guard_closes_a_websocket_of_a_page_from_elsewhere_before_it_opens(headers: list[tuple[str, str]]) -> None:
    assert [message["type"] for message in answer("websocket", headers)] == ["websocket.close"]


@pytest.mark.parametrize("origin", [[], [("Origin", "http://localhost:4200")]])
def test_guard_opens_websockets_of_programs_and_of_its_own_pages(origin: list[tuple[str, str]]) -> None:
    assert answer("websocket", [("Host", HOST), *origin]) == [{"type": "served", "of": "websocket"}]


def test_guard_lets_the_server_start_and_stop() -> None:
    assert answer("lifespan", []) == [{"type": "served", "of": "lifespan"}]
