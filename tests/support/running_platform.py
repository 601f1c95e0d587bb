"""The whole platform as real processes, each of which a test may kill, freeze or cut off."""

import sys
import uuid
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

from pymongo import MongoClient
from pymongo.collection import Collection

from shared.clock import utc_now
from shared.domain.event import Event, module_subject
from shared.domain.ids import ModuleHash
from shared.domain.module import Module
from shared.domain.node_command import CommandKind, NodeCommand
from shared.store import Store, connect
from shared.store.modules import _to_document
from tests.support.asking import Answer, answers, ask
from tests.support.background import BackgroundLoop
from tests.support.builders import make_module
from tests.support.database_server import DatabaseServer
from tests.support.eventually import eventually
from tests.support.indexes import create_indexes
from tests.support.platform_environment import NODES, lay_out_nginx, make_environment, settings_of
from tests.support.processes import RealProcess
from tests.support.proxy import Proxy


class WsdNode(RealProcess):
    """One wsd process, which reaches the database through a proxy of its own."""

    def __init__(self, index: int, proxy: Proxy, env: dict[str, str], directory: Path) -> None:
        command = [sys.executable, "-m", "tests.support.hangable_wsd", "--index", str(index)]
        super().__init__(
            f"wsd_{index}", command, env | {"MONGODB_PORT": str(proxy.port)}, directory
        )
        self.port = int(env["WSD_PORT"]) + index
        self.proxy = proxy

    def door(self, module_hash: ModuleHash) -> str:
        """Return the address at which a module connects to this process, past nginx."""
        return f"ws://127.0.0.1:{self.port}/websocket?hash={module_hash}"

    def door_behind(self, line: Proxy) -> Callable[[ModuleHash], str]:
        """Return the doors at the other end of a line to this process."""
        return lambda m: f"ws://127.0.0.1:{line.port}/websocket?hash={m}"

    def come_up(self) -> None:
        """Start it and wait until it takes modules."""
        self.start()
        eventually(lambda: self.node_id)

    def statistics(self) -> dict[str, Any]:
        """Return its own figures; {} while it does not answer."""
        try:
            return dict(ask(self.port, "/statz").result)
        except OSError:
            return {}

    @property
    def node_id(self) -> str:
        """Return the id under which it is enrolled, or the empty string."""
        return self.statistics().get("node") or ""


