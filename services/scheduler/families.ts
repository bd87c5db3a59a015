/** How many tasks the runs below one root may have that are alive at a time. */
const maxTasksBelow = 100_000;

/** The runs that are alive below each root, or about to be, with how many tasks each has. */
export class Families {
  readonly #families = new Map<string, { readonly tasksOf: Map<string, number>; tasks: number }>();

  /** Whether a run below a root may begin, which is then counted. One that is counted may. */
  admit(rootRunId: string, runId: string, tasks: number): boolean {
    const family = this.#families.get(rootRunId);
    if (family?.tasksOf.has(runId) === true) return true;
    if ((family?.tasks ?? 0) + tasks > maxTasksBelow) return false;
    this.count(rootRunId, runId, tasks);
    return true;
  }

  /** Notes how many tasks a run has. */
  count(rootRunId: string, runId: string, tasks: number): void {
    const family = this.#families.get(rootRunId) ?? { tasksOf: new Map<string, number>(), tasks: 0 };
    this.#families.set(rootRunId, family);
    family.tasks += tasks - (family.tasksOf.get(runId) ?? 0);
    family.tasksOf.set(runId, tasks);
  }

  /** Lets go of a run that has ended, or never began. */
  forget(rootRunId: string, runId: string): void {
    const family = this.#families.get(rootRunId);
    if (family === undefined) return;
    family.tasks -= family.tasksOf.get(runId) ?? 0;
    family.tasksOf.delete(runId);
    if (family.tasksOf.size === 0) this.#families.delete(rootRunId);
  }
}
