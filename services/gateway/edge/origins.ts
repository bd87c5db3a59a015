import type { IncomingHttpHeaders } from "node:http";
import { RE2JS } from "re2js";

/** Whose pages may use this installation from a browser. */
export interface OriginSettings {
  /** As browsers write them, `https://app.example.com:8443`; `*` is every one, then without credentials. */
  readonly origins: readonly string[];
  /** An expression, in the syntax of RE2, that the whole of an origin must match. */
  readonly pattern?: string | undefined;
}

/** Longer ones are no origins. */
const maxOriginLength = 300;

/** The origins of pages that are allowed. */
export class Origins {
  readonly #listed: ReadonlySet<string>;
  readonly #pattern: RE2JS | undefined;
  readonly #any: boolean;

  /** Throws when the pattern is none. */
  constructor({ origins, pattern }: OriginSettings) {
    this.#any = origins.includes("*");
    this.#listed = new Set(origins.map((origin) => origin.toLowerCase().replace(/\/$/, "")));
    this.#pattern = pattern === undefined ? undefined : compiled(pattern);
  }

  /** Whether any page besides our own may. */
  get areAny(): boolean {
    return this.#any || this.#listed.size > 0 || this.#pattern !== undefined;
  }

  /** `named` when an origin is allowed by itself, `any` when only because every one is. */
  permission(origin: string): "named" | "any" | undefined {
    if (origin.length <= maxOriginLength) {
      const name = origin.toLowerCase();
      if (name !== "*" && this.#listed.has(name)) return "named";
      if (this.#pattern?.matches(origin) === true) return "named";
    }
    return this.#any ? "any" : undefined;
  }

  /**
   * Whether a request may change something on the strength of what a browser adds
   * by itself: it comes from no page, from one of ours, or from one of an origin
   * that is allowed.
   */
  allow(headers: IncomingHttpHeaders): boolean {
    const { origin } = headers;
    return origin === undefined || isOwn(origin, headers) || this.permission(origin) !== undefined;
  }
}

/** Whether a text is an expression as `pattern` has them. */
export function isOriginPattern(text: string): boolean {
  try {
    compiled(text);
    return true;
  } catch {
    return false;
  }
}

/** Its matches take time linear in the origin, whatever that is. */
function compiled(pattern: string): RE2JS {
  return RE2JS.compile(RE2JS.translateRegExp(pattern));
}

/** Whether a page is ours: of the host that it asks. Not by its scheme, which a proxy before us may have changed. */
function isOwn(origin: string, headers: IncomingHttpHeaders): boolean {
  const authority = headers[":authority"] ?? headers.host;
  if (typeof authority !== "string" || !URL.canParse(origin)) return false;
  const { host, protocol } = new URL(origin);
  const asked = `${protocol}//${authority}`;
  return host !== "" && URL.canParse(asked) && new URL(asked).host === host;
}
