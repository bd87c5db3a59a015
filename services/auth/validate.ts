import { durationMs } from "@bufbuild/protobuf/wkt";
import { z } from "zod";
import type {
  CreateClientRequest,
  ExchangeTokenRequest,
  IntrospectTokenRequest,
  IssueTokenRequest,
  ListAuditEntriesRequest,
  ListClientsRequest,
  RefreshTokenRequest,
  RotateClientSecretRequest,
  UpdateClientRequest,
} from "../../gen/antiphon/auth/v1/auth_service_pb.ts";
import { DomainError } from "../../lib/errors/domain-error.ts";
import { allScopes } from "../../lib/rpc/access.ts";
import { audienceOf } from "../../lib/rpc/audience-message.ts";
import { publicAudiences } from "../../lib/rpc/tokens.ts";
import type { NewClient } from "./client.ts";
import { type ClientChanges, type ClientFilter, clientOrders } from "./client-store.ts";
import { isStandIn } from "./federation/stand-in.ts";

const maxTokenLength = 16_384;
const maxScopes = 20;
const defaultPageSize = 50;
const maxPageSize = 1_000;
const maxSkip = 1_000_000;
const defaultGraceMs = 24 * 3_600_000;
const maxGraceMs = 30 * 24 * 3_600_000;

function upTo(maxLength: number) {
  return (
    z
      .string()
      .max(maxLength, `has more than ${maxLength} characters`)
      // Postgres has no text with this character, so nothing that is stored has it.
      .refine((text) => !text.includes("\0"), "holds a NUL character")
  );
}

const required = (maxLength: number) => upTo(maxLength).min(1, "is required");

/** Of a request for tokens, where whose they are is checked later. */
const askedScopes = z.array(upTo(50)).max(maxScopes, `names more than ${maxScopes} scopes`);
const scopes = z
  .array(z.enum(allScopes, "is no scope"))
  .max(maxScopes, `names more than ${maxScopes} scopes`)
  .transform((named) => allScopes.filter((scope) => named.includes(scope)));

/** Unspecified is absent. */
const audience = z.int().transform((value, context) => {
  const audience = audienceOf(value);
  if (audience !== undefined || value === 0) return audience;
  context.addIssue("is no audience");
  return z.NEVER;
});

const shown = { clientId: required(200), clientSecret: required(200) };
const issue = z.object({ ...shown, scopes: askedScopes });
const aboutToken = z.object({ ...shown, token: required(maxTokenLength) });
const refresh = z
  .object({
    refreshToken: required(maxTokenLength),
    audience,
    scopes: askedScopes,
    clientId: upTo(200),
    clientSecret: upTo(200),
  })
  .refine(({ clientId, clientSecret }) => (clientId === "") === (clientSecret === ""), {
    path: ["clientId"],
    message: "comes with a client_secret, and without one when there is none",
  });
const exchange = z.object({ token: required(maxTokenLength) });

const create = z.object({
  clientId: upTo(200)
    .regex(/^[\w.:@-]*$/, "has a character that is none of A-Z a-z 0-9 . _ : @ -")
    .refine((clientId) => !isStandIn(clientId), "begins as the ids that stand for users of other issuers do"),
  clientSecret: upTo(200).refine(
    (secret) => secret === "" || secret.length >= 8,
    "has fewer than 8 characters",
  ),
  audience: audience.refine((named) => named !== undefined, "is required"),
  name: upTo(200),
  description: upTo(2_000),
  scopes: scopes.transform((named) => (named.length === 0 ? allScopes : named)),
});

const pageSize = z
  .int()
  .min(0, "is negative")
  .transform((size) => Math.min(size || defaultPageSize, maxPageSize));

const list = z.object({
  pageSize,
  skip: z.int().min(0, "is negative").max(maxSkip, `is more than ${maxSkip}`),
  text: upTo(200),
  audiences: z.array(audience.refine((named) => named !== undefined, "is no audience")),
  orderBy: z.string().transform((text, context) => {
    const [column, direction, ...rest] = (text || "created_at").split(" ");
    const orderBy = clientOrders.find((order) => order === column);
    const isDirection = direction === undefined || direction === "desc";
    if (orderBy !== undefined && isDirection && rest.length === 0)
      return { orderBy, descending: direction === "desc" };
    context.addIssue(`is none of ${clientOrders.join(", ")}, each as it is or with " desc"`);
    return z.NEVER;
  }),
});

const auditPage = z.object({ pageSize, clientId: upTo(200) });

