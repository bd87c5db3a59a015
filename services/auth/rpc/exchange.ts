import { timestampFromDate } from "@bufbuild/protobuf/wkt";
import type { ServiceImpl } from "@connectrpc/connect";
import type { AuthService } from "../../../gen/antiphon/auth/v1/auth_service_pb.ts";
import type { TokenExchange } from "../federation/token-exchange.ts";
import { validExchange } from "../validate.ts";
import { addressOf } from "./caller.ts";

export interface ExchangeNeeds {
  readonly exchange: TokenExchange;
}

type ExchangeRpcs = Pick<ServiceImpl<typeof AuthService>, "exchangeToken" | "listIssuers">;

/** Answers what gateways ask about tokens of other issuers. */
export function exchangeRpcs({
  exchange: { exchange, issuers, verifiesOthers },
}: ExchangeNeeds): ExchangeRpcs {
  return {
    async exchangeToken(request, context) {
      const { token } = validExchange(request);
      const { token: accessToken, expiresAt } = await exchange(token, addressOf(context));
      return { accessToken, expiresAt: timestampFromDate(expiresAt) };
    },

    listIssuers: () => ({ issuers: [...issuers], verifiesOthers }),
  };
}
