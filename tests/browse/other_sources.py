"""Conversations of claude.ai and ChatGPT as their exports hold them; invented people."""

import json

from tests.browse.prose_samples import HOSTILE

ROOT = "00000000-0000-4000-8000-000000000000"
BRANCHED = "c1a0de00-0000-4000-8000-000000000001"
EVIL = "c1a0de00-0000-4000-8000-000000000002"
PAGE = "<!doctype html>\n<title>Engine</title>\n<script>alert('an artifact ran')</script>\n<p>Punched cards</p>\n"
NOTES = "# Notes on the engine\n\nIt weaves algebraical patterns.\n"


def text(words, **fields):
    return {"type": "text", "text": words, **fields}


def artifact(command, **given):
    return {"type": "tool_use", "id": "toolu_1", "name": "artifacts", "input": {"command": command, **given}}


def said(number, parent, sender, *content, **fields):
    """A message of claude.ai; its uuid ends in ``number``, its parent's in ``parent`` (0: it is the first)."""
    flat = " ".join(block.get("text", "") for block in content if isinstance(block, dict))
    return {
        "uuid": uuid_of(number),
        "sender": sender,
        "text": str(flat),
        "content": list(content),
        "created_at": f"2026-02-01T10:{number // 60:02d}:{number % 60:02d}.000000Z",
        "attachments": [],
        "files": [],
        "parent_message_uuid": uuid_of(parent) if parent else ROOT,
        **fields,
    }


def uuid_of(number):
    return f"aaaaaaaa-0000-4000-8000-{number:012d}"


def claude_ai(uuid, name, *messages, **fields):
    head = {"uuid": uuid, "name": name, "summary": "", "created_at": "2026-02-01T10:00:00.000000Z"}
    return head | {"updated_at": "2026-02-01T11:00:00.000000Z", "chat_messages": list(messages), **fields}


def branched():
    """Seven messages: the second answer was made anew, and the second question was edited later.

    1 -> 2 -> 3 -> 4 and 1 -> 2 -> 5 -> 6, and 7 is another answer to 5. Current is 1, 2, 5, 6.
    """
    citation = {
        "uuid": "x",
        "details": {"type": "web", "url": "https://engine.example/notes", "title": "The notes"},
    }
    attached = [{"file_name": "cards.txt", "file_size": 9, "extracted_content": "card one\ncard two"}]
    page = {"id": "engine-page", "type": "text/html", "title": "Engine page", "content": PAGE}
    return claude_ai(
        BRANCHED,
        "The analytical engine",
        said(1, 0, "human", text("What does the engine weave?"), attachments=attached,
             files=[{"file_name": "engine.png", "file_uuid": "f-1"}]),
        said(2, 1, "assistant", {"type": "thinking", "thinking": "Ada would know"},
             text("Algebraical **patterns**.", citations=[citation]), artifact("create", **page)),
        said(3, 2, "human", text("Show me a loom")),
        said(4, 3, "assistant", text("A loom, as asked first.")),
        said(5, 2, "human", {"type": "voice_note", "title": "Walk", "text": "Show me the notes instead"}),
        said(6, 5, "assistant", text("Here are the notes."),
             artifact("update", id="engine-page", old_str="Punched cards", new_str="Punched cards of Jacquard"),
             artifact("create", id="notes", type="text/markdown", title="Notes", content=NOTES),
             {"type": "tool_result", "tool_use_id": "toolu_9", "name": "artifacts", "content": [text("OK")]},
             {"type": "token_budget", "remaining": 7}),
        said(7, 5, "assistant", text("The notes, told differently.")),
        model="claude-opus-4-5-20251101",
        settings={"preview_feature_uses_artifacts": True},
        current_leaf_message_uuid=uuid_of(6),
    )  # fmt: skip


def evil():
    """A conversation that tries to act from every place where a text may stand."""
    address = "javascript:alert(1)"
    messages = []
    for words in HOSTILE:
        number = len(messages) + 1
        block = text(
            words, citations=[{"title": words, "url": address}, {"details": {"url": words, "title": ""}}]
        )
        calls = [artifact("create", id=words, type=words, title=words, content=words, language=words),
                 {"type": "tool_use", "name": words, "input": {words: words}},
                 {"type": "tool_result", "name": words, "content": words}, {"type": words, "x": words}]  # fmt: skip
        files = [{"file_name": words, "extracted_content": words}, {"file_name": words}]
        messages.append(said(number, number - 1, "assistant", block, *calls, attachments=files, files=files))
    return claude_ai(
        EVIL, HOSTILE[0], *messages, summary=HOSTILE[1], model=HOSTILE[2], settings={HOSTILE[0]: HOSTILE[1]}
    )


