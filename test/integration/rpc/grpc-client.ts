import { fromBinary } from "@bufbuild/protobuf";
import { anyUnpack } from "@bufbuild/protobuf/wkt";
import { type Client, credentials, loadPackageDefinition, Metadata, type ServiceError } from "@grpc/grpc-js";
import { loadSync } from "@grpc/proto-loader";
import { type ErrorInfo, ErrorInfoSchema } from "../../../gen/google/rpc/error_details_pb.ts";
import { StatusSchema } from "../../../gen/google/rpc/status_pb.ts";
import { bearer } from "./test-service.ts";

type Unary = (
  request: object,
  metadata: Metadata,
  options: object,
  callback: (error: ServiceError | null, answer: unknown) => void,
) => { cancel(): void };

/** What of grpc-js's dynamic client the tests use. */
export interface GrpcTaskIO extends Disposable {
  readonly client: Client & {
    readonly GetTranscript: Unary;
    readonly SendInput: Unary;
    attach(metadata: Metadata): DuplexCall;
    watch(request: object, metadata: Metadata): ReadableCall;
  };
}

interface ReadableCall extends AsyncIterable<Record<string, unknown>> {
  on(event: "error", listener: (error: ServiceError) => void): this;
  cancel(): void;
}

interface DuplexCall extends ReadableCall {
  write(message: object): boolean;
  end(): void;
}

/** An independent gRPC client of TaskIOService, made from the proto files. */
export function grpcTaskIO(url: string): GrpcTaskIO {
  const definition = loadSync("antiphon/taskio/v1/taskio_service.proto", {
    includeDirs: ["proto"],
    keepCase: true,
  });
  const loaded = loadPackageDefinition(definition) as unknown as {
    antiphon: {
      taskio: { v1: { TaskIOService: new (address: string, using: unknown) => GrpcTaskIO["client"] } };
    };
  };
  const client = new loaded.antiphon.taskio.v1.TaskIOService(
    url.replace("http://", ""),
    credentials.createInsecure(),
  );
  return { client, [Symbol.dispose]: () => client.close() };
}

/** Metadata with a token. */
export function withToken(headers: Record<string, string> = bearer): Metadata {
  const metadata = new Metadata();
  for (const [name, value] of Object.entries(headers)) metadata.set(name, value);
  return metadata;
}

/** Makes one unary call. */
export function call(
  { client }: GrpcTaskIO,
  method: "GetTranscript" | "SendInput",
  request: object,
  { metadata = withToken(), deadline }: { metadata?: Metadata; deadline?: Date } = {},
): Promise<unknown> {
  return new Promise((resolve, reject) => {
    client[method](request, metadata, deadline === undefined ? {} : { deadline }, (error, answer) => {
      if (error === null) resolve(answer);
      else reject(error);
    });
  });
}

/** The `ErrorInfo` in what a call of grpc-js was refused with. */
export function errorInfo(error: unknown): Pick<ErrorInfo, "reason" | "domain" | "metadata"> | undefined {
  const [bytes] = (error as ServiceError).metadata.get("grpc-status-details-bin");
  if (!(bytes instanceof Uint8Array)) return undefined;
  for (const detail of fromBinary(StatusSchema, bytes).details) {
    const info = anyUnpack(detail, ErrorInfoSchema);
    if (info !== undefined) return { reason: info.reason, domain: info.domain, metadata: info.metadata };
  }
  return undefined;
}
