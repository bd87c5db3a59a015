/** The settings of an embedded server: small, durable, for one application with queues. */
const settings: Readonly<Record<string, string>> = {
  // Only a unix socket in a folder that is ours alone.
  listen_addresses: "",
  port: "5432",
  unix_socket_permissions: "0700",

  max_connections: "60",
  shared_buffers: "64MB",
  effective_cache_size: "512MB",
  // The statements are short; a process for each reader of files, replication and compilation cost more than they give.
  io_method: "sync",
  jit: "off",
  max_parallel_workers_per_gather: "0",
  max_logical_replication_workers: "0",

  fsync: "on",
  synchronous_commit: "on",
  wal_level: "minimal",
  max_wal_senders: "0",
  max_wal_size: "1GB",
  min_wal_size: "80MB",
  checkpoint_timeout: "15min",

  // Tables that are filled and emptied all day: look often, and at small changes. A planner without figures reads whole tables.
  autovacuum_naptime: "10s",
  autovacuum_vacuum_threshold: "500",
  autovacuum_vacuum_scale_factor: "0.05",
  autovacuum_analyze_threshold: "100",
  autovacuum_analyze_scale_factor: "0.05",

  timezone: "UTC",
  log_timezone: "UTC",
  // The log grows by starts and failures only; refused statements are told to those who sent them, and may hold payloads.
  log_min_messages: "log",
  log_min_error_statement: "panic",
  log_checkpoints: "off",
  update_process_title: "off",
};

/** The text of the configuration file; `changes` overrides single settings. */
export function embeddedSettings(socketDirectory: string, changes: Readonly<Record<string, string>>): string {
  const all = { ...settings, unix_socket_directories: socketDirectory, ...changes };
  const lines = Object.entries(all).map(([name, value]) => `${name} = '${value.replaceAll("'", "''")}'\n`);
  return `# Written at every start; changes are lost.\n${lines.join("")}`;
}
