"""Reads a simulated world with Telethon, a client that shares no code with ours.

usage: telethon.py --access access.json --out messages.ndjson [--transport full|abridged|intermediate]

`access.json` is what `Simulator::access_json()` returns. For every account the dialogs are listed, folders and topics are looked
at, and every message of every group and channel is read; the result is one line `{"peer","account","id","date","text"}` a message,
sorted in that order, each once; only messages of basic groups have an `account`, whose ids they are. Service messages have an empty text.
Needs: pip install telethon cryptg
"""

import argparse
import asyncio
import json
import sys

# The script has the library's name, and Python looks beside the script first.
sys.path.pop(0)

from telethon import TelegramClient, functions, types, utils  # noqa: E402
from telethon.crypto import AuthKey  # noqa: E402
from telethon.network import ConnectionTcpAbridged, ConnectionTcpFull, ConnectionTcpIntermediate  # noqa: E402
from telethon.sessions import MemorySession  # noqa: E402

TRANSPORTS = {
    "full": ConnectionTcpFull,
    "abridged": ConnectionTcpAbridged,
    "intermediate": ConnectionTcpIntermediate,
}


def session_of(account):
    home = next(dc for dc in account["data_centres"] if dc["id"] == account["home_dc"])
    host, port = home["address"].rsplit(":", 1)
    session = MemorySession()
    session.set_dc(home["id"], host, int(port))
    session.auth_key = AuthKey(bytes.fromhex(home["auth_key"]))
    return session


async def read_more(client, dialogs):
    """Folders, and the topics of forums: every message that says it is in one is in one that is listed."""
    filters = (await client(functions.messages.GetDialogFiltersRequest())).filters
    known = {utils.get_peer_id(dialog.entity) for dialog in dialogs}
    for folder in filters[1:]:
        assert {utils.get_peer_id(peer) for peer in folder.include_peers} <= known, "a folder names an unknown peer"
    for dialog in dialogs:
        if not getattr(dialog.entity, "forum", False):
            continue
        listed = await client(functions.messages.GetForumTopicsRequest(dialog.input_entity, 0, 0, 0, 100))
        topics = {topic.id for topic in listed.topics}
        assert len(topics) == listed.count, "topics are listed twice or not at all"
        async for message in client.iter_messages(dialog.input_entity, limit=100, wait_time=0):
            header = message.reply_to
            if header and header.forum_topic:
                assert (header.reply_to_top_id or header.reply_to_msg_id) in topics, "a message is in no topic"


async def read_account(account, transport, found):
    client = TelegramClient(
        session_of(account), 1, "0" * 32, connection=TRANSPORTS[transport], connection_retries=1, receive_updates=False
    )
    await client.connect()
    try:
        me = await client.get_me()
        assert me.id == account["user_id"], "the wrong user answers"
        # Without a folder: the archived dialogs too.
        dialogs = await client.get_dialogs(limit=None)
        await read_more(client, dialogs)
        for dialog in dialogs:
            if isinstance(dialog.entity, types.User):
                continue
            peer = utils.get_peer_id(dialog.entity)
            of = {"account": account["name"]} if isinstance(dialog.entity, types.Chat) else {}
            async for message in client.iter_messages(dialog.input_entity, limit=None, wait_time=0):
                date = message.date.strftime("%Y-%m-%dT%H:%M:%SZ")
                line = {"peer": peer, **of, "id": message.id, "date": date, "text": message.raw_text or ""}
                found[(peer, of.get("account", ""), message.id)] = line
        print(f"{account['name']}: {len(dialogs)} dialogs, {len(found)} messages so far", file=sys.stderr)
    finally:
        await client.disconnect()


async def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--access", required=True)
    parser.add_argument("--out", required=True)
    parser.add_argument("--transport", choices=TRANSPORTS, default="full")
    arguments = parser.parse_args()
    with open(arguments.access, encoding="utf-8") as file:
        accounts = json.load(file)["accounts"]
    found = {}
    for account in accounts:
        await read_account(account, arguments.transport, found)
    with open(arguments.out, "w", encoding="utf-8") as file:
        for _, line in sorted(found.items()):
            file.write(json.dumps(line, ensure_ascii=False, separators=(",", ":")) + "\n")


asyncio.run(main())
