#!/usr/bin/env python3
"""A subscriber by another hand: what a consumer of our events sees, as NDJSON.

Declares a durable queue, binds it to the exchange and writes one line for each delivery, duplicates included, in the order of
arrival, until COUNT distinct events were seen or nothing came for IDLE seconds. Exit status 1 when there were fewer.
Prints `ready` once the queue is bound: what is published from then on is seen.
"""

import argparse
import json
import sys

import pika


def main():
    arguments = argparse.ArgumentParser(description=__doc__)
    arguments.add_argument("--url", required=True)
    arguments.add_argument("--exchange", required=True)
    arguments.add_argument("--queue", required=True)
    arguments.add_argument("--key", default="#", help="what to bind for")
    arguments.add_argument("--count", type=int, required=True)
    arguments.add_argument("--idle", type=float, default=10.0, help="seconds without a delivery after which to give up")
    arguments.add_argument("--out", required=True)
    a = arguments.parse_args()

    connection = pika.BlockingConnection(pika.URLParameters(a.url))
    channel = connection.channel()
    channel.exchange_declare(a.exchange, passive=True)
    try:
        # A queue that is there may have arguments of its own; it is used as it is.
        connection.channel().queue_declare(a.queue, passive=True)
    except pika.exceptions.ChannelClosedByBroker:
        channel.queue_declare(a.queue, durable=True)
    channel.queue_bind(a.queue, a.exchange, a.key)
    channel.basic_qos(prefetch_count=500)
    print("ready", flush=True)

    seen = set()
    with open(a.out, "w", encoding="utf-8") as out:
        for method, properties, body in channel.consume(a.queue, inactivity_timeout=a.idle):
            if method is None:
                break
            event = json.loads(body)
            line = {
                "message_id": properties.message_id,
                "routing_key": method.routing_key,
                "seq": properties.headers["seq"],
                "type": properties.type,
                "subject": event["subject"],
                "dataref": event.get("dataref"),
            }
            agree = event["id"] == properties.message_id and event["type"] == properties.type
            if not agree or event["data"]["seq"] != line["seq"] or properties.content_type != "application/cloudevents+json":
                sys.exit(f"properties and body disagree: {properties} {body}")
            out.write(json.dumps(line, ensure_ascii=False) + "\n")
            channel.basic_ack(method.delivery_tag)
            seen.add(properties.message_id)
            if len(seen) >= a.count:
                break
    channel.cancel()
    sys.exit(0 if len(seen) >= a.count else f"saw {len(seen)} of {a.count} events")


main()
