"""A CRM's side of headquarters in thirty lines: reads what changed, books an appointment. Python 3, nothing else.

    HQ=https://hq.example KEY=skinlink_… STORE=sh-001 python3 example.py appointments.json
"""
import json, os, pathlib, sys, urllib.request

HQ, STORE = os.environ["HQ"], os.environ["STORE"]
MARK = pathlib.Path(os.environ.get("MARK", "since.txt"))    # how far we have read; keep it with your own data


def call(method, path, body=None):
    request = urllib.request.Request(HQ + "/crm/v1" + path, method=method, data=body and json.dumps(body).encode())
    request.add_header("Authorization", "Bearer " + os.environ["KEY"])
    request.add_header("Content-Type", "application/json")
    with urllib.request.urlopen(request, timeout=60) as answer:
        return json.load(answer)


more = True
while more:
    since = MARK.read_text() if MARK.exists() else ""
    page = call("GET", f"/visits?store={STORE}&since={since}")
    for line in page["visits"]:
        if "content" not in line:
            print("erase", line["visit"])               # withdrawn or erased: nothing of it may stay with you
            continue
        visit = call("GET", f"/stores/{STORE}/visits/{line['visit']}")
        for item in (item for one in visit["comparisons"] for item in one["items"]):
            print(visit["customer"], item["metric"], item["region"], item["verdict"], item["low"], item["high"])
    MARK.write_text(page["next"])                           # after the work: what was not finished is read again
    more = page["more"]

print(call("PUT", f"/stores/{STORE}/appointments", json.loads(pathlib.Path(sys.argv[1]).read_text())))
