#!/usr/bin/env python3
"""What one would write in an afternoon: subscribe, insert each batch, commit, acknowledge. No order, no holes, no second
receiver, no facts. usage: consumer.py PORT URL CERTIFICATES"""

import json
import os
import sqlite3
import ssl
import sys
import time
import urllib.parse

import paho.mqtt.client as mqtt

port, url, certificates = int(sys.argv[1]), sys.argv[2], sys.argv[3]
COLUMNS = "gateway, epoch, seq, id, kind, subject, time, body, received_ms"
TABLE = f"""CREATE TABLE IF NOT EXISTS events (gateway TEXT, epoch TEXT, seq BIGINT, id TEXT, kind TEXT, subject TEXT,
    time TEXT, body TEXT, received_ms BIGINT, UNIQUE (gateway, epoch, seq))"""

if url.startswith("sqlite:"):
    path = url[len("sqlite:") :]
    os.makedirs(os.path.dirname(path), exist_ok=True)
    database = sqlite3.connect(path)
    database.execute("PRAGMA journal_mode=WAL")
    database.execute("PRAGMA synchronous=FULL")
    database.execute(TABLE)

    def insert(rows):
        database.executemany(f"INSERT INTO events({COLUMNS}) VALUES (?,?,?,?,?,?,?,?,?) ON CONFLICT DO NOTHING", rows)
        database.commit()

else:
    import psycopg2
    import psycopg2.extras

    place = urllib.parse.urlsplit(url)
    user, host = place.netloc.split("@")
    host, dbport = host.rsplit(":", 1)
    database = psycopg2.connect(host=urllib.parse.unquote(host), port=dbport, user=user, dbname=place.path[1:])
    cursor = database.cursor()
    cursor.execute(TABLE)
    database.commit()

    def insert(rows):
        statement = f"INSERT INTO events({COLUMNS}) VALUES %s ON CONFLICT DO NOTHING"
        psycopg2.extras.execute_values(cursor, statement, rows, page_size=len(rows))
        database.commit()


def on_connect(client, *_):
    client.subscribe([("skinlink/1/+/+/hello", 1), ("skinlink/1/+/+/events", 1)])


def on_message(client, _, message):
    root, version, store, gateway, lane = message.topic.split("/")
    word = json.loads(message.payload)
    answer = {"kind": "ack", "epoch": word["epoch"], "upto": 0, "ranges": []}
    if lane == "hello":
        answer |= {"kind": "hello", "last_seq": 0}
    else:
        now = int(time.time() * 1000)
        insert(
            [
                (gateway, event["epoch"], event["seq"], event["id"], event["type"], event["subject"], event["time"],
                 json.dumps(event, separators=(",", ":"), ensure_ascii=False), now)
                for event in word["events"]
            ]
        )
        answer["upto"] = word["first_seq"] + word["count"] - 1
    client.publish(f"{root}/{version}/{store}/{gateway}/ack", json.dumps(answer), qos=1)


client = mqtt.Client(client_id="hq-1", protocol=mqtt.MQTTv5)
client.tls_set(f"{certificates}/ca.pem", f"{certificates}/hq-1.pem", f"{certificates}/hq-1.key", tls_version=ssl.PROTOCOL_TLS_CLIENT)
client.on_connect, client.on_message = on_connect, on_message
client.connect("127.0.0.1", port)
client.loop_forever()