const name = z.object({ clientId: required(200) });

const rotate = name.extend({
  grace: z.number().min(0, "is negative").max(maxGraceMs, "is more than 30 days"),
});

/** What of a client the mask may name. */
const changeable = {
  name: upTo(200),
  description: upTo(2_000),
  scopes: scopes.refine((named) => named.length > 0, "names no scope"),
  disabled: z.boolean(),
};

/** The id and secret of a request for tokens, and which scopes it wants. Throws FIELD_INVALID with every fault, like all here. */
export const validIssue = (request: IssueTokenRequest) => validated(issue, request);

export const validRefresh = (request: RefreshTokenRequest) => validated(refresh, request);

export const validExchange = (request: ExchangeTokenRequest) => validated(exchange, request);

/** Credentials, and the token that they are shown for. */
export const validAboutToken = (request: Omit<IntrospectTokenRequest, "$typeName">) =>
  validated(aboutToken, request);

/** A client to make and the secret that it shall have; an empty one is to be drawn, as an empty id is. */
export function validCreate(request: CreateClientRequest): {
  readonly client: NewClient;
  readonly secret: string;
} {
  const { clientSecret, audience, ...client } = validated(create, request);
  if (audience === undefined) throw new TypeError("an audience that is required was let through");
  return { client: { ...client, audience }, secret: clientSecret };
}

/** Which clients are listed; all of the page but its place. */
export function validList(request: ListClientsRequest): {
  readonly filter: ClientFilter;
  readonly skip: number;
  readonly limit: number;
} {
  const { pageSize, skip, text, audiences, orderBy } = validated(list, request);
  const named = audiences.filter((audience) => audience !== undefined);
  return {
    filter: { text, audiences: named.length === 0 ? publicAudiences : named, ...orderBy },
    skip,
    limit: pageSize,
  };
}

export const validAuditPage = (request: ListAuditEntriesRequest) => validated(auditPage, request);

/** The id or uid of the client that is meant. */
export const validName = (request: { readonly clientId: string }) => validated(name, request).clientId;

/** Whose secret is replaced, and how long the one before stays good. */
export function validRotate({ clientId, grace }: RotateClientSecretRequest): {
  readonly name: string;
  readonly graceMs: number;
} {
  const asked = { clientId, grace: grace === undefined ? defaultGraceMs : durationMs(grace) };
  const checked = validated(rotate, asked);
  return { name: checked.clientId, graceMs: checked.grace };
}

/** Which client is changed, by its id or uid, and how. */
export function validUpdate({ client, updateMask }: UpdateClientRequest): {
  readonly name: string;
  readonly changes: ClientChanges;
} {
  const paths = updateMask?.paths ?? [];
  const unknown = paths.findIndex((path) => !Object.hasOwn(changeable, path));
  if (paths.length === 0) throw fault("update_mask", "is required");
  if (unknown !== -1) {
    const known = Object.keys(changeable).join(", ");
    throw fault(`update_mask.paths[${unknown}]`, `is none of ${known}`);
  }
  const named = client?.clientId || client?.uid;
  if (client === undefined || named === undefined || named === "")
    throw fault("client.client_id", "is required");
  const asked = Object.fromEntries(paths.map((path) => [path, client[path as keyof typeof changeable]]));
  const changes = validated(z.object(changeable).partial(), asked, "client.");
  // A schema that lets a member be absent says that it may be undefined.
  const given = Object.entries(changes).filter(([, value]) => value !== undefined);
  return { name: validName({ clientId: named }), changes: Object.fromEntries(given) };
}

function validated<Schema extends z.ZodType>(schema: Schema, request: object, prefix = ""): z.output<Schema> {
  const checked = schema.safeParse(request);
  if (checked.success) return checked.data;
  throw DomainError.ofFaults(
    checked.error.issues.map(({ path, message }) => ({
      path: prefix + protoPath(path),
      reason: "FIELD_INVALID",
      message,
    })),
  );
}

/** `scopes[1]`, in proto names. */
function protoPath(path: readonly PropertyKey[]): string {
  return path
    .map((part) => (typeof part === "number" ? `[${part}]` : `.${snakeCase(String(part))}`))
    .join("")
    .replace(/^\./, "");
}

function snakeCase(name: string): string {
  return name.replaceAll(/[A-Z]/g, (letter) => `_${letter.toLowerCase()}`);
}

function fault(path: string, message: string): DomainError {
  return DomainError.ofFaults([{ path, reason: "FIELD_INVALID", message }]);
}
