"""Watches one task over a WebSocket and answers its questions, each over a socket of its own.

So does the synchronous client of the Waldiez runner: it opens a socket, sends the answer, and closes at
once. Takes the URL and the token, then the answers, as arguments; prints every frame that it hears, a line
each, and at last how the next handshake is refused.
"""

import json
import sys

from websockets.exceptions import ConnectionClosedOK, InvalidStatus
from websockets.sync.client import connect


def main() -> None:
    url, token, *answers = sys.argv[1:]
    headers = {"Authorization": f"Bearer {token}"}
    with connect(url, additional_headers=headers) as socket:
        try:
            while True:
                frame = json.loads(socket.recv())
                print(json.dumps(frame), flush=True)
                if frame["type"] == "input_request":
                    with connect(url, additional_headers=headers) as answering:
                        answering.send(json.dumps({"data": answers.pop(0), "request_id": frame["request_id"]}))
        except ConnectionClosedOK as closed:
            print(json.dumps({"type": "closed", "code": closed.rcvd.code if closed.rcvd else 0}), flush=True)
    try:
        connect(url, additional_headers=headers).close()
    except InvalidStatus as refused:
        print(json.dumps({"type": "refused", "status": refused.response.status_code}), flush=True)


main()
