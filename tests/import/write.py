"""Writes an account's session as Telethon and Kurigram (Pyrogram's successor) do, into a folder. The account comes as JSON on
standard input: library, folder, dc, address, port, key (hexadecimal), user_id, api_id, peers ([marked id, access hash])."""

import asyncio
import json
import os
import pathlib
import sys


def telethon(account, folder):
    from telethon.crypto import AuthKey
    from telethon.sessions import SQLiteSession, StringSession
    from telethon.tl import types

    def peer(marked, access_hash):
        if marked >= 0:
            return types.InputPeerUser(marked, access_hash)
        if marked > -1_000_000_000_000:
            return types.InputPeerChat(-marked)
        return types.InputPeerChannel(-marked - 1_000_000_000_000, access_hash)

    session = SQLiteSession(str(folder / "telethon.session"))
    session.set_dc(account["dc"], account["address"], account["port"])
    session.auth_key = AuthKey(data=bytes.fromhex(account["key"]))
    # As its client does when it disconnects: itself as peer 0.
    known = [peer(*known) for known in account["peers"]] + [types.InputPeerUser(0, account["user_id"])]
    session.process_entities(types.contacts.ResolvedPeer(None, known, []))
    (folder / "telethon.string").write_text(StringSession.save(session))
    session.close()
    SQLiteSession(str(folder / "empty.session")).close()


async def kurigram(account, folder):
    from pyrogram.storage import SQLiteStorage

    def kind(marked):
        return "user" if marked > 0 else "group" if marked > -1_000_000_000_000 else "supergroup"

    async def fill(storage):
        await storage.open()
        await storage.dc_id(account["dc"])
        await storage.server_address(account["address"])
        await storage.port(account["port"])
        await storage.api_id(account["api_id"])
        await storage.test_mode(False)
        await storage.auth_key(bytes.fromhex(account["key"]))
        await storage.user_id(account["user_id"])
        await storage.is_bot(False)
        await storage.update_peers([(marked, access_hash, kind(marked), None) for marked, access_hash in account["peers"]])
        await storage.save()

    storage = SQLiteStorage("kurigram", workdir=folder)
    await fill(storage)
    (folder / "kurigram.string").write_text(await storage.export_session_string())
    await storage.is_bot(True)
    (folder / "bot.string").write_text(await storage.export_session_string())
    await storage.is_bot(False)
    await storage.close()
    # A program that is killed leaves a log beside its file.
    await fill(SQLiteStorage("killed", workdir=folder, use_wal=True))
    os._exit(0)


account = json.load(sys.stdin)
folder = pathlib.Path(account["folder"])
if account["library"] == "telethon":
    telethon(account, folder)
else:
    asyncio.run(kurigram(account, folder))