def write_claude_ai(folder, *conversations):
    path = folder / "conversations.json"
    path.write_text(json.dumps(conversations or [branched(), evil()], ensure_ascii=False))
    return path


ASKED_AGAIN = "c4a7c4a7-0000-4000-8000-000000000001"
EVIL_NODES = "c4a7c4a7-0000-4000-8000-000000000002"


def node(key, parent, role="", content=None, children=(), **fields):
    """A node of ChatGPT's tree; without a role it holds no message. ``fields`` are the message's."""
    number = sum(key.encode())
    message = {
        "id": key,
        "author": {"role": role, "name": fields.pop("name", None)},
        "create_time": 1770000000.5 + number,
        "content": content or {},
        "metadata": {"model_slug": "gpt-4o"} if role == "assistant" else {},
        "recipient": "all",
        **fields,
    }
    return {"id": key, "message": message if role else None, "parent": parent, "children": list(children)}


def words(*parts):
    return {"content_type": "text", "parts": list(parts)}


def chatgpt(key, title, *nodes, current=""):
    mapping = {each["id"]: each for each in nodes}
    return {"title": title, "create_time": 1770000000.0, "update_time": 1770000900.0, "mapping": mapping,
            "current_node": current, "conversation_id": key, "default_model_slug": "gpt-4o"}  # fmt: skip


def asked_again():
    """A question with a tool's run and a picture; its last answer was made twice, and the first is current."""
    hidden = {"is_visually_hidden_from_conversation": True}
    picture = {
        "content_type": "image_asset_pointer",
        "asset_pointer": "file-service://f",
        "width": 1,
        "height": 1,
    }
    profile = {
        "content_type": "user_editable_context",
        "user_profile": "I am Grace",
        "user_instructions": "Be brief",
    }
    run = {"content_type": "code", "language": "python", "text": "print(2 + 2)"}
    thoughts = {"content_type": "thoughts", "thoughts": [{"summary": "Counting", "content": "Two and two"}]}
    cited = {"content_references": [{"title": "Sums", "url": "https://sums.example/"}]}
    return chatgpt(
        ASKED_AGAIN,
        "Compilers and sums",
        node("i-again", "g-back", "assistant", words("It is four, again.")),
        node("a-root", None),
        node("b-system", "a-root", "system", words(""), metadata=hidden),
        node("c-profile", "b-system", "user", profile, metadata=hidden),
        node("d-ask", "c-profile", "user", {"content_type": "multimodal_text", "parts": [picture, "What is 2 + 2?"]}),
        node("e-think", "d-ask", "assistant", thoughts),
        node("f-run", "e-think", "assistant", run, recipient="python"),
        node("g-back", "f-run", "tool", {"content_type": "execution_output", "text": "4"}, name="python"),
        node("h-say", "g-back", "assistant", words("It is **four**\ue200cite\ue202turn0\ue201."), metadata=cited),
        current="h-say",
    )  # fmt: skip


def evil_nodes():
    """A conversation of ChatGPT that tries to act from every place where a text may stand."""
    nodes, parent = [node("root", None)], "root"
    kinds = [
        "text",
        "code",
        "thoughts",
        "reasoning_recap",
        "user_editable_context",
        "tether_quote",
        "unheard_of",
    ]
    for number, attempt in enumerate(HOSTILE):
        content = {"content_type": kinds[number % len(kinds)], "parts": [attempt, {"content_type": attempt}], "text": attempt,
                   "content": attempt, "title": attempt, "url": "javascript:alert(1)", "language": attempt,
                   "thoughts": [{"summary": attempt, "content": attempt}], "user_profile": attempt}  # fmt: skip
        role = ("assistant", "user", "tool", "system", attempt)[number % 5]
        cited = {"content_references": [{"title": attempt, "url": attempt}, {"url": "javascript:alert(1)"}]}
        nodes.append(
            node(f"n{number}", parent, role, content, name=attempt, metadata=cited, recipient=attempt)
        )
        parent = f"n{number}"
    return chatgpt(EVIL_NODES, HOSTILE[0], *nodes, current=parent)


def write_chatgpt(folder, *conversations):
    path = folder / "chatgpt.json"
    path.write_text(json.dumps(conversations or [asked_again(), evil_nodes()], ensure_ascii=False))
    return path
