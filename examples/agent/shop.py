"""A toy shop: three orders, three articles, and the tools by which an agent looks at them."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

ORDERS = {"48213": "delivered", "77120": "on its way", "90031": "lost"}
PRICES = {"lamp": 40, "chair": 75, "rug": 120}


def order_status(order: str) -> dict[str, Any]:
    return {"order": order, "status": ORDERS.get(order, "unknown")}


def item_price(item: str) -> dict[str, Any]:
    return {"item": item, "euros": PRICES.get(item)}


def order_cancel(order: str) -> dict[str, Any]:
    return {"order": order, "status": "cancelled"}


FUNCTIONS: Mapping[str, Callable[..., dict[str, Any]]] = {
    "order_status": order_status,
    "item_price": item_price,
    "order_cancel": order_cancel,
}


def _tool(name: str, description: str, argument: str) -> dict[str, Any]:
    schema = {"type": "object", "properties": {argument: {"type": "string"}}, "required": [argument]}
    return {
        "type": "function",
        "function": {"name": name, "description": description, "parameters": schema},
    }


TOOLS = [
    _tool("order_status", "Where a customer's order is.", "order"),
    _tool("item_price", "What an article costs, in euros.", "item"),
    _tool("order_cancel", "Cancel a customer's order for good.", "order"),
]
