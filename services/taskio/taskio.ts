import { createClient, type Transport } from "@connectrpc/connect";
import { TaskStateService } from "../../gen/antiphon/internal/v1/task_state_service_pb.ts";
import { TranscriptService } from "../../gen/antiphon/internal/v1/transcript_service_pb.ts";
import { TaskIOService } from "../../gen/antiphon/taskio/v1/taskio_service_pb.ts";
import { Bell } from "../../lib/async/bell.ts";
import type { Broker } from "../../lib/broker/broker.ts";
import type { Logger } from "../../lib/log/log.ts";
import type { Database } from "../../lib/postgres/database.ts";
import { internalOnly, publicAccessOf } from "../../lib/rpc/access.ts";
import { fromConnectError } from "../../lib/rpc/from-connect-error.ts";
import type { RunningService } from "../../lib/rpc/running-service.ts";
import { archiveLoop, scanLoop } from "./archive-loop.ts";
import { Archiver } from "./archiver.ts";
import type { TaskIOSettings } from "./config.ts";
import { Feeds } from "./feeds.ts";
import { lookLoop } from "./look-loop.ts";
import { removeTranscripts } from "./remove-transcripts.ts";
import { transcriptService } from "./rpc/delete-transcripts.ts";
import { taskIOService } from "./service.ts";
import { TaskStates } from "./task-states.ts";
import { TranscriptReader } from "./transcript-reader.ts";
import { transcriptStore } from "./transcript-store.ts";
import { wakeLoop } from "./wake-loop.ts";

/** What taskio is made of. All of it outlives the service. */
export interface TaskIOParts {
  /** Migrated. */
  readonly db: Pick<Database, "query" | "ping">;
  readonly broker: Broker;
  /** Reaches TaskStateService, with an internal token. */
  readonly scheduler: Transport;
  readonly log: Logger;
  readonly settings: TaskIOSettings;
}

/** taskio at work. */
export interface RunningTaskIO extends RunningService {
  /** How many tasks are watched here, and over how many streams. */
  readonly load: () => { readonly feeds: number; readonly watchings: number };
}

/** How long an answer may take: the scheduler waits for the worker's receipt of a secret one. */
const answerTimeoutMs = 60_000;

const pingTimeoutMs = 2_000;

/** Archives transcripts and serves them live. Disposing of it ends its streams with UNAVAILABLE, and its loops. */
export async function taskio({ db, broker, scheduler, log, settings }: TaskIOParts): Promise<RunningTaskIO> {
  const client = createClient(TaskStateService, scheduler);
  const store = transcriptStore(db);
  const states = new TaskStates(client);
  const reader = new TranscriptReader({ broker, store, log });
  const archiver = new Archiver({ broker, store, states, lostAfterMs: settings.lostAfterMs });
  const feeds = new Feeds({ reader, store, states, archiver, log, ...settings });
  const service = taskIOService({
    feeds,
    states,
    reader,
    archiver,
    answers: {
      states,
      answerPrompt: (request) => client.answerPrompt(request, { timeoutMs: answerTimeoutMs }),
      reasonOf: (error) => fromConnectError(error).reason,
    },
  });

  const ending = new AbortController();
  const onWake = (taskId: string): void => {
    feeds.wake(taskId);
    archiver.wake(taskId);
  };
  const scanAsked = new Bell();
  let defect: { readonly error: unknown } | undefined;
  const loops = [
    wakeLoop({ broker, onWake, onPlaced: () => scanAsked.ring(), log }, ending.signal),
    archiveLoop({ archiver, log }, ending.signal),
    scanLoop({ archiver, broker, log, asked: scanAsked, scanMs: settings.scanMs }, ending.signal),
    lookLoop({ feeds, log }, ending.signal),
  ].map((loop) =>
    loop.catch((error: unknown) => {
      defect ??= { error };
      log.error({ err: error }, "loop ended by a defect");
    }),
  );

  return {
    name: "taskio",
    routes: (router) => {
      router.service(TaskIOService, service);
      const remove = async (runIds: readonly string[]) => await removeTranscripts({ store, broker }, runIds);
      router.service(TranscriptService, transcriptService({ remove }));
    },
    access: {
      ...publicAccessOf(TaskIOService),
      [TranscriptService.typeName]: internalOnly,
    },
    load: () => feeds.load,
    async check() {
      if (defect !== undefined) throw defect.error;
      await Promise.all([db.ping(pingTimeoutMs), broker.ping(pingTimeoutMs)]);
    },
    async [Symbol.asyncDispose]() {
      ending.abort();
      await Promise.all([feeds.close(), ...loops]);
    },
  };
}
