import type { Ownership } from "./partition-store.ts";

/** Who owns what, as it was last read. */
export class OwnerDirectory {
  #ownerships: readonly Ownership[] = [];

  update(ownerships: readonly Ownership[]): void {
    this.#ownerships = ownerships;
  }

  /** Who owns a partition; undefined while nobody does. */
  ownerOf(partition: number): { readonly incarnation: string; readonly address: string } | undefined {
    const found = this.#ownerships.find((ownership) => ownership.partition === partition);
    if (found?.incarnation === undefined) return undefined;
    return { incarnation: found.incarnation, address: found.address ?? "" };
  }

  /** The addresses of all owners but one. */
  addressesBesides(incarnation: string): Set<string> {
    return new Set(
      this.#ownerships.flatMap((ownership) =>
        ownership.incarnation === incarnation ? [] : (ownership.address ?? []),
      ),
    );
  }
}
