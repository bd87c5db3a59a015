import type { WebSocket } from "ws";

/**
 * Answers a peer's pings from now on, one answer at a time: of those that came
 * while one was on its way the latest alone (RFC 6455 §5.5.3), so that a peer
 * that sends pings and reads nothing fills no memory.
 */
export function answerPings(peer: WebSocket): void {
  let latest: Buffer | undefined;
  let isSending = false;
  const answer = (): void => {
    if (latest === undefined || isSending || peer.readyState !== peer.OPEN) return;
    const data = latest;
    latest = undefined;
    isSending = true;
    peer.pong(data, false, () => {
      isSending = false;
      answer();
    });
  };
  peer.on("ping", (data) => {
    latest = data;
    answer();
  });
}
