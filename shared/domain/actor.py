"""An actor: the user, program or platform that did something. Use cases take one; events name it."""

from typing import NewType

Actor = NewType("Actor", str)
PLATFORM = Actor("platform")
MODULE = Actor("module")  # the module's own program
ANONYMOUS = Actor("anonymous")  # a caller of the HTTP API, which knows no sign-in yet


def user(name: str) -> Actor:
    """Return a user of this machine as an actor."""
    return Actor(f"user:{name}")
