import { ConnectError } from "@connectrpc/connect";

/** Why two who can reach each other do not agree on TLS. */
export interface TlsFailure {
  /** What of the server or its answer is wrong; goes behind the server's name. */
  readonly text: string;
  /** What to do about it. */
  readonly hint: string;
}

/** The failure of TLS that a call ended with; undefined when it was something else. */
export function tlsFailureOf(thrown: unknown): TlsFailure | undefined {
  const { cause } = ConnectError.from(thrown);
  return cause instanceof Error && "code" in cause ? failures.get(String(cause.code)) : undefined;
}

const untrusted: TlsFailure = {
  text: "has a certificate of an authority that is not known here",
  hint: "set ANTIPHON_TLS_CA to that authority's certificate, a file in PEM",
};
const outOfTime: TlsFailure = {
  text: "has a certificate that is not good at this time",
  hint: "compare the clocks, or renew the server's certificate",
};
const refused: TlsFailure = {
  text: "does not take the certificate that it is shown",
  hint: "set ANTIPHON_TLS_CERT and ANTIPHON_TLS_KEY to a certificate of an authority that the server knows",
};
const withoutTls: TlsFailure = { text: "speaks no TLS there", hint: "its URL begins with http://" };

/** By the codes of Node and OpenSSL. */
const failures: ReadonlyMap<string, TlsFailure> = new Map([
  ["UNABLE_TO_VERIFY_LEAF_SIGNATURE", untrusted],
  ["UNABLE_TO_GET_ISSUER_CERT", untrusted],
  ["UNABLE_TO_GET_ISSUER_CERT_LOCALLY", untrusted],
  ["SELF_SIGNED_CERT_IN_CHAIN", untrusted],
  ["DEPTH_ZERO_SELF_SIGNED_CERT", untrusted],
  ["CERT_SIGNATURE_FAILURE", untrusted],
  ["CERT_HAS_EXPIRED", outOfTime],
  ["CERT_NOT_YET_VALID", outOfTime],
  [
    "ERR_TLS_CERT_ALTNAME_INVALID",
    { text: "has a certificate for other names", hint: "call it by a name that its certificate has" },
  ],
  [
    "ERR_SSL_TLSV13_ALERT_CERTIFICATE_REQUIRED",
    {
      text: "wants to be shown a certificate",
      hint: "set ANTIPHON_TLS_CERT and ANTIPHON_TLS_KEY, files in PEM",
    },
  ],
  ["ERR_SSL_TLSV1_ALERT_UNKNOWN_CA", refused],
  ["ERR_SSL_TLSV1_ALERT_DECRYPT_ERROR", refused],
  [
    "ERR_OSSL_X509_KEY_VALUES_MISMATCH",
    {
      text: "can not be shown the certificate",
      hint: "ANTIPHON_TLS_KEY names no key of the certificate in ANTIPHON_TLS_CERT",
    },
  ],
  ["ERR_SSL_WRONG_VERSION_NUMBER", withoutTls],
  ["ERR_SSL_PACKET_LENGTH_TOO_LONG", withoutTls],
]);
