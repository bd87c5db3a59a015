/* Removes runs of every partition, until it is killed: DATABASE_URL and STORAGE_DIR say where. */

import { Bell } from "../../../lib/async/bell.ts";
import { MemoryBroker } from "../../../lib/broker/memory-broker.ts";
import { logger } from "../../../lib/log/log.ts";
import { Database } from "../../../lib/postgres/database.ts";
import { fileStorage } from "../../../lib/storage/file-storage.ts";
import { removalLoop } from "../../../services/scheduler/removal-loop.ts";
import { removalStore } from "../../../services/scheduler/removal-store.ts";
import { removeTranscripts } from "../../../services/taskio/remove-transcripts.ts";
import { transcriptStore } from "../../../services/taskio/transcript-store.ts";
import { allClaims } from "./runs-to-remove.ts";

await using db = new Database(process.env["DATABASE_URL"] ?? "");
const broker = new MemoryBroker();
const transcripts = { store: transcriptStore(db), broker };
await removalLoop(
  {
    owner: { claims: allClaims },
    store: removalStore(db),
    storage: fileStorage(process.env["STORAGE_DIR"] ?? ""),
    removeTranscripts: async (runIds) => await removeTranscripts(transcripts, runIds),
    retentionMs: 3_600_000,
    asked: new Bell(),
    log: logger("test", "silent"),
  },
  new AbortController().signal,
);
