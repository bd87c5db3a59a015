/** Labels in one order: Protobuf says nothing of the order in which they come, and some clients draw it anew each time. */
export function sortedLabels(labels: Readonly<Record<string, string>>): Record<string, string> {
  return Object.fromEntries(Object.entries(labels).sort(([a], [b]) => (a < b ? -1 : 1)));
}
