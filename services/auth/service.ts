import type { ServiceImpl } from "@connectrpc/connect";
import type { AuthService } from "../../gen/antiphon/auth/v1/auth_service_pb.ts";
import type { ClientManagement } from "./client-management.ts";
import { clientRpcs } from "./rpc/clients.ts";
import { type ExchangeNeeds, exchangeRpcs } from "./rpc/exchange.ts";
import { type OperationNeeds, operationRpcs } from "./rpc/operation.ts";
import { type TokenRpcNeeds, tokenRpcs } from "./rpc/tokens.ts";

/** What the RPCs need. */
export interface AuthServiceNeeds extends TokenRpcNeeds, ExchangeNeeds, OperationNeeds {
  readonly management: ClientManagement;
}

/** Answers AuthService. */
export function authService({
  management,
  ...needs
}: AuthServiceNeeds): Partial<ServiceImpl<typeof AuthService>> {
  return { ...tokenRpcs(needs), ...exchangeRpcs(needs), ...clientRpcs(management), ...operationRpcs(needs) };
}
