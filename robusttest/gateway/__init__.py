"""Calls to models: `Gateway`, and `model` to declare a callable as one.

``replies`` keep what was paid for, ``lanes`` say how fast an endpoint may be asked, ``scheduler`` makes the calls,
``callables`` run models of the user's own repo; LiteLLM stays in ``litellm_*`` and ``transport``.
"""

from robusttest.gateway.callables import model
from robusttest.gateway.calls.gateway import Gateway, Progress

__all__ = ["Gateway", "Progress", "model"]
