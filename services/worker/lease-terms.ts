/** How long leases hold. */
export interface LeaseTerms {
  /** Counted from the sending of the heartbeat that renews; set anew from each answer to one. */
  leaseMs: number;
  /** So much before the end of a lease the worker gives it up, for its program to be gone in time. */
  readonly marginMs: number;
}
