"""OpenTelemetry's GenAI traces as cases: each shape in which instrumentations leave them, and what can't be read."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from robusttest import Task, load_cases
from robusttest.errors import CaseError, UnknownNameError
from robusttest.scorers import tool_call

TRACE = "4bf92f3577b34da6a3ce929d0e0e4736"
QUESTION = "Where is my order 48213?"
CALL = {"name": "order_status", "arguments": {"order": "48213"}}
DEFINITION = {
    "type": "function",
    "name": "order_status",
    "description": "Where an order is.",
    "parameters": {"type": "object", "properties": {"order": {"type": "string"}}},
}


def text(role: str, said: str) -> dict[str, Any]:
    return {"role": role, "parts": [{"type": "text", "content": said}]}


ASKED = [text("user", QUESTION)]
CALLED = {
    "role": "assistant",
    "parts": [{"type": "tool_call", "id": "c1", **CALL}],
    "finish_reason": "tool_call",
}
RETURNED = {
    "role": "tool",
    "parts": [{"type": "tool_call_response", "id": "c1", "response": {"status": "lost"}}],
}
SAID = {**text("assistant", "It is lost."), "finish_reason": "stop"}


def otlp(value: Any) -> dict[str, Any]:
    """A JSON value as OTLP writes it."""
    if isinstance(value, bool):
        return {"boolValue": value}
    if isinstance(value, int):
        return {"intValue": str(value)}
    if isinstance(value, list):
        return {"arrayValue": {"values": [otlp(v) for v in value]}}
    if isinstance(value, dict):
        return {"kvlistValue": {"values": keyed(value)}}
    return {"stringValue": value}


def keyed(attributes: dict[str, Any]) -> list[dict[str, Any]]:
    return [{"key": k, "value": otlp(v)} for k, v in attributes.items()]


def span(given: Any, said: Any, *, at: int = 1, trace: str = TRACE, **more: Any) -> dict[str, Any]:
    """A call of a model, in its structured form."""
    attributes = {"gen_ai.operation.name": "chat", "gen_ai.request.model": "gpt-4o", **more}
    if given is not None:
        attributes["gen_ai.input.messages"] = given
    if said is not None:
        attributes["gen_ai.output.messages"] = said
    return {"traceId": trace, "spanId": f"{at:016x}", "startTimeUnixNano": str(at), "attributes": attributes}


def packed(*spans: dict[str, Any]) -> dict[str, Any]:
    """OTLP JSON of these spans."""
    made = [{**s, "attributes": keyed(s["attributes"])} for s in spans]
    return {"resourceSpans": [{"resource": {}, "scopeSpans": [{"scope": {}, "spans": made}]}]}


def agent(**more: Any) -> tuple[dict[str, Any], ...]:
    """Two calls that answer one question: the tool's, then the answer's."""
    first = span(ASKED, [CALLED], at=1, **more)
    return first, span([*ASKED, CALLED, RETURNED], [SAID], at=2, **more)


def written(path: Path, *values: Any) -> Path:
    file = path / "trace.jsonl"
    file.write_text("".join(json.dumps(v) + "\n" for v in values), encoding="utf-8")
    return file


def load(path: Path, *values: Any, **how: Any) -> list[Any]:
    return load_cases(written(path, *values), format="otel", **how)


def test_the_calls_of_one_request_are_one_case(tmp_path: Path):
    more = {"gen_ai.system_instructions": [{"type": "text", "content": "Be brief."}]}
    more |= {"gen_ai.tool.definitions": [DEFINITION], "gen_ai.conversation.id": "conv-7"}
    tool = {**span(None, None), "attributes": {"gen_ai.operation.name": "execute_tool"}}
    (case,) = load(tmp_path, packed(*reversed(agent(**more)), tool))
    assert (case.id, case.input, case.target) == (TRACE, QUESTION, None)
    assert case.metadata == {
        "answer": "It is lost.",
        "calls": [CALL],
        "history": [],
        "system": "Be brief.",
        "tools": [DEFINITION],
        "model": "gpt-4o",
        "conversation": "conv-7",
        "error": None,
        "trace": TRACE,
    }


@pytest.mark.parametrize("form", ["line", "pretty", "array", "plain", "console", "texts", "snake"])
def test_all_ways_to_write_a_trace_give_the_same_case(form: str, tmp_path: Path):
    spans = agent()
    file = tmp_path / "trace.json"
    if form == "line":
        made = json.dumps(packed(*spans))
    elif form == "pretty":  # documents over many lines, one after another
        made = "\n".join(json.dumps(packed(s), indent=4) for s in spans)
    elif form == "array":
        made = json.dumps([packed(s) for s in spans])
    elif form == "plain":
        made = "\n".join(map(json.dumps, spans))
    elif form == "console":  # as Python's SDK prints them
        made = "".join(
            json.dumps(
                {
                    "name": "chat gpt-4o",
                    "context": {"trace_id": f"0x{TRACE}", "span_id": f"0x{s['spanId']}"},
                    "start_time": f"2026-05-01T10:00:0{s['startTimeUnixNano']}.000000Z",
                    "attributes": {
                        k: v if isinstance(v, str) else json.dumps(v) for k, v in s["attributes"].items()
                    },
                    "events": [],
                },
                indent=4,
            )
            for s in spans
        )
    elif form == "texts":  # attributes of spans may be JSON in a text
        made = json.dumps(
            packed(*({**s, "attributes": {k: v if isinstance(v, str) else json.dumps(v) for k, v in s["attributes"].items()}}
                     for s in spans))
        )  # fmt: skip
    else:
        made = (
            json.dumps(packed(*spans))
            .replace("resourceSpans", "resource_spans")
            .replace("scopeSpans", "scope_spans")
        )
        made = (
            made.replace("stringValue", "string_value")
            .replace("traceId", "trace_id")
            .replace("Values", "_values")
        )
    file.write_text(made, encoding="utf-8")
    (case,) = load_cases(file, format="otel")
    assert (case.id, case.input) == (TRACE, QUESTION)
    assert (case.metadata["answer"], case.metadata["calls"]) == ("It is lost.", [CALL])


def test_spans_in_memory_are_read_as_well():
    (case,) = load_cases(list(agent()), format="otel")
    assert case.metadata["answer"] == "It is lost."


OLD = [
    ("gen_ai.system.message", {"content": "Be brief."}),
    ("gen_ai.user.message", {"content": QUESTION}),
]
CHOICES = [
    {"index": 0, "finish_reason": "stop", "message": {"role": "assistant", "content": "It is lost."}},
    {"index": 0, "finish_reason": "tool_calls", "message": {"tool_calls": [
        {"id": "c1", "type": "function", "function": {"name": CALL["name"], "arguments": json.dumps(CALL["arguments"])}}
    ]}},
]  # fmt: skip


@pytest.mark.parametrize("choice", [0, 1])
@pytest.mark.parametrize("form", ["span events", "log records", "console records", "span events in texts"])
def test_conventions_up_to_1_36_keep_messages_as_events(form: str, choice: int, tmp_path: Path):
    events = [*OLD, ("gen_ai.choice", CHOICES[choice])]
    bare = span(None, None)
    if form.startswith("span"):
        content = {
            k: json.dumps(v) if "texts" in form and not isinstance(v, str) else v
            for k, v in events[-1][1].items()
        }
        bare["events"] = [{"name": n, "attributes": keyed(c)} for n, c in [*OLD, (events[-1][0], content)]]
        values = [packed(bare)]
    else:
        records = [
            {
                "traceId": TRACE,
                "spanId": bare["spanId"],
                "body": otlp(c),
                "attributes": keyed({"event.name": n}),
            }
            if form == "log records"
            else {
                "trace_id": f"0x{TRACE}",
                "span_id": f"0x{bare['spanId']}",
                "body": c,
                "event_name": n,
                "attributes": {},
            }
            for n, c in events
        ]
        logs = (
            [{"resourceLogs": [{"scopeLogs": [{"logRecords": records}]}]}]
            if form == "log records"
            else records
        )
        values = [*logs, packed(bare)]
    (case,) = load(tmp_path, *values)
    assert (case.input, case.metadata["system"]) == (QUESTION, "Be brief.")
    assert case.metadata["answer"] == ("It is lost." if choice == 0 else None)
    assert case.metadata["calls"] == ([] if choice == 0 else [CALL])


def test_messages_in_the_event_of_a_calls_details_are_read(tmp_path: Path):
    details = {"gen_ai.input.messages": ASKED, "gen_ai.output.messages": [SAID]}
    record = {
        "traceId": TRACE,
        "spanId": "01",
        "eventName": "gen_ai.client.inference.operation.details",
        "attributes": keyed(details),
    }
    (case,) = load(tmp_path, {"resourceLogs": [{"scopeLogs": [{"logRecords": [record]}]}]})
    assert (case.id, case.input, case.metadata["answer"]) == (TRACE, QUESTION, "It is lost.")


def test_numbered_attributes_are_read(tmp_path: Path):
    held = {
        "gen_ai.request.model": "gpt-4o",
        "gen_ai.prompt.0.role": "system",
        "gen_ai.prompt.0.content": "Be brief.",
    }
    held |= {"gen_ai.prompt.1.role": "user", "gen_ai.prompt.1.content": QUESTION}
    held |= {"gen_ai.completion.0.role": "assistant", "gen_ai.completion.0.tool_calls.0.name": "order_status"}
    held |= {"gen_ai.completion.0.tool_calls.0.arguments": '{"order": "48213"}'}
    (case,) = load(tmp_path, packed({"traceId": TRACE, "spanId": "1", "attributes": held}))
    assert (case.input, case.metadata["system"], case.metadata["calls"]) == (QUESTION, "Be brief.", [CALL])


def test_turns_of_a_conversation_are_its_history_and_requests_of_one_trace_are_apart(tmp_path: Path):
    before = [text("user", "Hello"), text("assistant", "What is it about?")]
    again = span([*before, *ASKED], [SAID], at=5)
    cases = load(
        tmp_path, packed(span([text("user", "Hello")], [text("assistant", "What is it about?")]), again)
    )
    assert [(c.id, c.input) for c in cases] == [(TRACE, "Hello"), (f"{TRACE}-2", QUESTION)]
    assert cases[1].metadata["history"] == [
        {"role": "user", "content": "Hello"},
        {"role": "assistant", "content": "What is it about?"},
    ]
    messages = [{"role": "placeholder", "content": "{history}"}, {"role": "user", "content": "{input}"}]
    reviewed = load_cases(
        written(tmp_path, packed(again)), format="otel", fields=["input", "history"], target="answer"
    )
    shown = Task("desk", cases=reviewed, messages=messages).render(reviewed[0])
    assert [m["content"] for m in shown] == ["Hello", "What is it about?", QUESTION]


def test_a_span_around_the_calls_repeats_them_and_is_read_where_it_stands_alone(tmp_path: Path):
    whole = {"role": "assistant", "parts": [*CALLED["parts"], *SAID["parts"]]}
    around = span(ASKED, [whole], at=0, **{"gen_ai.operation.name": "invoke_agent"})
    (case,) = load(tmp_path, packed(around, *agent()))
    assert case.metadata["calls"] == [CALL]
    (alone,) = load(tmp_path, packed(around))
    assert (alone.input, alone.metadata["answer"], alone.metadata["calls"]) == (
        QUESTION,
        "It is lost.",
        [CALL],
    )


def test_system_instructions_may_be_a_plain_text(tmp_path: Path):
    (case,) = load(tmp_path, packed(span(ASKED, [SAID], **{"gen_ai.system_instructions": "Be brief."})))
    assert case.metadata["system"] == "Be brief."


def test_images_stay_parts_of_the_question(tmp_path: Path):
    seen = {"type": "blob", "modality": "image", "mime_type": "image/png", "content": "aGk="}
    asked = [{"role": "user", "parts": [{"type": "text", "content": "What is it?"}, seen]}]
    (case,) = load(tmp_path, packed(span(asked, [SAID])))
    assert [p["type"] for p in case.input] == ["text", "image_url"]
    assert case.input[1]["image_url"]["url"] == "data:image/png;base64,aGk="


# --- the right answer is somebody's to say --------------------------------------------------------------------


def test_without_a_review_nothing_is_right(tmp_path: Path):
    task = Task("desk", cases=load(tmp_path, packed(*agent())))
    assert task.labels == "none"
    with pytest.raises(CaseError, match="no target"):
        Task("desk", cases=load(tmp_path, packed(*agent())), scorer=tool_call())


def test_what_was_answered_is_the_target_where_somebody_says_so(tmp_path: Path):
    assert load(tmp_path, packed(*agent()), target="answer")[0].target == "It is lost."
    (case,) = load(tmp_path, packed(*agent()), target="calls")
    assert Task("desk", cases=[case], scorer=tool_call()).cases[0].target == [CALL]


@pytest.mark.parametrize("both", [True, False])
def test_a_trace_without_an_answer_can_not_be_its_own_target(both: bool, tmp_path: Path):
    broken = span(ASKED, None, trace="f00d", **{"error.type": "timeout"})
    (case,) = load(tmp_path, packed(broken))
    assert (case.metadata["answer"], case.metadata["error"]) == (None, "timeout")
    values = [packed(*agent())] * both + [packed(broken)]
    with pytest.raises(CaseError, match=r"column 'answer' is empty .* of .* rows: \d \(f00d\)"):
        load(tmp_path, *values, target="answer")


# --- what can't be read ---------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("value", "said"),
    [
        ([packed(span(None, None))], "1 spans of GenAI calls, and none of them holds a message: .*CAPTURE_MESSAGE_CONTENT"),
        ([packed({"traceId": "1", "spanId": "2", "attributes": {"http.method": "GET"}})], "no spans of GenAI calls .* among 1"),
        ([packed(span('[{"role": "us', "[]"))], "gen_ai.input.messages of trace .* is not JSON. Was it cut"),
        ([packed(span("7", "[]"))], "'7' is no list of messages|no list of messages"),
        ([{"input": "hello"}], "neither OTLP JSON .* nor a span .* it has 'input'"),
        (["hello"], "'hello' is no span"),
        ([{"resourceSpans": {}}], "resourceSpans: no list of objects"),
        ([packed(span([{"role": "user", "parts": [{"type": "blob", "modality": "audio"}]}], "[]"))], "has a part 'blob'"),
    ],
)  # fmt: skip
def test_what_can_not_be_read_says_why(value: list[Any], said: str, tmp_path: Path):
    with pytest.raises(CaseError, match=said):
        load(tmp_path, *value)


def test_broken_json_is_named_by_its_line(tmp_path: Path):
    file = tmp_path / "t.jsonl"
    file.write_text(json.dumps(packed(*agent())) + "\n\n{oops\n", encoding="utf-8")
    with pytest.raises(CaseError, match=r"t.jsonl: line 3: not JSON"):
        load_cases(file, format="otel")
    file.write_text("", encoding="utf-8")
    with pytest.raises(CaseError, match="the file is empty"):
        load_cases(file, format="otel")


def test_the_format_is_named_where_it_was_forgotten(tmp_path: Path):
    file = written(tmp_path, packed(*agent()))
    with pytest.raises(CaseError, match="format='otel'"):
        load_cases(file)
    with pytest.raises(UnknownNameError, match="otel"):
        load_cases(file, format="otl")


def test_a_format_may_be_said_where_the_name_does_not_tell(tmp_path: Path):
    file = tmp_path / "cases.txt"
    file.write_text('{"input": "a", "target": "b"}\n', encoding="utf-8")
    assert load_cases(file, format="jsonl")[0].target == "b"
