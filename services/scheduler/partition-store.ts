import type { Database } from "../../lib/postgres/database.ts";
import { sql } from "../../lib/postgres/sql.ts";

/** A partition that a replica owns, and the epoch it was taken at. */
export interface Claim {
  readonly partition: number;
  readonly epoch: number;
}

/** Who owns a partition, and where to reach it; both undefined while nobody does. */
export interface Ownership {
  readonly partition: number;
  readonly incarnation: string | undefined;
  readonly address: string | undefined;
}

/** SQL of the ownership of partitions and of the replicas that own them. */
export function partitionStore(db: Database) {
  return {
    /** Makes or renews the lease of a replica, and answers the database's clock. */
    async renew({
      incarnation,
      address,
      leaseMs,
    }: {
      incarnation: string;
      address: string;
      leaseMs: number;
    }): Promise<Date> {
      const [row] = await db.query<{ now: Date }>(sql`
        insert into scheduler.replica (incarnation, address, lease_expires_at)
        values (${incarnation}::uuid, ${address}, clock_timestamp() + ${leaseMs}::int * interval '1 ms')
        on conflict (incarnation) do update
        set lease_expires_at = excluded.lease_expires_at, address = excluded.address
        returning clock_timestamp() as now
      `);
      if (row === undefined) throw new Error("an upsert returned no row");
      return row.now;
    },

    /** Ends the lease of a replica, so that others may take its partitions at once. */
    async resign(incarnation: string): Promise<void> {
      await db.query(sql`delete from scheduler.replica where incarnation = ${incarnation}::uuid`);
    },

    /** Removes replicas whose lease expired long ago. */
    async forgetReplicas(): Promise<void> {
      await db.query(sql`
        delete from scheduler.replica where lease_expires_at < clock_timestamp() - interval '1 hour'
      `);
    },

    /** How many replicas hold a lease. */
    async replicaCount(): Promise<number> {
      const [row] = await db.query<{ count: number }>(sql`
        select count(*)::int as count from scheduler.replica where lease_expires_at > clock_timestamp()
      `);
      return row?.count ?? 0;
    },

    /** Who owns each partition. An owner whose lease has expired counts as none. */
    async ownerships(): Promise<Ownership[]> {
      const rows = await db.query<{
        partition: number;
        incarnation: string | null;
        address: string | null;
      }>(sql`
        select p.partition, r.incarnation, r.address
        from scheduler.partition as p
        left join scheduler.replica as r
          on r.incarnation = p.owner_incarnation
          and r.lease_expires_at > clock_timestamp()
        order by p.partition
      `);
      return rows.map(({ partition, incarnation, address }) => ({
        partition,
        incarnation: incarnation ?? undefined,
        address: address ?? undefined,
      }));
    },

    /**
     * Takes partitions that nobody owns, or that the caller owns already, at a
     * new epoch; answers those that were taken. Waits for commits of the former
     * owner that are in flight. Reading what they wrote takes another statement.
     */
    async take({
      incarnation,
      partitions,
    }: {
      incarnation: string;
      partitions: readonly number[];
    }): Promise<Claim[]> {
      return await db.query<{ partition: number; epoch: number }>(sql`
        with free as (
          select p.partition
          from scheduler.partition as p
          where p.partition = any (${partitions}::int[])
            and (
              p.owner_incarnation = ${incarnation}::uuid
              or not exists (
                select
                from scheduler.replica as r
                where r.incarnation = p.owner_incarnation
                  and r.lease_expires_at > clock_timestamp()
              )
            )
          order by p.partition
          for update of p
        )
        update scheduler.partition as p
        set epoch = p.epoch + 1, owner_incarnation = ${incarnation}::uuid
        from free
        where p.partition = free.partition
        returning p.partition, p.epoch
      `);
    },

    /** Gives partitions back, so that others may take them at once. */
    async release({
      incarnation,
      partitions,
    }: {
      incarnation: string;
      partitions: readonly number[];
    }): Promise<void> {
      await db.query(sql`
        update scheduler.partition
        set owner_incarnation = null, epoch = epoch + 1
        where partition = any (${partitions}::int[])
          and owner_incarnation = ${incarnation}::uuid
      `);
    },
  };
}

export type PartitionStore = ReturnType<typeof partitionStore>;
