# Submit a campaign with two recipients, then read what became of them. Needs: pip install redis
# fmt: off
import json
import os

import redis

r = redis.Redis.from_url(os.environ.get("REDIS_URL", "redis://127.0.0.1:6379"), decode_responses=True, socket_timeout=30)  # noqa: E501
def submit(kind, key, document):
    entry = {"v": 1, "kind": kind, "tenant": "acme", "key": key, "data": json.dumps(document)}
    return r.xadd("mta:submit:bulk", entry)  # no reply, or an error: submit again with the same key

submit("campaign", "spring-py", {"id": "spring-py", "from": "Acme <news@acme.example>",
    "subject": "Hi {{first|friend}}", "text": "Spring is here, {{first}}!"})
submit("recipients", "spring-py-1", {"campaign": "spring-py", "last": True,
    "columns": ["email", "ref", "first"],
    "rows": [["bob@example.org", "u-1", "Bob"], ["eve@example.net", "u-2", "Eve"]]})
done, new = False, {"mta:{0}:events": ">"}
while not done and (answer := r.xreadgroup("web", "python-1", new, count=500, block=5000)):
    for entry, event in dict(answer)["mta:{0}:events"]:
        print(event["event"], event.get("rcpt", ""), event.get("why", ""))
        r.xack("mta:{0}:events", "web", entry)  # once it is safe in your database; drop an eid seen before
        done = done or (event["event"], event.get("campaign")) == ("finished", "spring-py")
