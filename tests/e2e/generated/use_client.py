"""Register a module, find it among those that are online, and close its socket.

Usage: python use_client.py <address> <name>, where `generated` is a package that can be imported.
"""

import json
import sys

from generated.api.modules import close_websocket, list_online_modules, register_module, show_module
from generated.client import Client
from generated.models import (
    Error,
    ModuleAnswerListEnvelope,
    ModuleReferenceBody,
    RegisteredAnswerEnvelope,
    RegistrationBody,
)

address, name = sys.argv[1:]
client = Client(base_url=address)

body = RegistrationBody(
    name=name, mission_kind="load", data_requirement=[{"table_name": "hourly_load"}]
)
registered = register_module.sync(client=client, body=body)
assert isinstance(registered, RegisteredAnswerEnvelope), registered
module_hash = registered.result.hash_

online = list_online_modules.sync_detailed(client=client, mission_kind="load")
assert isinstance(online.parsed, ModuleAnswerListEnvelope), online
[found] = [module for module in online.parsed.result if module.module_hash == module_hash]

closed = close_websocket.sync(client=client, body=ModuleReferenceBody(module_hash=module_hash))
assert not isinstance(closed, Error | None), closed
unknown = show_module.sync("nobody of this name", client=client)
assert isinstance(unknown, Error), unknown

answer = {
    "hash": module_hash,
    "state": found.state,
    "closed": closed.result.module_name,
    "refused": unknown.code,
    "tag": "etag" in online.headers,
}
sys.stdout.write(json.dumps(answer))
