"""The ids of things, as types: a hash is not a session's id, though both are text."""

from typing import NewType

ModuleHash = NewType("ModuleHash", str)
SessionId = NewType("SessionId", str)
NodeId = NewType("NodeId", str)
MessageId = NewType("MessageId", str)
WorkflowId = NewType("WorkflowId", int)
ExecutionId = NewType("ExecutionId", str)