class RunningPlatform:
    """One database, two wsd, the api and nginx; tests share it, each with modules of its own."""

    def __init__(self, directory: Path) -> None:
        self.background = BackgroundLoop("programs")
        self.network = BackgroundLoop("network")
        self.database = DatabaseServer(directory)
        self.directory = directory
        self.env = env = make_environment(directory, self.database.port)
        proxies = [Proxy(self.network, self.database.port) for _ in range(NODES)]
        self.nodes = [WsdNode(i, proxy, env, directory) for i, proxy in enumerate(proxies)]
        gunicorn = [sys.executable, "-m", "gunicorn", "-c", "gunicorn.conf.py", "wsgi:app"]
        self.api = RealProcess("api", gunicorn, env, directory)
        self.nginx = RealProcess("nginx", lay_out_nginx(env, directory), env, directory)
        self._ports = {"api": int(env["API_PORT"]), "nginx": int(env["SERVER_PORT"])}
        self._settings = settings_of(env)
        self.store = connect(self._settings, timeout_ms=10_000)
        self.client: MongoClient[dict[str, Any]] = MongoClient(self.database.uri, tz_aware=True)

    def start(self) -> None:
        """Start everything, and wait until it is ready."""
        self.database.start()
        create_indexes(self.store)
        self.mend()

    @property
    def processes(self) -> list[RealProcess]:
        """Return everything but the database."""
        return [*self.nodes, self.api, self.nginx]

    def mend(self) -> None:
        """Bring back whatever the test before has killed, frozen or cut off."""
        for node in self.nodes:
            node.proxy.restore()
        if self.database.is_frozen:
            self.database.thaw()
        if not self.database.is_running:
            self.database.start()
        for process in self.processes:
            if process.is_frozen:
                process.kill()
            if not process.is_running:
                process.start()
            process.mark_log()
        eventually(lambda: all(node.node_id for node in self.nodes))
        eventually(lambda: answers(self._ports["api"], "/readyz"))
        eventually(lambda: answers(self._ports["nginx"], "/healthz"))

    @contextmanager
    def store_behind(self, proxy: Proxy) -> Iterator[Store]:
        """Open a store that reaches the database as a wsd does."""
        store = connect(replace(self._settings, mongodb_port=proxy.port), timeout_ms=20_000)
        try:
            yield store
        finally:
            store.close()

    def ask_api(self, path: str) -> Answer:
        """Ask the api, past nginx; raises OSError when it does not answer at all."""
        return ask(self._ports["api"], path)

    @property
    def port(self) -> int:
        """Return nginx's port."""
        return self._ports["nginx"]

    @property
    def url(self) -> str:
        """Return the address that a module on the SDK is given."""
        return f"http://127.0.0.1:{self.port}"

    @property
    def door(self) -> Callable[[ModuleHash], str]:
        """Return the door of every module: nginx."""
        return lambda m: f"ws://127.0.0.1:{self._ports['nginx']}/websocket?hash={m}"

    def register(self, count: int = 1) -> list[ModuleHash]:
        """Register modules that no other test knows."""
        batch = uuid.uuid4().hex[:8]
        modules = [make_module(name=f"kill-{batch}-{n}", module_id=n) for n in range(count)]
        self.collection("modules").insert_many([_to_document(module) for module in modules])
        return [module.module_hash for module in modules]

    def collection(self, name: str) -> Collection[dict[str, Any]]:
        """Return a collection itself, for tampering behind the platform's back."""
        return self.client[self._settings.mongodb_name][name]

    def listed(self, modules: Sequence[ModuleHash]) -> set[ModuleHash]:
        """Return which of these modules the api lists as online."""
        answer = self.ask_api("/module/online")
        assert answer.status == 200, answer
        online = [item["module_hash"] for item in answer.result]
        assert len(online) == len(set(online)), "a module is listed twice"
        return set(modules) & set(online)

    def stored(self, module_hash: ModuleHash) -> Module:
        """Return a module as the database has it."""
        module = self.store.modules.get(module_hash)
        assert module is not None
        return module

    def nodes_of(self, modules: Sequence[ModuleHash]) -> set[str]:
        """Return the nodes that these modules have their sessions on ("" for none)."""
        records = self.store.sessions.read(modules)
        return {record.session.node if record.session else "" for record in records.values()}

    def count_connected(self, modules: Sequence[ModuleHash]) -> int:
        """Return how many of these modules have a session, whatever became of its node."""
        records = self.store.sessions.read(modules)
        return sum(record.session is not None for record in records.values())

    def events(self, module_hash: ModuleHash, what: str) -> list[Event]:
        """Return what happened to a module, oldest first."""
        found = self.store.events.find(subject=module_subject(module_hash))
        return [event for event in found if event.what == what]

    def histories(self, modules: Sequence[ModuleHash]) -> list[list[str]]:
        """Return how each of these modules came and went, without what came and went twice."""
        histories: dict[str, list[str]] = {module_hash: [] for module_hash in modules}
        query = {"subject.id": {"$in": list(modules)}, "what": {"$in": ["online", "offline"]}}
        found = self.collection("events").find(query)
        for event in sorted(found, key=lambda e: (e["detail"]["epoch"], e["what"] == "offline")):
            histories[event["subject"]["id"]].append(event["what"])
        return list(histories.values())

    def reasons(self, modules: Sequence[ModuleHash]) -> list[list[str]]:
        """Return the reasons for which each of these modules went offline."""
        reasons: dict[str, list[str]] = {module_hash: [] for module_hash in modules}
        query = {"subject.id": {"$in": list(modules)}, "what": "offline"}
        for event in self.collection("events").find(query):
            reasons[event["subject"]["id"]].append(event["reason"])
        return list(reasons.values())

    def leave_answered_probe(self, module_hash: ModuleHash) -> None:
        """Leave what a wsd leaves that dies between a probe's answer and reading it."""
        session = self.stored(module_hash).session
        assert session is not None
        probe = NodeCommand(
            session=session.id,
            node=session.node,
            module_hash=module_hash,
            created_at=utc_now(),
            kind=CommandKind.PROBE,
        )
        self.store.node_commands.insert([probe])
        self.store.node_commands.answer(probe, alive=True)

    def read_logs(self) -> list[tuple[str, str]]:
        """Return what each process wrote since the last `mend`."""
        return [(process.name, process.read_log()) for process in self.processes]

    def close(self) -> None:
        """End everything, in whatever state a test left it."""
        for process in self.processes:
            process.kill()
        if self.database.is_frozen:
            self.database.thaw()
        self.store.close()
        self.client.close()
        if self.database.is_running:
            self.database.kill()
        for node in self.nodes:
            node.proxy.close()
        self.background.stop()
        self.network.stop()
