# ruff: noqa: E402  the environment is set before LiteLLM is imported
"""Which variables of the environment decide where the installed LiteLLM sends a call: printed as JSON, by provider.

A call is made for each provider with every address that LiteLLM looks for set to one of its own, and stopped where it
would leave the process: the address that it was going to names the variable that decides. That one is taken away, and so on.
"""

from __future__ import annotations

import asyncio
import json
import logging
import os
import re
import sys
import time
import warnings

warnings.simplefilter("ignore")
logging.disable(logging.CRITICAL)
os.environ["LITELLM_LOCAL_MODEL_COST_MAP"] = "True"
os.environ.update(AWS_ACCESS_KEY_ID="a", AWS_SECRET_ACCESS_KEY="b", AWS_EC2_METADATA_DISABLED="true")

import aiohttp
import httpx
import litellm
import requests

from robusttest.gateway.litellm.address import REGIONS, base_variables

litellm.suppress_debug_info = True
ADDRESS = re.compile(r"(_BASE|_URL|_ENDPOINT)$")
REGION = re.compile(r"(REGION|REGION_NAME|LOCATION)$")
MODELS = {
    "bedrock": "anthropic.claude-3-haiku-20240307-v1:0",
    "openai": "gpt-4o-mini",
    "gemini": "gemini-2.0-flash",
}
called: list[str] = []
looked_for: set[str] = set()


async def no_aiohttp(self, method, url, **options):
    called.append(str(url))
    raise aiohttp.ClientConnectionError("stopped")


async def no_httpx(self, request, **options):
    called.append(str(request.url))
    raise httpx.ConnectError("stopped", request=request)


def no_sync_httpx(self, request, **options):
    called.append(str(request.url))
    raise httpx.ConnectError("stopped", request=request)


def no_requests(self, method, url, **options):
    called.append(str(url))
    raise requests.ConnectionError("stopped")


async def no_pause(*args):
    return None


asyncio.sleep = no_pause
time.sleep = lambda seconds: None
aiohttp.ClientSession._request = no_aiohttp
httpx.AsyncClient.send = no_httpx
httpx.Client.send = no_sync_httpx
requests.Session.request = no_requests
get = os._Environ.__getitem__


def logged(self, name):
    if isinstance(name, str):
        looked_for.add(name)
    return get(self, name)


os._Environ.__getitem__ = logged


async def call(provider: str, environment: dict[str, str]) -> list[str]:
    called.clear()
    os.environ.update(environment)
    try:
        async with asyncio.timeout(3):
            await litellm.acompletion(
                model=f"{provider}/{MODELS.get(provider, 'some-model')}",
                messages=[{"role": "user", "content": "Hi"}],
                api_key="planted-key-123456",
                max_retries=0,
                timeout=2,
            )
    except Exception:
        pass
    finally:
        for name in environment:
            del os.environ[name]
    return list(called)


def value(name: str, n: int) -> str:
    return f"eu-north-{n}" if REGION.search(name) else f"http://{name.lower().replace('_', '-')}.example/v7"


async def deciding(provider: str) -> list[str]:
    """Variables that decide, in their order: as many as we know of, or the first that we don't."""
    known = [*base_variables(provider), *REGIONS.get(provider, ())]
    names = sorted({*known, "OPENAI_API_BASE", "OPENAI_BASE_URL"})
    order: list[str] = []
    while len(order) < len(known):
        looked_for.clear()
        values = {name: value(name, n) for n, name in enumerate(names, 31) if name not in order}
        urls = await call(provider, values)
        more = {n for n in looked_for if ADDRESS.search(n) or REGION.search(n)} - set(names)
        if more:
            names = sorted({*names, *more})
            continue
        found = [n for n, v in values.items() if any(v.removeprefix("http://") in u for u in urls)]
        # A region stands within an address that another variable gives: the address comes first.
        found.sort(key=lambda n: bool(REGION.search(n)))
        if not found:
            break
        order.append(found[0])
        if order != known[: len(order)]:
            break
    return order


async def main() -> None:
    out = {}
    for provider in sys.argv[1:] or sorted(p.value for p in litellm.LlmProviders):
        out[provider] = await deciding(provider)
    print(json.dumps(out))


asyncio.run(main())
