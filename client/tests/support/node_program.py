"""Starting the example in Node, on whatever Node there is."""

from __future__ import annotations

import re
import shutil
import subprocess
from pathlib import Path

EXAMPLE = Path(__file__).resolve().parents[3] / "examples" / "client.mjs"
DEBIANS_WS = Path("/usr/share/nodejs/ws")  # the package node-ws


def node_command(directory: Path) -> list[str]:
    """Return the command without its arguments; a Node without WebSockets gets Debian's."""
    node = shutil.which("node")
    assert node, "Node is missing: apt-get install nodejs node-ws"
    said = subprocess.run([node, "--version"], capture_output=True, text=True, check=True).stdout
    major = int(re.findall(r"\d+", said)[0])
    if major >= 22:
        return [node, str(EXAMPLE)]
    if major >= 20:
        return [node, "--experimental-websocket", str(EXAMPLE)]
    assert DEBIANS_WS.exists(), f"Node {said} has no WebSockets: apt-get install node-ws"
    (directory / "node_modules").mkdir()
    (directory / "node_modules" / "ws").symlink_to(DEBIANS_WS)
    return [node, shutil.copy(EXAMPLE, directory)]
