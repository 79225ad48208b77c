"""Store the definition, run it, print what came out. A worker must be running (`stepwell worker`)."""

from pathlib import Path

from stepwell.client import Client

with Client() as client:  # STEPWELL_URL, STEPWELL_CLIENT_ID, STEPWELL_TOKEN
    client.put_definition(Path(__file__).with_name("hello.yaml").read_text(encoding="utf-8"))
    process = client.run("hello", {"name": "Asha"})
    print(process["status"], process["output"]["result"])
