"""Checks the way from this machine to the platform, step by step, with a line for each."""

from __future__ import annotations

import json
import platform as machine
import socket
import time
from contextlib import ExitStack
from typing import Any, Callable

import requests
from websockets.exceptions import ConnectionClosed, InvalidStatus, WebSocketException
from websockets.sync.client import ClientConnection, connect

from forecast_module import protocol
from forecast_module.address import Address
from forecast_module.registration import (
    NotRegistered,
    Registration,
    RegistrationRefused,
    find_cause,
    open_http,
    register,
)
from forecast_module.version import __version__

TIMEOUT_SECONDS = 10.0
KIND = "doctor"  # a workflow never asks for it
QUESTION = {"type": "doctor", "question": "does work come through?"}


class Problem(Exception):
    """A step failed: what is wrong, and what to do."""

    def __init__(self, problem: str, remedy: str) -> None:
        super().__init__(problem)
        self.remedy = remedy


class Examination:
    """One run of all steps; each stands on those before it."""

    def __init__(self, address: Address, name: str) -> None:
        self._address = address
        self._name = name
        self._open = ExitStack()
        self._http = self._open.enter_context(open_http(address))
        self.module_hash = ""
        self._socket: ClientConnection | None = None

    @property
    def steps(self) -> list[tuple[str, Callable[[], str]]]:
        """Return the steps in their order."""
        return [
            ("name", self._resolve),
            ("http", self._ask),
            ("register", self._register),
            ("upgrade", self._upgrade),
            ("heartbeat", self._beat),
            ("work", self._work),
        ]

    def close(self) -> None:
        """Leave the platform as a module does."""
        if self._socket is not None:
            try:
                self._socket.send(protocol.bye("doctor is done", None))
            except ConnectionClosed:
                pass
        self._open.close()

    def _resolve(self) -> str:
        try:
            found = socket.getaddrinfo(self._address.host, self._address.port)
        except OSError as error:
            remedy = "Check the spelling, this machine's DNS, and its VPN."
            raise Problem(f"{self._address.host} has no address: {error}", remedy) from error
        return f"{self._address.host} is {found[0][4][0]}"

    def _ask(self) -> str:
        url = self._address.http("/healthz")
        try:
            answer = self._http.get(url, timeout=TIMEOUT_SECONDS)
            said = answer.json()["code"]
        except requests.RequestException as error:
            remedy = "Check host and port, firewalls, and whether the platform is up."
            raise Problem(f"{url} does not answer: {find_cause(error)}", remedy) from error
        except (ValueError, KeyError, TypeError):
            remedy = "Another program answers at this address: check host and port."
            raise Problem(f"{url} does not answer as the platform does", remedy) from None
        if not answer.ok:
            raise Problem(f"{url} says HTTP {answer.status_code}", "Ask the platform's operators.")
        return f"{url} answers {said} in {answer.elapsed.total_seconds() * 1000:.0f} ms"

    def _register(self) -> str:
        description = "A test module of forecast_module doctor; it may be deleted."
        registration = Registration(self._name, description, mission_kind=KIND)
        try:
            self.module_hash = register(self._address, registration, TIMEOUT_SECONDS)
        except (NotRegistered, RegistrationRefused) as error:
            remedy = "Do what the sentence says; it is the platform's own."
            raise Problem(str(error), remedy) from error
        return f"{self._name} is registered: {self.module_hash[:12]}…"

    def _upgrade(self) -> str:
        url = self._address.socket(self.module_hash)
        try:
            opening = connect(
                url,
                proxy=None if self._address.is_loopback else True,
                compression=None,
                open_timeout=TIMEOUT_SECONDS,
                close_timeout=2,
            )
            self._socket = self._open.enter_context(opening)
        except InvalidStatus as error:
            body = (error.response.body or b"").decode("utf-8", "replace")[:300]
            remedy = "A proxy between here and the platform may not let WebSockets through."
            problem = f"the handshake is answered with {error.response.status_code}: {body}"
            raise Problem(problem, remedy) from error
        except (OSError, EOFError, ImportError, WebSocketException) as error:
            remedy = "HTTP works and WebSockets do not: look at proxies and firewalls between."
            raise Problem(f"no WebSocket: {error}", remedy) from error
        self._socket.send(protocol.hello(__version__, 1))
        return f"{url.partition('?')[0]} is a WebSocket"

    def _beat(self) -> str:
        began = time.monotonic()
        self._send(protocol.HEARTBEAT)
        self._hear(lambda frame: isinstance(frame, protocol.Confirmed))
        return f"confirmed in {(time.monotonic() - began) * 1000:.0f} ms"

    def _work(self) -> str:
        began = time.monotonic()
        message_id = self._send_message()
        self._hear(lambda frame: isinstance(frame, protocol.Work) and frame.id == message_id)
        self._send(protocol.ack(message_id))
        result = {"type": "result", "id": message_id, "status": "success", "result": "it does"}
        self._send(json.dumps(result))
        self._hear(lambda frame: isinstance(frame, protocol.Stored))
        self._read_result(message_id)
        seconds = time.monotonic() - began
        return f"a message came, its result was stored and read back in {seconds * 1000:.0f} ms"

    def _send_message(self) -> str:
        said = self._call(
            "POST", "/module/send_message", {"module_hash": self.module_hash, "message": QUESTION}
        )
        return str(said["message_id"])

    def _read_result(self, message_id: str) -> None:
        status = self._call("GET", f"/result/{message_id}", None).get("status")
        if status not in ("success", "succeeded"):
            raise Problem(f"the result reads {status!r}", "Ask the platform's operators.")

    def _call(self, method: str, path: str, words: Any) -> dict[str, Any]:
        url = self._address.http(path)
        try:
            answer = self._http.request(method, url, json=words, timeout=TIMEOUT_SECONDS)
            envelope = answer.json()
            if not answer.ok:
                raise Problem(f"{url}: {envelope['message']}", "Do what the sentence says.")
            found = envelope["result"]
        except (requests.RequestException, ValueError, KeyError, TypeError) as error:
            raise Problem(f"{url}: {error}", "Ask the platform's operators.") from error
        return found if isinstance(found, dict) else {}

    def _send(self, text: str) -> None:
        assert self._socket is not None
        try:
            self._socket.send(text)
        except ConnectionClosed as error:
            raise Problem(f"the socket was closed: {error}", "Try again.") from error

    def _hear(self, is_wanted: Callable[[protocol.Frame], bool]) -> None:
        """Wait for a frame, acknowledging what older work comes in between."""
        assert self._socket is not None
        deadline = time.monotonic() + TIMEOUT_SECONDS
        while True:
            try:
                text = self._socket.recv(max(0.0, deadline - time.monotonic()))
            except TimeoutError as error:
                remedy = "Something between here and the platform holds frames back."
                raise Problem(f"nothing came for {TIMEOUT_SECONDS:g} s", remedy) from error
            except ConnectionClosed as error:
                remedy = "Does another doctor run here? Give --name."
                raise Problem(f"the socket was closed: {error}", remedy) from error
            frame = protocol.parse(str(text))
            if isinstance(frame, protocol.Refused):
                raise Problem(frame.problem, "Do what the sentence says.")
            if is_wanted(frame):
                return


def examine(url: str, name: str | None = None) -> bool:
    """Check every step and print a line for each; return whether all passed."""
    try:
        address = Address.parse(url)
    except ValueError as error:
        print(f"fail  address    {error}")
        return False
    examination = Examination(address, name or f"doctor-{machine.node() or 'unknown'}"[:100])
    try:
        return all(_take(title, step) for title, step in examination.steps)
    finally:
        examination.close()
        if left := examination.module_hash:
            print(
                f"A module of the kind {KIND!r} stays: platformctl delete {left[:12]} removes it."
            )


def _take(title: str, step: Callable[[], str]) -> bool:
    try:
        print(f"pass  {title:9}  {step()}", flush=True)
    except Problem as problem:
        print(f"fail  {title:9}  {problem}\n      {'':9}  {problem.remedy}", flush=True)
        return False
    return True
