/** The uid and gid called nobody nearly everywhere; it owns nothing. */
const nobody = 65534;

/** The uid and gid to run strangers' code as: nobody's when this process is root, else its own (then empty). */
export function unprivileged(): { readonly uid?: number; readonly gid?: number } {
  return process.getuid?.() === 0 ? { uid: nobody, gid: nobody } : {};
}
